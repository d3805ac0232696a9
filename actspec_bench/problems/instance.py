"""Task -> instance: a problem together with what the task knows about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actspec_bench.problems.inputs import DataInputs, MaskedImage
    from actspec_bench.problems.problem import Problem
    from actspec_bench.problems.truth import Truth

__all__ = ["Instance"]


@dataclass(frozen=True)
class Instance:
    """What a task returns.

    Attributes
    ----------
    problem
        What methods see.
    truth
        What they must not see; None if the task has none.
    facts
        Figures about the instance for its records, such as a network's test accuracy.
    inputs
        Makes, when it is asked, what the rows of the problem came from, to trace subsets back
        to; None where they came from nothing. Methods do not see it.
    """

    problem: Problem
    truth: Truth | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    inputs: Callable[[], DataInputs | MaskedImage] | None = None

    def __post_init__(self) -> None:
        if self.truth is not None and self.truth.n != self.problem.n:
            raise ValueError(
                f"the truth is about {self.truth.n} units and the problem has {self.problem.n}"
            )
