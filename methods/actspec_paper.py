"""Activation Spectroscopy by the paper's own rule, for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

Share = Annotated[float, Field(gt=0, le=1)]


@method(
    "actspec-paper",
    returns="subsets",
    family="spectral",
    needs=("queries",),
    rows="2 P (m + 1) for P pairs and the m units that thinning leaves; P = 1,000 or fewer",
    fails="with few pairs a level nodes pass by chance; units that are mostly on or mostly off are "
    "dropped unread",
    imports=("actspec_bench.methods.actspec.paper",),
    citation="Reing, Ver Steeg & Galstyan 2025, arXiv:2501.15435, and its authors' code, "
    "github.com/kylereing/ActSpec; Goldreich & Levin 1989",
)
def actspec_paper(
    problem: Problem,
    *,
    pairs: Annotated[int, Field(ge=1)] = 1000,
    tau: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.2,
    gamma: Share = 0.2,
    delta: Share = 0.2,
    max_branch: Annotated[int, Field(ge=1)] = 128,
) -> Attribution:
    r"""The rule of Activation Spectroscopy's paper, exact, with the settings of its authors' code.

    Units are thinned in the order given: one that is nearly constant, or like (or unlike) one
    already kept, is dropped. A breadth-first tree then decides one unit a level, the last
    included. With P pairs a level, which all its nodes share, the weight of a node S after k
    units is

    .. math:: W_k(S) = \frac{1}{P} \sum_{p} f(x_p, z_p) \chi_S(x_p) f(x'_p, z_p) \chi_S(x'_p),

    where the units up to the k-th are those of one row of D, x or x', and the others those of
    a third, z. A node is kept while its weight exceeds tau^2 / 2 and none of its units is nearly
    a parity of its others, the heaviest ``max_branch`` a level; a dropped unit goes with the
    row of its place. What is left after the last unit is reported, with the mean of f chi_S over
    fresh draws of D as its coefficient: what the budget has left, 2 P or more and at most 16,384.
    There is no influence screen, test or joint refit. Redundancy costs no query: where D is a
    data set, units are thinned on all of its rows and subsets judged on about 4,096 of them.

    A level costs 2 P rows: with m units left, P pairs need 2 P (m + 1). Where the budget has
    fewer, all levels have as many pairs as it affords, which ``info`` tells, and the weights
    are noisier: their standard error is about the mean square of f over the square root of P,
    with 1,000 pairs 0.03 of it, which is more than tau^2 / 2 = 0.02 is for a decision. So nodes
    pass by chance, more of them the fewer pairs there are. Below 30 pairs it is not run.

    The authors' code asks each node's pairs afresh and one by one, ends before its last unit
    is decided, reports no coefficients, and judges only the first member of a set when it
    looks for parities; this does not.

    ``info`` of the result has ``units_kept``, and ``units_left_out`` with the reasons; ``pairs`` a
    level, and ``pairs_reason`` where they are fewer than asked for; ``levels`` walked;
    ``nodes_redundant`` and ``nodes_beyond_width``, the nodes cut for each; ``intervals_95`` of the
    coefficients, in the order of the subsets, that know nothing of their having been chosen; and a
    ``reason`` where nothing is reported.

    Parameters
    ----------
    pairs
        Pairs of queries a level, at most.
    tau
        Coefficient of interest: a node is kept while its weight exceeds tau^2 / 2.
    gamma
        Redundancy of units: the largest squared normalised inner product with all-ones, or
        with a unit already kept.
    delta
        Redundancy of subsets: how well any one unit may be predicted from the others.
    max_branch
        Nodes kept a level.
    """
    from actspec_bench.methods.actspec.paper import Rule, search_by_the_paper

    return search_by_the_paper(problem, Rule(pairs, tau, gamma, delta, max_branch))
