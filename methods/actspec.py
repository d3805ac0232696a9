"""Activation Spectroscopy: the method the benchmark is named after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.registry import method

if TYPE_CHECKING:
    from actspec_bench.attribution import Attribution
    from actspec_bench.problem import Problem

Share = Annotated[float, Field(gt=0, le=1)]


@method(
    "actspec",
    returns="subsets",
    family="spectral",
    imports=("actspec_bench.methods._tree_search", "scipy.stats"),
    citation="Reing, Ver Steeg & Galstyan 2025, arXiv:2501.15435",
)
def actspec(
    problem: Problem,
    *,
    tau: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,
    gamma: Share = 0.2,
    delta: Share = 0.2,
    max_branch: Annotated[int, Field(ge=1)] = 128,
    fdr: Annotated[float, Field(gt=0, lt=1)] = 0.05,
) -> Attribution:
    """Goldreich-Levin tree search for large, non-redundant Fourier coefficients.

    An influence screen, a branch and bound over the units that passed it, a test of what is
    left on fresh draws, and a joint least-squares refit on every query made.

    Parameters
    ----------
    tau
        Smallest |coefficient| of interest: a node is kept while its weight may exceed
        tau^2 / 2, and smaller coefficients are not reported. If not given, nodes are kept above
        the noise of their weights and every coefficient that passes the test is reported.
    gamma
        Redundancy of units: the largest squared normalised inner product with all-ones, or
        with a unit already kept.
    delta
        Redundancy of subsets: how well one unit may be predicted from the others.
    max_branch
        Nodes kept a level.
    fdr
        Rate of false discoveries among the subsets reported.
    """
    from actspec_bench.methods._tree_search import search

    return search(problem, tau=tau, gamma=gamma, delta=delta, max_branch=max_branch, fdr=fdr)


@method(
    "actspec-alias",
    returns="subsets",
    family="spectral",
    imports=("actspec_bench.methods._alias_search", "scipy.stats"),
    citation="Scheibler, Haghighatshoar & Vetterli 2013, arXiv:1310.1803",
)
def actspec_alias(
    problem: Problem,
    *,
    tau: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,
    fdr: Annotated[float, Field(gt=0, lt=1)] = 0.05,
) -> Attribution:
    """x"""
    from actspec_bench.methods._alias_search import search

    return search(problem, tau=tau, fdr=fdr)
