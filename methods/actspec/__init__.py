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
    imports=("actspec_bench.methods.actspec.search", "scipy.stats", "sklearn.linear_model"),
    citation="Reing, Ver Steeg & Galstyan 2025, arXiv:2501.15435, section 3",
    rows="up to B: draws of D or inputs of a data set, each once, and mixtures of them",
    fails="claims little of fewer than 1,000 inputs; ranks sets of units that explain, so that a "
    "unit that says the same as one taken scores nothing however much ablating it changes",
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
    basis: Literal["p-biased", "plain"] = "p-biased",
) -> Attribution:
    r"""Large Fourier coefficients of what units do: a tree of subsets, or a pursuit under D.

    **Units that are independent**, as all patterns of an input are: an influence screen, a
    Goldreich-Levin branch and bound over the units that passed it, a test of what is left on fresh
    draws, and a joint least-squares refit on every query made. The weight of a node S after k
    units,

    .. math:: W_k(S) = E_z [ ( E_x [ f(x_{\le k}, z_{>k}) \chi_S(x_{\le k}) ] )^2 ],

    decides whether anything below S is searched; all nodes of a level share one batch. A query
    mixes draws of D: the decided units come from one, the others from another. An eighth of the
    budget chooses nothing: coefficients within eight standard errors of zero are estimated on
    these rows alone, since those that chose a subset make it look larger.

    **Units that depend on each other**, as those of a layer over a data set do, and rows that are
    given: subsets are taken one after the other by what each adds under D to those before it, on
    inputs that are asked (or given) once each. The pool has all single units, pairs and triples of
    the most associated, and any pair or triple that explains what single units do not; subsets
    that differ by a unit from one taken join it, as long as there are eight inputs a pattern of a
    subset. A dense predictor of the value, cross-fitted, stands for inputs that are not asked, and
    of a decision that it knows well, inputs it is in doubt of are asked with larger chances. If
    neither it nor the subsets explain 98%, an eighth of the budget asks mixtures of rows, in which
    the tree searches what is left, and if what it finds is taken, three eighths more; so does what
    is left where all inputs could be asked. A fifth of the inputs asked tests and measures what the
    others chose; of at most 5,000, not asked by doubt, all choose in the end, and five folds have
    to confirm each subset. Subsets
    are ranked in the order in which they were taken, and their ``importance`` is what they add,
    as a standard deviation; coefficients are those of the joint least-squares fit under D. Of
    fewer than 1,000 inputs no more are reported than explain of fresh inputs nine tenths of what
    they explain of those asked.

    Where D is uniform and at most 12 units matter, all their patterns are asked instead of a tree,
    which spells every coefficient at once; and subsets of few units that no tree tells, since many
    are weak, are looked for one by one on all draws.

    ``info`` of the result has ``intervals_95`` of the coefficients, in the order of the subsets, or
    of dependent units ``intervals``, at the ``intervals_level`` that makes up for having been
    chosen; ``unexplained``, the share of the variance that the reported subsets leave on rows that
    chose nothing (noise taken off where rows were asked twice; where all inputs were asked and so
    all chose, by cross-validation of as many subsets), with its interval; ``warnings``, where
    that is large or cannot be told, or where inputs are few; ``units_left_out`` with the reason;
    numbers of units and rows at each step; the ``tau`` used by a tree; and a ``reason`` where
    nothing is reported. Of dependent units ``stand_ins`` has for each subset those that would add
    nearly as much in its place.

    Parameters
    ----------
    tau
        Smallest |coefficient| of interest: a node is kept while its weight may exceed
        tau^2 / 2, and smaller coefficients are not reported. If not given, nodes are kept above
        the noise of their weights and every coefficient that passes the test is reported.
    gamma
        Redundancy of units, with ``basis="plain"`` or where all units are known to be fair coins:
        the largest squared normalised inner product with all-ones, or with a unit already kept.
    delta
        Redundancy of subsets, there: how well any one unit may be predicted from the others.
    max_branch
        Nodes kept a level; eight units are decided a level.
    order
        In which units are decided: by influence, as given, or at random.
    restarts
        Searches that share the budget; those after the first are in random orders.
    fdr
        Rate of false discoveries among the subsets reported (Benjamini & Hochberg 1995).
    basis
        ``"p-biased"``: characters are centred and scaled by their means under D, units may be on in
        any share of the rows, and a twin is dropped where it adds nothing. ``"plain"``: the
        paper's rule, gamma and delta.
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
        basis=basis,
    )
