"""What `distributedness` tells of a function and of each subset that was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from actspec_bench.fourier.energy import Estimate

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset

__all__ = ["Distributedness", "FewestUnits", "FoundSubset"]


@dataclass(frozen=True)
class FewestUnits:
    """The fewest units within which lies a share of the energy found.

    Attributes
    ----------
    units
        Such a set of units (see `fourier.fewest.fewest_units`), for the first run.
    low, high
        95% interval of their number: the least and the most of 39 resamples, of which one in
        forty lies below and one in forty above what another draw gives. Of several runs each
        has its part of the 39.
    exact
        Whether the search was finished; if not, fewer units may do.
    """

    units: Subset
    low: int
    high: int
    exact: bool


@dataclass(frozen=True)
class FoundSubset:
    """One reported subset; shares are of the function's variance under D.

    Attributes
    ----------
    units
        The subset.
    reported
        The method's own coefficient or score.
    coefficient
        Of a joint least-squares fit on held-out inputs where there are any. Otherwise the
        method's own with its interval where it tells one, else that of the fit on the draws
        looked at. Where units depend on each other the two differ: a method that mixes rows
        fits the mixtures, and energies and joint effects are about D.
    energy
        What the character adds to those of fewer units (and to stronger ones of as many).
    joint
        On/off, under D. Joint effect, Var(E[f | p_S]): what is left of the variance when all
        that is known are the states of S.
    parts
        On/off, under D. The most of it that a sum of functions of proper subsets of S achieves.
    beyond
        On/off, under D. ``joint`` - ``parts``: what the states of S tell only together. The
        states of dependent units may tell such a thing of a plain sum of activations.
    interaction
        Interventional, on activations. Superset importance (see `fourier.interaction`): the mean
        squared mixed difference over two independent rows. A sum of functions of single
        activations has exactly none. Where units depend on each other it is of mixtures that
        leave D, and may exceed 1.
    interaction_of_margin
        Of a decision, the same of its margin and of the margin's variance: the sign of a sum is
        no sum, and so a decision has interactions where its margin has none. Of a margin, None.
    stand_ins
        Subsets that could stand in its place, as the method tells.
    runs_exact, runs_alike
        Of several runs, in how many it was found; and in how many it or one that the data can
        hardly tell from it, whose character correlates with its own by at least 0.9 either way.
        Both count the first run.
    missing_because
        Why ``joint`` and what follows is None.
    no_interaction_because
        Why ``interaction`` is None.
    """

    units: Subset
    reported: float
    coefficient: Estimate
    energy: float
    joint: Estimate | None = None
    parts: Estimate | None = None
    beyond: Estimate | None = None
    interaction: Estimate | None = None
    interaction_of_margin: Estimate | None = None
    stand_ins: tuple[Subset, ...] = ()
    runs_exact: int | None = None
    runs_alike: int | None = None
    missing_because: str = ""
    no_interaction_because: str = ""


@dataclass(frozen=True)
class Distributedness:
    """How a function's variance is spread over orders, subsets and units.

    Attributes
    ----------
    n
        Units of the problem.
    draws, of
        Rows that all estimates are from, and what they are: ``"held-out inputs"``, ``"inputs"``
        (which the method saw too) or ``"fresh draws"``.
    runs
        Runs of the method. Of several, shares are means over them and intervals hold the
        variance between them (`fourier.energy.over_runs`); subsets are the first run's.
    variance
        Variance of the function under D; None if it is constant.
    decomposition
        Of which decomposition the energies by order are: ``"orthonormal characters"`` of on/off
        states under uniform D, or ``"sequential, under D"``: an order has what the characters of
        so many units add to those of fewer.
    by_order
        Order -> share of the variance that the found subsets of so many units carry.
    found, unexplained
        Share of all found subsets, and the rest; they sum to 1.
    by_order_of_run
        The same as ``by_order`` for each run alone; empty if there is one run.
    single_units
        Share that a sum over the on/off states of *all* units explains of the held-out inputs, by
        ridge regression: what order 1 could have, found or not. None without held-out inputs.
    units_90
        The fewest units within which found subsets carry 90% of the energy *found*: of
        ``found`` times the variance, however little that is.
    subsets
        The found subsets, in the attribution's order.
    warnings
        Sentences: what the method warns of, and what another run would tell otherwise.
    missing
        Name of an attribute -> why it is None.
    """

    n: int
    draws: int
    of: str
    runs: int
    variance: float | None
    decomposition: str
    by_order: dict[int, Estimate]
    found: Estimate | None
    unexplained: Estimate | None
    by_order_of_run: tuple[dict[int, Estimate], ...]
    single_units: Estimate | None
    units_90: FewestUnits | None
    subsets: tuple[FoundSubset, ...]
    warnings: tuple[str, ...]
    missing: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON."""
        return asdict(self)
