"""Interaction methods: what pairs and groups of units do together, by their own short numerics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from actspec_bench.problems.explaining import Aggregate, On
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

Correlation = Annotated[float, Field(gt=0, lt=1)]


@method(
    "integrated-hessians",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("gradient",),
    on="margin",
    rows="R (P (4 n + 2) + 1) + 1 for R rows to explain and P points of the path",
    fails="splits a set of k > 2 units over its k^2 pairs and diagonal entries; sees kinks, as of "
    "ReLU networks, only at the scale of the step; all subsets are reported, of noise too",
    imports=("actspec_bench.methods.interacting.hessians",),
    citation="Janizek, Sturmfels & Lee 2021, JMLR 22(104), definition of Integrated Hessians",
)
def integrated_hessians(
    problem: Problem,
    *,
    points: Annotated[int, Field(ge=1)] = 4,
    step: Annotated[float, Field(gt=0)] = 1.0,
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Second derivatives of the margin, integrated from the baseline to each row.

    With h = x - x' and H the Hessian at :math:`x' + t h`, the paper's double integral depends on
    the product t of its two variables alone, whose density is -ln t:

    .. math::
        \Gamma_{ij} &= h_i h_j \int_0^1 t (-\ln t) H_{ij}\,dt \\
        \Gamma_{ii} &= h_i \int_0^1 (-\ln t) \partial_i f\,dt
                       + h_i^2 \int_0^1 t (-\ln t) H_{ii}\,dt.

    A pair's coefficient is :math:`\Gamma_{ij} + \Gamma_{ji}`, a unit's its diagonal entry: those of
    one row add up to f(x) - f(x'). So a product of two units, from 0, is half at the pair and a
    quarter at each unit. Gauss's rule for the weight -ln t is exact up to degree 2 P - 1.

    Columns of H are differences of metered gradients: of on/off units at -1 and +1, which is exact
    where f is multilinear; of activations ``step`` to each side. ``info`` has ``unaccounted``, by
    how much of the change the sum misses it. Units at the baseline in every row cost nothing.

    Parameters
    ----------
    points
        Least points of the path, fewer if not one row affords them; after all rows up to 32.
    step
        Distance to each side of an activation, in its standard deviations under D. On the
        digits network the sum misses 41% of the change at 0.1 and 9% at 1.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`. Only the mean has signs.
    """
    from actspec_bench.methods.interacting.hessians import integrated_hessians as run

    return run(problem, points=points, step=step, aggregate=aggregate)


@method(
    "archdetect",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="n^2 + n + 2 a row and its baseline; of fewer, 2 (n + 1) and m (m - 1) for m units",
    fails="sets that share a unit are merged; of dense functions few pairs stand out and are kept; "
    "noise of two values or heavy tails is taken for pairs, in up to every run",
    calls="scipy (BSD-3)",
    imports=("actspec_bench.methods.interacting.differences", "scipy.stats"),
    citation="Tsang, Rambhatla & Liu 2020, arXiv:2006.10965, section 4",
)
def archdetect(
    problem: Problem,
    *,
    pairs: Annotated[int, Field(ge=1)] | None = None,
    contexts: Annotated[int, Field(ge=1)] | None = None,
    singles: bool = True,
    on: On = "margin",
) -> Attribution:
    r"""Pairs by second differences in rows and their baselines, merged where they share a unit.

    .. math:: \omega_{ij} = E_c \bigl( (f(c) - f(c^i) - f(c^j) + f(c^{ij})) / 4 \bigr)^2

    over contexts c, where units i and j are switched to their other state. Contexts come in pairs,
    a row to explain and its baseline, each the other's other state; of on/off units a row and its
    negative, and after the rows to explain draws of D. States count as +1 and -1, hence the 4. A
    merged set has the root of its pairs' mean strength: a disjoint character's coefficient's size.

    Told nothing, pairs are kept up to the largest ratio between successive strengths among those
    that noise does not explain, the limit of noise itself counting as the next: a mean square
    that one of all pairs exceeds one time in forty if the median pair is noise. Cuts after which
    a merged group would hold more than half of all units, but not all of its pairs, are passed
    over: they connect everything. On pure normal noise 2% of runs report anything (200 seeds,
    n = 10, 1,000 rows). Where not all pairs are affordable, they are those of the units that change
    f most alone. What is left goes into further contexts, up to 64 pairs of them.

    Parameters
    ----------
    pairs
        Roughly how many interact, if that is known: the gap is then looked for among twice as many.
    contexts
        Most pairs of contexts; 64 if not given.
    singles
        Whether units in no set are reported alone, with the root of the mean square of half their
        change, where that exceeds what noise explains (the main effects of Archipelago).
    on
        What is differenced.
    """
    from actspec_bench.methods.interacting.differences import archdetect as run

    return run(problem, pairs=pairs, contexts=contexts, singles=singles, on=on)


