"""Second differences over contexts -> pairs that interact, merged where they share a unit.

Each unit has two states, counted as +1 and -1, so that half a difference, and a quarter of a second
difference, of a sum of disjoint characters is a Fourier coefficient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.interacting.reporting import NOTHING_MOVES, enough, reported
from actspec_bench.problems.explaining import On, explained, spread_rows

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from numpy import ndarray

    from actspec_bench.fourier import Subset
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

__all__ = ["archdetect", "merged", "telling"]

BATCH_ROWS = 2**14
MOST_CONTEXTS = 64
LEVEL = 0.025
# Relative error of a difference of single-precision values, with room.
ROUNDING = 1e-6
RELATIVE_FLOOR = 1e-12
NOTHING_STANDS_OUT = "no unit and no pair stands out from the noise of second differences"


@dataclass
class Strengths:
    """Sums over contexts of squared half differences of units, and quarters of those of pairs.

    Attributes
    ----------
    single, pair
        (n,) and (n, n) sums; of ``pair`` the upper triangle counts.
    looked
        (n, n) contexts in which a pair was looked at.
    contexts
        In which every unit was.
    largest
        Absolute value met.
    clean
        Value in the first context.
    """

    n: int
    contexts: int = 0
    largest: float = 0.0
    clean: float = float("nan")
    single: Float[ndarray, " n"] = field(init=False)
    pair: Float[ndarray, "n n"] = field(init=False)
    looked: Float[ndarray, "n n"] = field(init=False)

    def __post_init__(self) -> None:
        self.single = np.zeros(self.n)
        self.pair, self.looked = np.zeros((self.n, self.n)), np.zeros((self.n, self.n))

    def strongest(self, units: int) -> Int[ndarray, " kept"]:
        """So many units that change the function most by themselves, in ascending order."""
        return np.sort(np.argsort(-self.single, kind="stable")[:units])

    def of_pairs(self) -> tuple[Int[ndarray, "2 pairs"], Float[ndarray, " pairs"]]:
        """Pairs that were looked at, and their mean strengths."""
        at = np.stack(np.nonzero(np.triu(self.looked, 1)))
        return at, self.pair[at[0], at[1]] / self.looked[at[0], at[1]]


def _look(
    f: Callable[[Tensor], Tensor],
    context: Float[Tensor, " n"],
    other: Float[Tensor, " n"],
    afford: int,
    found: Strengths,
) -> None:
    """Add one pair of contexts, ``context`` and ``other``, with as many units as ``afford`` says.

    What a unit is switched to in one is its value in the other. All units are switched alone;
    pairs are of those that change most so far.
    """
    n = len(context)
    sides = ((context, other), (other, context))
    alone = []
    for here, there in sides:
        x = here.repeat(n + 1, 1)
        x[range(n), range(n)] = there
        alone.append(f(x).double().numpy())
        found.single += ((alone[-1][:n] - alone[-1][n]) / 2) ** 2
        found.largest = max(found.largest, float(np.abs(alone[-1]).max()))
    found.clean = alone[0][n] if not found.contexts else found.clean
    found.contexts += 2
    units = found.strongest(afford)
    first, second = (units[at] for at in np.triu_indices(len(units), 1))
    for (here, there), y in zip(sides, alone, strict=True):
        for start in range(0, len(first), BATCH_ROWS):
            i, j = first[start : start + BATCH_ROWS], second[start : start + BATCH_ROWS]
            x = here.repeat(len(i), 1)
            x[range(len(i)), i], x[range(len(i)), j] = there[i], there[j]
            both = f(x).double().numpy()
            found.pair[i, j] += ((y[n] - y[i] - y[j] + both) / 4) ** 2
            found.looked[i, j] += 1


def _contexts(problem: Problem, most: int) -> tuple[Float[Tensor, "contexts n"], ...]:
    """Contexts, rows to explain and after them draws of D, each with its other state.

    No more than can be looked at, the last of them in part, so that the rows are spread.
    """
    alone = 2 * (problem.n + 1)
    whole, left = divmod(problem.remaining, alone + problem.n * (problem.n - 1))
    most = min(most, whole + (left >= alone + 2))
    rows = spread_rows(problem.foreground, most)
    rows = torch.cat([rows, problem.sample(most - len(rows))])
    on_off = problem.kind != "interchange"
    return rows, -rows if on_off else problem.baseline.expand_as(rows)


def _null(strength: Float[ndarray, " tests"], contexts: int) -> float:
    """Squared scale of differences that are noise, from the median over pairs."""
    from scipy.stats import chi2

    return float(np.median(strength) / (chi2.median(contexts) / contexts))


def _bound(scale: float, contexts: int, tests: int) -> float:
    """What one of so many mean squares of noise exceeds one time in forty."""
    from scipy.stats import chi2

    return scale * float(chi2.isf(LEVEL / tests, contexts)) / contexts


def _ratios(ranked: Float[ndarray, " tests"]) -> Float[ndarray, " gaps"]:
    """Ratios of successive strengths in falling order."""
    shifted = ranked + RELATIVE_FLOOR * max(float(ranked.max()), 1e-300)
    return np.asarray(shifted[:-1] / shifted[1:])


def merged(pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """Unions of the pairs that are connected."""
    groups: list[set[int]] = []
    for i, j in pairs:
        touching = [group for group in groups if i in group or j in group]
        groups = [group for group in groups if group not in touching]
        groups.append({i, j}.union(*touching))
    return groups


def telling(pairs: Int[ndarray, "2 pairs"], n: int) -> Bool[ndarray, " pairs"]:
    """Whether the first 1, 2, ... pairs, merged, say anything of ``n`` units.

    They do not where a group holds more than half of the units without all of its pairs: so many
    pairs connect nearly everything, whatever interacts.
    """
    group = list(range(int(pairs.max(initial=0)) + 1))
    size, inside = [1] * len(group), [0] * len(group)
    sprawling: set[int] = set()
    found = np.zeros(pairs.shape[1], dtype=bool)
    for k, (i, j) in enumerate(pairs.T.tolist()):
        keep, drop = group[i], group[j]
        if keep != drop:
            group = [keep if g == drop else g for g in group]
            size[keep] += size[drop]
            inside[keep] += inside[drop]
            sprawling.discard(drop)
        inside[keep] += 1
        whole = inside[keep] == size[keep] * (size[keep] - 1) // 2
        if 2 * size[keep] > n and not whole:
            sprawling.add(keep)
        else:
            sprawling.discard(keep)
        found[k] = not sprawling
    return found


def _interacting(
    pairs: Int[ndarray, "2 pairs"], strength: Float[ndarray, " pairs"], n: int, bound: float
) -> int:
    """How many pairs, in falling order of strength, are taken to interact."""
    above = int((strength > bound).sum())
    ratios = _ratios(np.append(strength[:above], bound))
    return int(np.argmax(np.where(telling(pairs[:, :above], n), ratios, 0.0))) + 1


def archdetect(
    problem: Problem, *, pairs: int | None, contexts: int | None, singles: bool, on: On
) -> Attribution:
    """See the method of this name in `methods.interactions`."""
    n = problem.n
    if n < 2 or (n < 3 and pairs is not None):
        raise NotApplicable(
            "pairs of units are compared: of two units there is one, and of one none"
        )
    alone, f = 2 * (n + 1), explained(problem, on)
    enough(problem, alone + 2, "every unit by itself and one pair in two contexts")
    rows, others = _contexts(problem, MOST_CONTEXTS if contexts is None else contexts)
    found, exact = Strengths(n), False
    for row, other in zip(rows, others, strict=True):
        left = problem.remaining - alone
        units = min(int((1 + (1 + 4 * left) ** 0.5) / 2), n) if left > 0 else 0
        if units < 2:
            break
        _look(lambda x: f(x).detach(), row, other, units, found)
        if found.contexts == 2 and pairs is None and problem.remaining:
            exact = float(f(row[None]).detach()[0]) == found.clean
    return _reported(problem, found, pairs, singles=singles, exact=exact)


def _reported(
    problem: Problem, found: Strengths, pairs: int | None, *, singles: bool, exact: bool
) -> Attribution:
    at, strength = found.of_pairs()
    order = np.argsort(-strength, kind="stable")
    at, strength = at[:, order], strength[order]
    info: dict[str, Any] = {"contexts": found.contexts, "pairs_looked_at": len(strength)}
    rounding = (ROUNDING * found.largest) ** 2
    real = int((strength > rounding).sum())
    paired = len(np.unique(at))
    looks = int(np.median(found.looked[at[0], at[1]]))
    scale = _null(strength, looks)
    if exact and not (strength > _bound(scale, looks, len(strength))).any():
        # No noise, and no few pairs that stand out: the median is of pairs that interact.
        scale = 0.0
    bound = max(_bound(scale, looks, len(strength)), rounding)
    if not real:
        kept = 0
    elif pairs is not None:
        kept = min(int(np.argmax(_ratios(strength[: 2 * pairs + 1]))) + 1, real)
    else:
        kept = _interacting(at, strength, paired, bound) if strength[0] > bound else 0
    groups = merged(at[:, :kept].T.tolist())
    coefficients: dict[Subset, float] = {}
    for group in groups:
        inside = [strength[k] for k in range(kept) if int(at[0, k]) in group]
        coefficients[tuple(sorted(group))] = float(np.mean(inside)) ** 0.5
    if singles:
        # A half difference of two noisy values varies twice as much as a quarter of four.
        alone = found.single / found.contexts
        bound = max(_bound(2 * scale, found.contexts, problem.n), rounding)
        rest = set(np.flatnonzero(alone > bound).tolist()).difference(*groups)
        coefficients |= {(unit,): float(alone[unit]) ** 0.5 for unit in sorted(rest)}
    info["pairs_kept"] = kept
    if paired < problem.n:
        info["units_paired"] = np.unique(at).tolist()
    reason = NOTHING_STANDS_OUT if found.single.any() else NOTHING_MOVES
    return reported(coefficients, coefficients.values(), problem, info, reason)
