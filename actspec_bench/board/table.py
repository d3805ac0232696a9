"""What a board holds, before any format: groups with their metrics, standings, facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from actspec_bench.board.accounts import Told
from actspec_bench.board.facts import Fact
from actspec_bench.registry.cards import MetricCard

__all__ = ["Board", "Entry", "Group", "Standing", "TrackTable", "Variant"]

Key = tuple[str, str, int]


@dataclass(frozen=True)
class Entry:
    """One metric of one method on one task at one budget.

    Attributes
    ----------
    mean, low, high
        Over the instances that have a value; None where there is none, or no interval.
    cells
        Instances that have a value.
    why
        The most frequent reason for a missing value, if any is missing.
    """

    mean: float | None
    low: float | None
    high: float | None
    cells: int
    why: str = ""


@dataclass(frozen=True)
class Group:
    """One row on one task at one budget: coverage, rank and every metric of its track.

    Attributes
    ----------
    method
        The method, and the lift by which it stands on the track, if it does by one.
    on
        What was attributed: the margin or the value.
    told
        Whether the truth told its lift something: it is shown, and not ranked.
    blind
        Whether the method is a control that sees nothing, neither truth nor function.
    above_chance
        Whether the main metric is clearly better than that of every blind control; None where
        there is nothing to compare with.
    """

    task: str
    method: str
    on: str
    control: bool
    told: bool
    blind: bool
    budget: int
    main_metric: str
    planned: int
    ok: int
    failed: int
    skipped: int
    statuses: dict[str, int]
    why: str
    entries: dict[str, Entry]
    rank: int | None = None
    above_chance: bool | None = None

    @property
    def main(self) -> Entry:
        """The metric that ranks methods on this task."""
        return self.entries[self.main_metric]

    @property
    def first(self) -> bool:
        """Whether the method shares first place, and not by chance."""
        return self.rank == 1 and self.above_chance is not False

    @property
    def complete(self) -> bool:
        """Whether the main metric has a value on every planned instance."""
        return self.main.cells == self.planned


@dataclass(frozen=True)
class Standing:
    """A row's place over all tasks of a track at one budget.

    Attributes
    ----------
    shown
        Whether it has a score on any of the tasks.
    """

    method: str
    on: str
    control: bool
    told: bool
    mean_rank: float | None
    tasks_ranked: int
    shown: bool


@dataclass(frozen=True)
class Variant:
    """What a task column stands for: a task's name and its resolved parameters."""

    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class TrackTable:
    """What methods are compared on for one question.

    Attributes
    ----------
    name, question
        ``"subsets"`` or ``"units"``, and what it asks.
    main_metrics
        Task -> the metric that ranks there.
    columns
        Metrics that answer the question, and those of cost.
    standings
        Budget -> rows in the order shown: ranked on most tasks first, then by mean rank;
        controls last.
    ranking
        Budget -> tasks on which two rows or more have a rank.
    """

    name: str
    question: str
    tasks: list[str]
    main_metrics: dict[str, str]
    columns: list[str]
    groups: dict[Key, Group]
    standings: dict[int, list[Standing]]
    ranking: dict[int, list[str]]


@dataclass(frozen=True)
class Board:
    """Everything that the written boards show.

    Attributes
    ----------
    tracks
        Those that have a task, subsets first.
    instances
        Distinct numbers of instances that methods planned.
    metrics
        Cards of the metrics, as they were when the cells ran.
    machines
        Distinct machines, for times are comparable on one machine only.
    variants
        Task -> its name and resolved parameters.
    facts
        Task -> fact -> its mean over instances, element by element.
    accounts
        Task -> what methods say of their own answers.
    """

    tasks: list[str]
    budgets: list[int]
    metrics: dict[str, MetricCard]
    tracks: list[TrackTable]
    instances: list[int]
    versions: list[str] = field(default_factory=list)
    machines: list[str] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    facts: dict[str, dict[str, Fact]] = field(default_factory=dict)
    accounts: dict[str, list[Told]] = field(default_factory=dict)
