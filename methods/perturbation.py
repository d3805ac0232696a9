"""Perturbation methods: changes of the function where units go to a baseline, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.problems.explaining import Aggregate, On
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

THROUGH_CAPTUM = ("captum.attr", "actspec_bench.methods.attributing.perturbing")
COALITIONS = ("actspec_bench.methods.attributing.surrogates",)
CAPTUM = "captum 0.9 (BSD-3)"


@method(
    "feature-ablation",
    returns="units",
    family="perturbation",
    needs=("queries",),
    on="margin",
    rows="R (n + 1) for R rows to explain",
    fails="a unit whose change others make up for scores 0, as in an OR of two",
    calls=CAPTUM,
    imports=THROUGH_CAPTUM,
    citation="Zeiler & Fergus 2014, section 4.2; Captum FeatureAblation",
)
def feature_ablation(
    problem: Problem, *, on: On = "margin", aggregate: Aggregate = "mean-absolute"
) -> Attribution:
    r"""Change of the function when one unit goes to the baseline.

    :math:`a_{ri} = f(x_r) - f(x_r \text{ with } x_i = b_i)`. As many rows are explained as the
    budget allows; more than the rows to explain there is nothing to spend on.

    Parameters
    ----------
    on
        The margin, as its authors do, or the value, a sign on most tasks, which one unit seldom
        flips.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.perturbing import ablated

    return ablated(problem, on, aggregate)


@method(
    "feature-permutation",
    returns="units",
    family="perturbation",
    needs=("queries",),
    on="margin",
    rows="R (n + 1) for R = B / (n + 1) draws of D, at least 2",
    fails="it leaves the data where units depend on each other, and twins make up for each other",
    imports=("actspec_bench.methods.attributing.perturbing",),
    citation="Breiman 2001, section 10; Fisher, Rudin & Dominici 2019, section 3 (of a model's "
    "loss; here of its output, as Captum's FeaturePermutation)",
)
def feature_permutation(
    problem: Problem, *, on: On = "margin", aggregate: Aggregate = "mean-absolute"
) -> Attribution:
    r"""Change of the function when one unit has the value that it has in another draw of D.

    :math:`a_{ri} = f(x_r) - f(x_r \text{ with } x_{\pi_i(r)i})` over draws :math:`x_r` of D and
    one permutation :math:`\pi_i` of them a unit. It explains D and not the rows to explain; all
    of the budget goes into draws.

    Parameters
    ----------
    on
        The margin, or the value; see `feature_ablation`.
    aggregate
        How draws make one score; see `explaining.aggregated`. The plain mean is about 0, since
        the units' values are the same before and after.
    """
    from actspec_bench.methods.attributing.perturbing import permuted

    return permuted(problem, on, aggregate)


