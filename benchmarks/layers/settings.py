"""What is measured: layers, cases with fresh inputs and planted cases, and the figures to reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from benchmarks.layers.cases import Case, shared_twins, task_case
from benchmarks.layers.networks import relu_case, residual_case

__all__ = ["OPTIONAL", "QUICK", "SETTINGS", "Figure", "Kind", "Metric", "Setting"]

Kind = Literal["layer", "fresh", "planted"]
Metric = Literal["r2", "j5", "soft5", "r2_mixtures", "ratio", "recall"]
BUDGET, GIVEN_ROWS = 10_000, 4000
RULES = {
    "ratio": ", or a warning and nothing claimed",
    "recall": ", no subset with a twin",
}


@dataclass(frozen=True)
class Figure:
    """A figure for ``actspec`` to reach: a mean over networks of at least ``value``.

    Of ``ratio`` and ``recall`` something is asked besides (see ``RULES``); ``value`` None: not
    below any control of the same run.
    """

    metric: Metric
    value: float | None

    @property
    def text(self) -> str:
        """The figure as a table shows it."""
        if self.value is None:
            return "not below a control"
        return f"≥ {self.value:g}{RULES.get(self.metric, '')}"


@dataclass(frozen=True)
class Setting:
    """One layer or case.

    Attributes
    ----------
    name
        What tables and ``--layers`` call it.
    kind
        ``layer``: explained variance and agreement of seeds; ``fresh``: explained variance on
        the inputs given and on others; ``planted``: recall of a known truth.
    make
        Seed of an instance -> case.
    budget
        Rows that each call may use.
    figures
        To reach.
    """

    name: str
    kind: Kind
    make: Callable[[int], Case]
    budget: int = BUDGET
    figures: tuple[Figure, ...] = ()


def _layer(task: str, *figures: Figure) -> Setting:
    return Setting(task, "layer", partial(task_case, task, 0), figures=figures)


def _all_three(r2: float, j5: float, soft5: float) -> tuple[Figure, ...]:
    return Figure("r2", r2), Figure("j5", j5), Figure("soft5", soft5)


_FIXED = (Figure("ratio", 0.9),)
_TWINS = (Figure("recall", 1.0),)
SETTINGS = {
    setting.name: setting
    for setting in (
        _layer("mnist-hidden", *_all_three(0.81, 0.75, 0.9), Figure("r2_mixtures", 0.25)),
        _layer("mnist-hidden[target=7,against=1]", *_all_three(0.97, 0.74, 0.97)),
        _layer("digits-hidden", *_all_three(0.68, 0.73, 0.91)),
        _layer("sst2-pooler", Figure("r2", None)),
        Setting("24 ReLUs, 150 inputs", "fresh", relu_case, figures=_FIXED),
        Setting("residual block, 200 images", "fresh", residual_case, figures=_FIXED),
        Setting(
            "twins of units",
            "planted",
            partial(
                task_case,
                "planted-parity[n=32,terms=3,order=3,overlap=1,noise=0.05,correlation=0.6]",
                GIVEN_ROWS,
            ),
            GIVEN_ROWS,
            _TWINS,
        ),
        Setting(
            "sets that share twins",
            "planted",
            partial(shared_twins, GIVEN_ROWS),
            GIVEN_ROWS,
            _TWINS,
        ),
    )
}
OPTIONAL = {
    setting.name: setting
    for setting in (
        _layer("mnist-hidden[readout=margin]"),
        _layer("mnist-pixels"),
        _layer("trained-parity-hidden"),
        _layer("minilm-pooler"),
    )
}
QUICK = ("digits-hidden", "24 ReLUs, 150 inputs", "sets that share twins")
