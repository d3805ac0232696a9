"""Records -> what methods say of their own answers: stand-ins, what is unexplained, warnings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actspec_bench.account import Account
from actspec_bench.records.record import Record

__all__ = ["Told", "told_by_methods"]

Subset = tuple[int, ...]


@dataclass(frozen=True)
class Told:
    """What one method says of its answers to one task at one budget.

    Attributes
    ----------
    instance
        The first of those that it answered.
    first
        Its first three subsets there, each with those that could stand in its place.
    unexplained
        Mean over instances of the share of the variance that it says it leaves.
    warned, cells
        Answers with a warning, of all that it gave.
    warning
        The first of them.
    """

    method: str
    budget: int
    instance: int
    first: list[tuple[Subset, tuple[Subset, ...]]]
    unexplained: float | None
    warned: int
    cells: int
    warning: str


SUBSETS = 3


def told_by_methods(records: Sequence[Record]) -> dict[str, list[Told]]:
    """Task -> what each method says, of those that say anything, larger budgets first."""
    by_group: dict[tuple[str, int, str], list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.instance):
        if record.status == "ok" and not record.control:
            by_group[record.task, -record.budget, record.method].append(record)
    found: dict[str, list[Told]] = defaultdict(list)
    for (task, _, _), group in sorted(by_group.items()):
        told = _told(group)
        if told is not None:
            found[task].append(told)
    return dict(found)


def _told(group: list[Record]) -> Told | None:
    accounts = [Account.of(record.info, record.reported) for record in group]
    shares = [account.unexplained[0] for account in accounts if account.unexplained is not None]
    warnings = [account.warnings[0] for account in accounts if account.warnings]
    if not (shares or warnings or any(account.stand_ins for account in accounts)):
        return None
    first, account = group[0], accounts[0]
    subsets = [tuple(subset) for subset in first.subsets[:SUBSETS]]
    others = account.stand_ins[: len(subsets)] or ((),) * len(subsets)
    return Told(
        method=first.method,
        budget=first.budget,
        instance=first.instance,
        first=list(zip(subsets, others, strict=True)),
        unexplained=float(f"{np.mean(shares):.6g}") if shares else None,
        warned=len(warnings),
        cells=len(group),
        warning=warnings[0] if warnings else "",
    )