@method(
    "occlusion",
    returns="units",
    family="perturbation",
    needs=("queries", "layout"),
    on="margin",
    rows="R (W + 1) for R rows to explain and W places of the window",
    fails="it blurs: a unit scores by the windows that cover it, so by its neighbours too",
    calls=CAPTUM,
    imports=THROUGH_CAPTUM,
    citation="Zeiler & Fergus 2014, section 4.2; Captum Occlusion",
)
def occlusion(
    problem: Problem,
    *,
    window: Annotated[int, Field(ge=1)] | None = None,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    """Change of the function when a window of units goes to the baseline, over windows.

    A unit's contribution is the mean of :math:`f(x_r) - f(x_r with the window at the baseline)`
    over all windows, one step apart, that cover it. As many rows are explained as the budget
    allows; more than the rows to explain there is nothing to spend on.

    Parameters
    ----------
    window
        Side of the window over the last two dimensions of the layout, or its only one, at most
        their lengths; other dimensions are taken one by one. If not given 3, or 2 where a side is
        shorter than 8.
    on
        The margin, or the value; see `feature_ablation`.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.perturbing import occluded

    return occluded(problem, window, on, aggregate)


@method(
    "shapley-sampling",
    returns="units",
    family="perturbation",
    needs=("queries",),
    on="margin",
    rows="1 + R (1 + (n - 1) S) for R rows to explain and S permutations of each",
    fails="few permutations are noisy: at n = 64 a budget of 10,000 has 5 of them for each of 31 "
    "rows",
    imports=COALITIONS,
    citation="Castro, Gomez & Tejada 2009, section 3",
)
def shapley_sampling(
    problem: Problem,
    *,
    permutations: Annotated[int, Field(ge=1)] = 5,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    """Shapley values of units between the baseline and each row, by sampled permutations.

    Units of the row come in one after the other; a unit's contribution is the mean change that
    its coming in makes, over permutations that each row has of its own, so that their noise
    averages out over rows too. (Captum's ShapleyValueSampling has the same for all rows of a
    batch; of one row and the same permutations the numbers are equal.)

    Parameters
    ----------
    permutations
        The least number of permutations a row. Rows are left out until the budget allows it;
        what is left then goes into more permutations. A row costs one query, a permutation
        n - 1.
    on
        The margin, or the value; see `feature_ablation`.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.surrogates import sampled_shapley

    return sampled_shapley(problem, permutations, on, aggregate)


@method(
    "shapley-values",
    returns="units",
    family="perturbation",
    needs=("queries",),
    on="margin",
    rows="R 2^n for R rows to explain",
    fails="n above 13 is beyond a budget of 10,000",
    imports=COALITIONS,
    citation="Shapley 1953; O'Donnell, Analysis of Boolean Functions, 2014, section 1.2 (the "
    "transform)",
)
def shapley_values(
    problem: Problem, *, on: On = "margin", aggregate: Aggregate = "mean-absolute"
) -> Attribution:
    r"""Exact Shapley values between the baseline and each row, from all 2^n coalitions.

    One Walsh-Hadamard transform of the row's coalitions gives all of them:
    :math:`\phi_i = \sum_{S \ni i, |S| \text{ odd}} 2 \hat f(S) / |S|`. As many rows are
    explained as the budget allows, in 2^n queries each, where Captum's ShapleyValues takes n! n.

    Parameters
    ----------
    on
        The margin, or the value; see `feature_ablation`.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.surrogates import shapley_values as shapley_values_

    return shapley_values_(problem, on, aggregate)


@method(
    "kernel-shap",
    returns="units",
    family="perturbation",
    needs=("queries",),
    on="margin",
    rows="R (S + 1) + 1 for S coalitions, B / R of them and at least n",
    fails="interactions of three and more are noise to its linear model, unless coalitions are "
    "many times n",
    imports=COALITIONS,
    citation="Lundberg & Lee 2017, theorem 2; Covert & Lee 2021 (paired samples)",
)
def kernel_shap(
    problem: Problem, *, on: On = "margin", aggregate: Aggregate = "mean-absolute"
) -> Attribution:
    """Shapley values between the baseline and each row, by a weighted linear regression.

    Coalitions are drawn by the Shapley kernel, or are all of them where the budget allows, and
    then the result is exact. Each row has coalitions of its own, whose noise averages out.
    That contributions add up to the change of the function is a constraint, and holds exactly.
    Rows are left out until each has 5 n coalitions; below n not even one row is explained.

    Parameters
    ----------
    on
        The margin, or the value; see `feature_ablation`.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.surrogates import kernel_shap as kernel_shap_

    return kernel_shap_(problem, on, aggregate)


@method(
    "lime",
    returns="units",
    family="perturbation",
    needs=("queries",),
    on="margin",
    rows="R S for S samples, B / R of them and at least n + 2",
    fails="interactions are noise to its linear model, and the penalty shrinks it where samples "
    "are few",
    imports=COALITIONS,
    citation="Ribeiro, Singh & Guestrin 2016, equation 1 and algorithm 1, with the kernel, width "
    "and ridge regression of its authors' code for tables",
)
def lime(
    problem: Problem,
    *,
    width: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.75,
    penalty: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0,
    on: On = "margin",
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Coefficients of a linear model of the function around each row, units on or off.

    Units are at their own value or at the baseline with equal chances, in samples of each row's
    own, weighed by :math:`\exp(-d^2 / 2 w^2 n)` for :math:`d^2` units off; the model
    is a ridge regression. Rows are left out until each has 5 n samples; below n + 2 not even one
    row is explained.

    Parameters
    ----------
    width
        w, the width of the kernel over the square root of n.
    penalty
        Of the squared coefficients.
    on
        The margin, or the value; see `feature_ablation`.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.surrogates import lime as lime_

    return lime_(problem, width, penalty, on, aggregate)
