"""Cell -> record: the identity of a cell, and the one stored outcome of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from actspec_bench.registry.entries import methods, tasks
from actspec_bench.registry.specs import Spec
from actspec_bench.seeds import digest, seed_from

__all__ = ["SCHEMA_VERSION", "STATUSES", "Cell", "Lifted", "Record", "Status", "planned"]

SCHEMA_VERSION = 2
Status = Literal["ok", "error", "timeout", "oom", "over-budget", "skipped"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Cell:
    """One (task + parameters, instance, method + parameters, budget).

    Attributes
    ----------
    instance
        Number of the task's instance, from 0; its seed is `instance_seed`.
    budget
        Rows that the method may evaluate.
    """

    task: Spec
    task_version: int
    instance: int
    method: Spec
    budget: int

    @cached_property
    def task_identity(self) -> list[Any]:
        """What the numbers of the task depend on."""
        return [self.task.name, self.task_version, self.task.parameters, self.instance]

    @cached_property
    def method_identity(self) -> list[Any]:
        """What the numbers of the method depend on, apart from task and budget."""
        return [self.method.name, self.method.parameters]

    @cached_property
    def id(self) -> str:
        """Stable name of the cell: 16 hex digits."""
        return digest(self.task_identity, self.method_identity, self.budget)[:16]

    @property
    def instance_seed(self) -> int:
        """Seed of the task's instance; the same for every method and budget.

        Instances of one task have consecutive seeds, so that a task can deal out what it has
        few of, such as classes or kinds of sentences, evenly among them. Variants that differ
        only in parameters that the card calls ``paired`` have the same seeds.
        """
        paired = tasks[self.task.name].card.paired
        shared = {name: v for name, v in self.task.parameters.items() if name not in paired}
        return seed_from("instance", [self.task.name, self.task_version, shared]) + self.instance

    @property
    def method_seed(self) -> int:
        """Seed of the method on this instance; the same at every budget."""
        return seed_from("method", self.task_identity, self.method_identity)


class Lifted(BaseModel):
    """Scores of single units that were made into subsets by a stated rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    told: bool = Field(default=False, description="whether the truth told the rule something")
    scores: dict[str, float] = Field(default_factory=dict, description="metric -> value")
    missing: dict[str, str] = Field(
        default_factory=dict, description="metric -> why it has no value here"
    )


class Record(BaseModel):
    """The stored outcome of one cell, whatever happened to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: str = Field(description="id of the cell, a hash of the identity below and the budget")
    task: str = Field(description="label: name and parameters that differ from their defaults")
    task_name: str
    task_version: int
    task_parameters: dict[str, Any] = Field(
        description="all parameters, defaults included, but for those that came later to the task"
    )
    instance: int = Field(description="number of the instance, from 0")
    instance_seed: int
    method: str = Field(description="label, as for the task")
    method_name: str
    method_parameters: dict[str, Any]
    method_seed: int
    budget: int = Field(description="rows, forward and backward together")
    control: bool = Field(description="whether the method is a control, which is never ranked")
    sees_truth: bool = Field(default=False, description="whether the control was told the truth")
    returns: Literal["subsets", "units"] = Field(
        default="subsets", description="what the method returns"
    )
    family: str = Field(default="", description="of the method, as its card says")
    on: str = Field(default="", description="what was attributed: the margin, or the value")
    main_metric: str = Field(description="ranks methods on this task on the track of subsets")
    units_metric: str = Field(default="", description="the same on the track of units")
    status: Status
    reason: str = Field(default="", description="why the status is not ok, in a sentence")
    lacks: list[str] = Field(
        default_factory=list,
        description="data sets or packages whose absence made the cell skipped",
    )
    traceback: str = Field(default="", description="of an error in a method, task or metric")
    output: str = Field(default="", description="end of what a failed cell printed")
    scores: dict[str, float] = Field(default_factory=dict, description="metric -> value")
    missing: dict[str, str] = Field(
        default_factory=dict, description="metric -> why it has no value here"
    )
    lifted: dict[str, Lifted] = Field(
        default_factory=dict,
        description="name of a lift -> scores of the subsets that it makes of a method's units",
    )
    metric_errors: dict[str, str] = Field(
        default_factory=dict, description="metric -> how its own code failed here"
    )
    subsets: list[list[int]] = Field(
        default_factory=list, description="the largest reported subsets, at most 64"
    )
    coefficients: list[float] = Field(default_factory=list, description="of those subsets")
    reported: int = Field(default=0, description="how many subsets the method reported")
    info: dict[str, Any] = Field(default_factory=dict, description="what the method told")
    facts: dict[str, Any] = Field(default_factory=dict, description="what the task told")
    notes: list[str] = Field(default_factory=list, description="caveats of the problem")
    phases: dict[str, float] = Field(
        default_factory=dict, description="seconds to build, attribute and score"
    )
    sources: dict[str, str] = Field(
        description="'task', 'method', 'lifts', 'metric NAME' -> first 16 hex digits of the "
        "SHA-256 of their code, with what it imports"
    )
    provenance: dict[str, Any] = Field(description="versions, commit, machine and device")


def _scores_units(cell: Cell | Record) -> bool:
    """Whether the method scores single units and is no control: boards lift what it returns."""
    if isinstance(cell, Record):
        return cell.returns == "units" and not cell.control
    card = methods[cell.method.name].card
    return card.returns == "units" and not card.control


def planned(cell: Cell | Record) -> dict[str, Any]:
    """What a cell is, for boards while it has no record and to tell versions apart."""
    return {
        "cell": cell.id if isinstance(cell, Cell) else cell.cell,
        "task": cell.task.label if isinstance(cell, Cell) else cell.task,
        "task_version": cell.task_version,
        "task_parameters": cell.task.parameters if isinstance(cell, Cell) else cell.task_parameters,
        "instance": cell.instance,
        "method": cell.method.label if isinstance(cell, Cell) else cell.method,
        "method_parameters": (
            cell.method.parameters if isinstance(cell, Cell) else cell.method_parameters
        ),
        "budget": cell.budget,
        "scores_units": _scores_units(cell),
    }
