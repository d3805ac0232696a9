"""Regressions on characters: draws of D, or given rows, and their values are all that they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from actspec_bench.problems.explaining import On
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

Order = Annotated[int, Field(ge=1, le=5)] | None
Level = Annotated[float, Field(gt=0, lt=1)]
ROWS = "B draws of D, or every input of a data set once; at most 65,536"
SHARED = ("actspec_bench.methods.regressing.observed", "actspec_bench.fourier.spectrum")


@method(
    "matching-pursuit",
    returns="subsets",
    family="regression",
    on="value",
    rows=ROWS,
    fails="sets above its order are invisible; of units that nearly copy each other it takes one",
    calls="scipy (BSD-3)",
    imports=(*SHARED, "actspec_bench.methods.regressing.pursuit", "scipy.stats"),
    citation="Pati, Rezaiifar & Krishnaprasad 1993, section 3",
)
def matching_pursuit(
    problem: Problem,
    *,
    order: Order = None,
    basis: Literal["parity", "biased"] = "parity",
    subsets: Annotated[int, Field(ge=1)] = 32,
    level: Level = 0.05,
    on: On = "value",
) -> Attribution:
    """Orthogonal matching pursuit on the characters of all subsets of up to three units.

    The character that correlates most with what is left is taken, until one is not significant at
    ``level`` over the number of all characters (Bonferroni, Student's t, robust to unequal
    variances and to rows of one input). Correlations with all triples are matrix products, so
    that nothing is screened: 64 units have 43,744 characters. Coefficients are Fourier coefficients
    of a least-squares refit on those taken; importance is the root of the variance that each
    explained when it was taken, and ranks them.

    On pure noise 4% of runs report anything (1,200 seeds, n = 10, 1,000 rows). Of five triples
    among 64 units, with noise of half the signal, all are found from 700 rows (10 of 10 seeds).

    Parameters
    ----------
    order
        Most units of a subset. If not given, 3 where all subsets are at most 65,536 (n <= 73),
        else 2. Where they are more then (n > 361), or more than 4,194,304 if it is given, subsets
        of two and more units are of the units alone that correlate most with the value by
        themselves (``units_only_alone`` in ``info`` are not). All triples of 256 units take about
        two seconds a step at 10,000 rows.
    basis
        ``biased`` multiplies deviations of units from their mean over their spread (O'Donnell
        2014, section 8.4), and coefficients are then those of such products.
    subsets
        Most subsets; at most one for five inputs.
    level
        Of the test, for each step.
    on
        What is regressed.
    """
    from actspec_bench.methods.regressing.pursuit import matching_pursuit as run

    biased = basis == "biased"
    return run(problem, order=order, biased=biased, subsets=subsets, level=level, on=on)


@method(
    "lasso",
    returns="subsets",
    family="regression",
    on="value",
    rows=ROWS,
    fails="sets above its order are invisible; of dependent units it keeps several that stand for "
    "one",
    calls="scikit-learn (BSD-3)",
    imports=(*SHARED, "actspec_bench.methods.regressing.penalty", "sklearn.linear_model"),
    citation="Tibshirani 1996; its penalty: Sun & Zhang 2012, Biometrika 99, equation 4",
)
def lasso(
    problem: Problem, *, order: Order = None, level: Level = 0.05, on: On = "value"
) -> Attribution:
    r"""Lasso on the characters of all subsets of up to three units.

    The penalty is :math:`\hat\sigma \sqrt{2 \ln(2 m / \alpha) / N}` for m characters, N inputs and
    the noise :math:`\hat\sigma` that the lasso itself leaves (the scaled lasso): of values that say
    nothing of the units it keeps anything with probability at most :math:`\alpha`. A penalty chosen
    by cross-validation predicts better and keeps many false sets. The solution is that over all
    characters, found on a growing set of them until none outside correlates by more than the
    penalty. At most 256 take part, or one for five inputs; where that is too few, a warning in
    ``info`` says so. Coefficients are Fourier coefficients of a least-squares refit on those kept;
    importance is the lasso's own weight of the column scaled to variance 1, and ranks them.

    On pure noise at most 0.5% of runs report anything (200 seeds, n = 10, 60 to 1,000 rows).

    Parameters
    ----------
    order
        As for `matching_pursuit`.
    level
        Probability :math:`\alpha` of keeping anything of pure noise.
    on
        What is regressed.
    """
    from actspec_bench.methods.regressing.penalty import lasso as run

    return run(problem, order=order, level=level, on=on)


@method(
    "low-degree",
    returns="subsets",
    family="regression",
    needs=("uniform",),
    on="value",
    rows=ROWS,
    fails="sets above its order are invisible, and their variance counts as noise, as does that of "
    "all other sets",
    imports=(*SHARED, "actspec_bench.methods.regressing.lowdegree"),
    citation="Linial, Mansour & Nisan 1993, section 4",
)
def low_degree(
    problem: Problem, *, order: Order = None, level: Level = 0.05, on: On = "value"
) -> Attribution:
    r"""All Fourier coefficients of up to three units that exceed what chance gives.

    Each is estimated by the mean of value times character over the draws, and kept if it exceeds
    :math:`\sqrt{2 \ln(2 m / \alpha) / N}` root mean squares of the value, m being the number of
    coefficients (Hoeffding's bound for signs, corrected for their number). The original keeps all
    of them, to predict. Coefficients are Fourier coefficients of a least-squares refit on those
    kept, at most 1,000 and one for five draws.

    On pure noise at most 0.5% of runs report anything (200 seeds, n = 10, 60 to 1,000 rows).

    Parameters
    ----------
    order
        As for `matching_pursuit`.
    level
        Probability :math:`\alpha` of keeping anything of pure noise.
    on
        What is regressed.
    """
    from actspec_bench.methods.regressing.lowdegree import low_degree as run

    return run(problem, order=order, level=level, on=on)


@method(
    "boosted-trees",
    returns="subsets",
    family="regression",
    on="value",
    rows=ROWS,
    fails="splits see single units, so that a set without smaller effects is met by chance, and "
    "needs thousands of draws",
    calls="scikit-learn (BSD-3)",
    imports=(*SHARED, "actspec_bench.methods.regressing.trees", "sklearn.ensemble", "scipy.stats"),
    citation="Friedman 2001; trees read at their Fourier coefficients: Butler et al. 2025, "
    "arXiv:2505.17495",
)
def boosted_trees(
    problem: Problem,
    *,
    order: Annotated[int, Field(ge=1, le=5)] = 4,
    trees: Annotated[int, Field(ge=1)] = 100,
    depth: Annotated[int, Field(ge=1, le=8)] = 6,
    rate: Annotated[float, Field(gt=0, le=1)] = 0.2,
    level: Level = 0.05,
    on: On = "value",
) -> Attribution:
    """Subsets of split paths of boosted trees, tested on rows that the trees never saw.

    Trees are grown on three quarters of the inputs (histogram gradient boosting). Their sum has
    Fourier coefficients, of subsets of split paths alone; the largest, at most 256 and one for ten
    rows of the last quarter, are candidates, taken there by orthogonal matching pursuit as long as
    they are significant at ``level`` over the number of candidates. Coefficients are Fourier
    coefficients of a least-squares refit on all rows; importance is the root of the variance that
    each explained when it was taken, and ranks them.

    On pure noise 3 to 7% of runs report anything (100 seeds, n = 10 and 24, 200 and 1,000 rows).

    Parameters
    ----------
    order
        Most units of a subset.
    trees, depth, rate
        Of the boosting: how many, splits above a leaf, and how much of each counts.
    level
        Of the test, for each step.
    on
        What is regressed.
    """
    from actspec_bench.methods.regressing.trees import boosted_trees as run

    return run(problem, order=order, trees=trees, depth=depth, rate=rate, on=on, level=level)
