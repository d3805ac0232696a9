"""Margins of all 2^n patterns of n parts -> exact truth: the largest coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actspec_bench.fourier.spectrum import energy_by_order, walsh_hadamard
from actspec_bench.problems.readouts import decision
from actspec_bench.problems.truth import Truth

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from actspec_bench.problems.source import Readout

__all__ = ["Enumeration", "decision_changes", "energy_shares", "enumeration"]


@dataclass(frozen=True)
class Enumeration:
    """The exact spectrum of an enumerated function, as truth and as facts for the record."""

    truth: Truth
    facts: dict[str, Any]


def enumeration(
    margins: Float[Tensor, " patterns"], *, readout: Readout, subsets: int
) -> Enumeration:
    """Truth of the ``subsets`` largest coefficients and ties, and the energy by order.

    Energies are shares of the variance at order 1, 2, ..., n, of the margin and of the decision.
    """
    margin, sign = walsh_hadamard(margins), walsh_hadamard(decision(margins))
    chosen = margin if readout == "margin" else sign
    truth = Truth.from_coefficients(chosen.numpy(), subsets=subsets)
    facts = {
        # A float, since boards take whole numbers for names.
        "true_subsets": float(len(truth.spectrum)),
        "decision_changes": decision_changes(margins),
        "energy_by_order_margin": energy_shares(margin),
        "energy_by_order_decision": energy_shares(sign),
    }
    return Enumeration(truth, facts)


def energy_shares(coefficients: Float[Tensor, " patterns"]) -> list[float]:
    """Energy by order, to six decimals."""
    return [round(share, 6) for share in energy_by_order(coefficients).tolist()]


def decision_changes(margins: Float[Tensor, " patterns"]) -> float:
    """Share of the patterns with another decision than the whole input's, which is +1."""
    return float((margins < 0).float().mean())