@method(
    "group-ablation",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="R (G + 1) for R rows to explain and G < 2 n groups",
    fails="groups are of units that vary together, whether or not the function uses them together; "
    "larger groups have larger effects",
    calls="scipy (BSD-3)",
    imports=("actspec_bench.methods.interacting.groups", "scipy.cluster.hierarchy"),
    citation="leave one group out: Au et al. 2022, Data Mining and Knowledge Discovery 36:1401",
)
def group_ablation(
    problem: Problem,
    *,
    cuts: Annotated[tuple[Correlation, ...], Field(min_length=1)] = (0.3, 0.5, 0.7, 0.9),
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    """Change when a whole cluster of correlated units is set to the baseline.

    Units are clustered by the absolute correlation of their activations under D (average linkage),
    which costs nothing, and the tree is cut at several heights; every cluster at any of them,
    single units too, is ablated whole in each row. Of units that are independent, or all in one
    cluster, there is nothing to compare.

    Parameters
    ----------
    cuts
        Average correlations at which the tree is cut; the highest are left out where the budget
        is too small for one row, and none is below five over the root of the number of draws.
    on
        What changes.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`. Only the mean has signs.
    """
    from actspec_bench.methods.interacting.groups import ablate_groups

    return ablate_groups(problem, cuts=cuts, on=on, aggregate=aggregate)


@method(
    "shapley-interactions",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="R + 1 and 2 (n - 1) a permutation, 4 n - 6 with order 3; n / 2 permutations hold all "
    "pairs once",
    fails="a set above its order shows only in its parts; all subsets are reported, of noise too",
    imports=("actspec_bench.methods.interacting.shapley",),
    citation="Grabisch & Roubens 1999, definition 3; sampled as in Fumagalli et al. 2023 (SHAP-IQ)",
)
def shapley_interactions(
    problem: Problem,
    *,
    order: Annotated[int, Field(ge=1, le=3)] | None = None,
    sweeps: Annotated[int, Field(ge=1)] = 2,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    """Sampled Shapley interaction index of pairs, or triples too, between baseline and row.

    The index of S is the mean discrete derivative in S at the units T before S, where S stands as
    a block in a random order of the units; for a single unit it is the Shapley value. Derivatives
    at neighbours in random permutations are unbiased samples of it. Permutations come in sweeps
    of n / 2, zigzags under a random renaming in which every two units are neighbours once, so that
    pairs are sampled evenly; every second sweep of a row is the first backwards. A subset that was
    not sampled in every row is not reported. At 10,000 rows and n = 64 pairs have two or three.

    Parameters
    ----------
    order
        Most units of a subset. If not given 3 where the budget samples each triple five times in
        one row, or else 2: 64 units have 41,664 triples, and a permutation 62 of them.
    sweeps
        Least sweeps a row, with order 3 as many as sample each triple five times on average.
        Rows are left out until the budget allows it; what is left then goes into more sweeps.
    on
        What is explained.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`. Only the mean has signs.
    """
    from actspec_bench.methods.interacting.shapley import shapley_interactions as run

    return run(problem, order=order, sweeps=sweeps, on=on, aggregate=aggregate)


@method(
    "banzhaf-interactions",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="4 U a row to explain for the larger number U of subsets of odd and of even size; of "
    "fewer, 2 (n + 1) to choose units",
    fails="a set above its order shows in its parts or not; all subsets are reported, of noise too",
    imports=("actspec_bench.methods.interacting.banzhaf",),
    citation="Hammer & Holzman 1992; Faith-Banzhaf: Tsai, Yeh & Ravikumar 2023, JMLR 24(94)",
)
def banzhaf_interactions(
    problem: Problem,
    *,
    order: Annotated[int, Field(ge=1, le=4)] = 3,
    index: Literal["banzhaf", "faith-banzhaf"] = "banzhaf",
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    """Banzhaf interactions of subsets of up to three units, by regression on random coalitions.

    Least squares on products of units, over uniform coalitions at the row's values, the others at
    the baseline's. Coalitions come with their complements, which parts
    even from odd sizes, at most 65,536 a row; where all are affordable the result is exact. A fit
    takes twice as many pairs of coalitions as it has unknowns; where one row of all units is too
    much, it is of the units that change f most when switched alone, at the row or at the baseline,
    and the others stay at the row's values (``units_fitted`` in ``info``).

    Parameters
    ----------
    order
        Most units of a subset.
    index
        ``banzhaf``: the mean discrete derivative over all coalitions of the others;
        ``faith-banzhaf``: the fitted polynomial's coefficients, in units coded 0 and 1.
    on
        What is explained.
    aggregate
        Of the rows explained, one too; see `explaining.aggregated`. Only the mean has signs.
    """
    from actspec_bench.methods.interacting.banzhaf import banzhaf_interactions as run

    faithful = index == "faith-banzhaf"
    return run(problem, order=order, faithful=faithful, on=on, aggregate=aggregate)


@method(
    "sobol",
    returns="subsets",
    family="interaction",
    coefficients="other",
    needs=("queries",),
    on="margin",
    rows="a quarter of the budget in steps of n + 1, the rest in steps of 2 m + 2 for m units kept",
    fails="units are mixed as if independent; sets of three and more units are invisible; small "
    "indices need hundreds of draws",
    calls="scipy (BSD-3)",
    imports=("actspec_bench.methods.interacting.sobol", "scipy.stats"),
    citation="Saltelli et al. 2010, Computer Physics Communications 181, table 2 (b) and (f); "
    "Saltelli 2002, theorem 2; Jansen 1999",
)
def sobol(problem: Problem, *, on: On = "margin") -> Attribution:
    """First- and second-order Sobol' indices times the variance, of units mixed from two draws.

    The coefficient is the part of the variance that a unit explains, or a pair beyond its units:
    it has no sign. Total indices (Jansen's estimator) come first; units with less than 3%
    of the largest are left out, as are the least until the others have a hundred base draws, but
    not the first four. Then, with a base draw A, B and the mixtures of each in one unit, all pairs
    come from 2 m + 2 rows instead of m^2 / 2. Reported is what differs from zero by Student's t,
    at a false discovery rate of 5% (Benjamini & Hochberg). On pure noise 5% of runs report any
    (200 seeds, n = 10, 1,000 rows).

    Parameters
    ----------
    on
        Whose variance is parted.
    """
    from actspec_bench.methods.interacting.sobol import sobol_indices

    return sobol_indices(problem, on=on)
