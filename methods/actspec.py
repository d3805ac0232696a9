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

    An eighth of the budget chooses nothing: coefficients within eight standard errors of zero
    are estimated on these rows alone, since those that chose a subset make it look larger.

    ``info`` of the result has ``intervals_95`` of the coefficients, in the order of the
    subsets; numbers of units (varying, influential, found by bisection, in doubt, beyond the
    budget, searched); the ``order_searched`` of given rows; the ``tau`` used; and a ``reason``
    where nothing is reported.

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
    from actspec_bench.methods._tree_search import search

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


@method(
    "actspec-alias",
    returns="subsets",
    family="spectral",
    imports=("actspec_bench.methods._alias_search", "scipy.stats"),
    citation="Scheibler, Haghighatshoar & Vetterli 2013, arXiv:1310.1803; "
    "Li, Bradley, Pawar & Ramchandran 2015, arXiv:1508.06336",
)
def actspec_alias(
    problem: Problem,
    *,
    tau: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,
    fdr: Annotated[float, Field(gt=0, lt=1)] = 0.05,
) -> Attribution:
    """Sparse Walsh-Hadamard transform by aliasing; told neither the order nor how many subsets.

    The function is asked on random affine subspaces, whose transforms are bins of a few
    coefficients each, and on shifts of these by the rows of a binary BCH code's parity checks:
    under them a coefficient that dominates its bin spells its subset in signs. Further rows
    tell subsets of more units apart, and are asked only while unexplained energy remains. What
    is decoded is subtracted everywhere, tested on fresh draws and refitted on every query; the
    last tenth of the budget looks for energy that is in few patterns before the search ends.

    It serves functions that answer any pattern under the uniform distribution. The attribution's
    ``info`` has the share of the variance that neither the subsets nor the noise explains
    (``unexplained_energy``), and why the search ended early if it did (``stopped``).

    Parameters
    ----------
    tau
        Smallest |coefficient| reported. If not given, all that pass the test are.
    fdr
        Rate of false discoveries among the subsets reported.

    References
    ----------
    Scheibler, Haghighatshoar & Vetterli 2013, arXiv:1310.1803, and Li, Bradley, Pawar &
    Ramchandran 2015, arXiv:1508.06336 (bins and peeling); Massey 1969, Shift-register synthesis
    and BCH decoding; SPEX, Kang et al. 2025, arXiv:2502.13870, is kin with a degree given.
    """
    from actspec_bench.methods._alias_search import search

    return search(problem, tau=tau, fdr=fdr)
