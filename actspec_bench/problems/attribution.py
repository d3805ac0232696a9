"""Method -> attribution: what a method returns, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from actspec_bench.fourier import Subset

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy import ndarray

__all__ = ["Attribution", "checked_attribution"]


@dataclass(frozen=True, eq=False)
class Attribution:
    """Subsets of units with signed coefficients.

    Attributes
    ----------
    subsets
        Sorted index tuples, most important first (ties: shorter, then smaller indices, first).
        The empty set is never among them.
    coefficients
        One signed number a subset, in the same order.
    importance
        What each subset counts for in `units`, in the same order: ``|coefficient|``, unless the
        method tells something else, such as what a subset adds to those before it.
    ranked
        Whether the order is the method's own, and not that of ``|coefficient|``.
    returns
        ``"units"`` if the method scored single units only, else ``"subsets"``.
    info
        What else the method has to tell (thresholds, intervals, a reason for an empty result);
        anything JSON can hold.

    Make one with `from_subsets` or `from_units`.
    """

    subsets: tuple[Subset, ...]
    coefficients: Float[ndarray, " subsets"]
    returns: Literal["subsets", "units"]
    n: int | None = None
    info: dict[str, Any] = field(default_factory=dict)
    importance: Float[ndarray, " subsets"] = None  # type: ignore[assignment]
    ranked: bool = False

    def __post_init__(self) -> None:
        if self.importance is None:
            object.__setattr__(self, "importance", np.abs(self.coefficients))
        if len(self.subsets) != len(self.coefficients):
            raise ValueError(
                f"{len(self.subsets)} subsets have {len(self.coefficients)} coefficients"
            )
        if not np.isfinite(self.coefficients).all():
            raise ValueError("a coefficient is not a finite number")
        if len(self.importance) != len(self.subsets) or not (self.importance >= 0).all():
            raise ValueError("importance must be one number of at least 0 a subset")
        if any(_checked_subset(s, self.n) != s or not s for s in self.subsets):
            raise ValueError("subsets must be sorted tuples of units, none of them empty")
        if len(set(self.subsets)) < len(self.subsets):
            raise ValueError("a subset is given twice")

    @classmethod
    def from_subsets(
        cls,
        coefficients: Mapping[Subset, float],
        *,
        n: int | None = None,
        info: dict[str, Any] | None = None,
        importance: Mapping[Subset, float] | None = None,
    ) -> Attribution:
        """Build from ``{(3, 7): 0.8, ...}``; the empty subset is left out.

        Subsets are ranked by |coefficient|, or if ``importance`` is given, by the same keys, as
        those stand there: best first.

        Raises
        ------
        ValueError
            An index is negative, repeated or not below ``n``; a coefficient is not finite; a
            subset is given twice in two orders.
        """
        clean: dict[Subset, float] = {}
        for key, value in coefficients.items():
            subset = _checked_subset(key, n)
            if subset in clean:
                raise ValueError(f"subset {subset} is given twice")
            if not np.isfinite(value):
                raise ValueError(f"the coefficient of {subset} is {value}, not a finite number")
            if subset:
                clean[subset] = float(value)
        if importance is None:
            return cls(*_ranked(clean), "subsets", n, info or {})
        weight = {_checked_subset(key, n): float(value) for key, value in importance.items()}
        if weight.keys() != clean.keys():
            raise ValueError("importance must have the subsets that have coefficients")
        signed = np.array([clean[subset] for subset in weight], dtype=float)
        own = np.array(list(weight.values()), dtype=float)
        return cls(tuple(weight), signed, "subsets", n, info or {}, own, ranked=True)

    @classmethod
    def from_units(
        cls, scores: Iterable[float] | Any, *, info: dict[str, Any] | None = None
    ) -> Attribution:
        """Build from one signed score a unit, shape (n,): each unit is a subset of one.

        Units whose score is exactly 0 are not reported as subsets.

        Raises
        ------
        ValueError
            ``scores`` is not one-dimensional or holds a value that is not finite.
        """
        array = np.asarray(
            scores.detach().cpu() if hasattr(scores, "detach") else scores, dtype=float
        )
        if array.ndim != 1:
            raise ValueError(f"unit scores must have shape (n,), not {array.shape}")
        if not np.isfinite(array).all():
            bad = int(np.flatnonzero(~np.isfinite(array))[0])
            raise ValueError(f"the score of unit {bad} is {array[bad]}, not a finite number")
        found: dict[Subset, float] = {(int(i),): float(array[i]) for i in np.flatnonzero(array)}
        return cls(*_ranked(found), "units", len(array), info or {})

    def units(self, n: int | None = None) -> Float[ndarray, " n"]:
        """Importance of each unit: the sum of those of the subsets that hold it."""
        n = n if n is not None else self.n
        if n is None:
            n = 1 + max((max(s) for s in self.subsets), default=-1)
        scores = np.zeros(n)
        for subset, importance in zip(self.subsets, self.importance, strict=True):
            scores[list(subset)] += importance
        return scores

    def top(self, m: int, generator: np.random.Generator) -> list[Subset]:
        """Return the ``m`` subsets of largest ``|coefficient|``, ties broken at random.

        The random order of ties keeps a constant scorer at chance whatever the order of units.
        Where the method ranks itself, its first ``m``.
        """
        if self.ranked:
            return list(self.subsets[:m])
        shuffled = generator.permutation(len(self.subsets))
        order = shuffled[np.argsort(-np.abs(self.coefficients[shuffled]), kind="stable")]
        return [self.subsets[i] for i in order[:m]]

    def as_dict(self) -> dict[Subset, float]:
        """Return ``{subset: coefficient}``, in rank order."""
        return dict(zip(self.subsets, self.coefficients.tolist(), strict=True))


def checked_attribution(
    found: Any, method: str, *, returns: Literal["subsets", "units"], n: int
) -> Attribution:
    """Check what a method returned against what its card declares and the problem's n units.

    Raises
    ------
    TypeError
        It is not an `Attribution`.
    ValueError
        It has unit indices beyond n, or scores for another number of units, or subsets from
        a method whose card says it returns units.
    """
    if not isinstance(found, Attribution):
        raise TypeError(
            f"method {method!r} returned {type(found).__name__}; return "
            "Attribution.from_units(...) or Attribution.from_subsets(...)"
        )
    if found.returns != returns:
        raise ValueError(
            f"method {method!r} declares returns={returns!r} and returned {found.returns}"
        )
    if found.returns == "units" and found.n != n:
        raise ValueError(f"method {method!r} scored {found.n} units of {n}")
    largest = max((subset[-1] for subset in found.subsets), default=-1)
    if largest >= n:
        raise ValueError(f"method {method!r} returned unit {largest} of {n} (0 to {n - 1})")
    return found


def _checked_subset(key: Iterable[int], n: int | None) -> Subset:
    indices = tuple(key)
    for i in indices:
        if isinstance(i, bool) or int(i) != i:
            raise ValueError(f"{i!r} in subset {indices} is not a unit index")
        if i < 0 or (n is not None and i >= n):
            bound = "negative" if i < 0 else f"not below n={n}"
            raise ValueError(f"unit index {i} in subset {indices} is {bound}")
    subset = tuple(sorted(int(i) for i in indices))
    if len(set(subset)) != len(subset):
        raise ValueError(f"subset {indices} holds a unit twice")
    return subset


def _ranked(
    coefficients: dict[Subset, float],
) -> tuple[tuple[Subset, ...], Float[ndarray, " subsets"]]:
    items = sorted(coefficients.items(), key=lambda kv: (-abs(kv[1]), len(kv[0]), kv[0]))
    return tuple(s for s, _ in items), np.array([c for _, c in items], dtype=float)
