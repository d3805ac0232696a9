"""Activation Spectroscopy: the method the benchmark is named after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

Share = Annotated[float, Field(gt=0, le=1)]


@method(
    "actspec",
    returns="subsets",
    family="spectral",
    imports=("actspec_bench.methods.actspec.search", "scipy.stats"),
    citation="Reing, Ver Steeg & Galstyan 2025, arXiv:2501.15435",
)
def actspec(
    problem: Problem,
    *,
    tau: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,
    gamma: Share = 0.2,
    delta: Share = 0.2,
    max_branch: Annotated[int, Field(ge=1)] = 128,
    order: Literal["influence", "given", "random"] = "influence",
    restarts: Annotated[int, Field(ge=1)] = 1,
    fdr: Annotated[float, Field(gt=0, lt=1)] = 0.05,
) -> Attribution:
    r"""Goldreich-Levin tree search for large, non-redundant Fourier coefficients.

    An influence screen, a branch and bound over the units that passed it, a test of what is
    left on fresh draws, and a joint least-squares refit on every query made. The weight of a
    node S after k units,

    .. math:: W_k(S) = E_z [ ( E_x [ f(x_{\le k}, z_{>k}) \chi_S(x_{\le k}) ] )^2 ],

    decides whether anything below S is searched; all nodes of a level share one batch.

    A query mixes draws of D: the decided units come from one, the others from another. So each
    part is as the data have it and the dependence between the two is broken: where units
    depend on each other, a subset may be found for what it does on such mixtures alone. Its
    coefficient is that of the joint least-squares fit under D, on draws of D, and so depends on
    the other subsets reported. A problem that answers at given rows only is searched up to order
    3, or as far as there are at most 100,000 subsets, by matching pursuit on half of its
    distinct rows, each of which counts once.

    Where D is uniform and at most 12 units matter, all their patterns are asked instead of a tree,
    which spells every coefficient at once; and subsets of few units that no tree tells, since many
    are weak, are looked for one by one on all draws.

    An eighth of the budget chooses nothing: coefficients within eight standard errors of zero
    are estimated on these rows alone, since those that chose a subset make it look larger.

    ``info`` of the result has ``intervals_95`` of the coefficients, in the order of the
    subsets; the share of the variance left ``unexplained`` on rows that chose nothing, noise taken
    off where rows were asked twice, with its interval, and a ``warning`` where that is large or
    cannot be told; numbers of units (varying, influential, found by bisection, in doubt, beyond
    the budget, searched, enumerated); the ``order_searched`` of given rows; the ``tau`` used by a
    tree; and a ``reason`` where nothing is reported.

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
        Redundancy of subsets: how well any one unit may be predicted from the others.
    max_branch
        Nodes kept a level; eight units are decided a level.
    order
        In which units are decided: by influence, as given, or at random.
    restarts
        Searches that share the budget; those after the first are in random orders.
    fdr
        Rate of false discoveries among the subsets reported (Benjamini & Hochberg 1995).
    """
    from actspec_bench.methods.actspec.search import search

    return search(
        problem,
        tau=tau,
        gamma=gamma,
        delta=delta,
        max_branch=max_branch,
        order=order,
        restarts=restarts,
        fdr=fdr,
    )
