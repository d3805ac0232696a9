"""Gradient methods, through Captum: of the margin at rows, on paths to them and around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from actspec_bench.problems.explaining import Aggregate
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem

IMPORTS = ("captum.attr", "actspec_bench.methods.attributing.gradients")
CAPTUM = "captum 0.9 (BSD-3)"
SATURATED = (
    "a margin that is flat at the row hides what moved it there, and the gradient of a product "
    "is zero where two of its factors are"
)


@method(
    "saliency",
    returns="units",
    family="gradient",
    needs=("gradient",),
    on="margin",
    rows="2 R for R rows to explain",
    fails=SATURATED,
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Simonyan, Vedaldi & Zisserman 2014, section 3; Captum Saliency",
)
def saliency(problem: Problem, *, aggregate: Aggregate = "mean-absolute") -> Attribution:
    r"""Gradient of the margin at the rows to explain.

    :math:`a_{ri} = \partial m(x_r) / \partial x_i`, with its sign until rows are aggregated. The
    rows to explain, two of budget each, are all that there is to spend on.

    Parameters
    ----------
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.gradients import on_rows

    return on_rows(problem, "saliency", aggregate)


@method(
    "input-x-gradient",
    returns="units",
    family="gradient",
    needs=("gradient",),
    on="margin",
    rows="2 R for R rows to explain",
    fails=f"{SATURATED}; a unit that is 0 scores 0, whatever its baseline",
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Shrikumar, Greenside, Shcherbina & Kundaje 2016, arXiv:1605.01713, section 2; "
    "Captum InputXGradient",
)
def input_x_gradient(problem: Problem, *, aggregate: Aggregate = "mean-absolute") -> Attribution:
    r"""Gradient of the margin at the rows to explain, times the unit's own value.

    :math:`a_{ri} = x_{ri} \, \partial m(x_r) / \partial x_i`. The rows to explain, two of budget
    each, are all that there is to spend on.

    Parameters
    ----------
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.gradients import on_rows

    return on_rows(problem, "input-x-gradient", aggregate)


@method(
    "integrated-gradients",
    returns="units",
    family="gradient",
    needs=("gradient",),
    on="margin",
    rows="2 R S for S steps, B / 2 R of them, at most 512",
    fails="one path only: on it all units move together, so that a product is shared out evenly "
    "whichever of its factors matters in the data",
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Sundararajan, Taly & Yan 2017, equation 1; Captum IntegratedGradients",
)
def integrated_gradients(
    problem: Problem,
    *,
    steps: Annotated[int, Field(ge=1)] | None = None,
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Gradient of the margin on the path from the baseline, times the change along it.

    .. math:: a_{ri} = (x_{ri} - b_i) \int_0^1 \partial_i m(b + t (x_r - b)) \, dt

    by the Gauss-Legendre rule, whose points cost one forward and one backward row each. Of a
    smooth function a few points are exact; where rectifiers bend it the error falls as 1 / steps.

    Parameters
    ----------
    steps
        Points on the path. If not given, as many as the budget has for all rows to explain, at
        most 512; below 8 rows are left out instead. Fewer than asked for if the budget has not
        so many for one row, as ``info`` tells.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.gradients import along_the_path

    return along_the_path(problem, steps, aggregate, times_change=True)


@method(
    "internal-influence",
    returns="units",
    family="gradient",
    needs=("gradient",),
    on="margin",
    rows="2 R S for S steps, B / 2 R of them, at most 512",
    fails="a unit that stands at its baseline in every row scores by what it could do",
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Leino, Sen, Datta, Fredrikson & Li 2018, definition 1, with the distribution of "
    "interest on the path from the baseline; Captum InternalInfluence",
)
def internal_influence(
    problem: Problem,
    *,
    steps: Annotated[int, Field(ge=1)] | None = None,
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Mean gradient of the margin on the path from the baseline.

    :math:`a_{ri} = \int_0^1 \partial_i m(b + t (x_r - b)) \, dt`: integrated gradients without
    the change along the path.

    Parameters
    ----------
    steps, aggregate
        As for `integrated_gradients`.
    """
    from actspec_bench.methods.attributing.gradients import along_the_path

    return along_the_path(problem, steps, aggregate, times_change=False)


@method(
    "gradient-shap",
    returns="units",
    family="gradient",
    needs=("gradient",),
    on="margin",
    rows="2 R S for S samples, B / 2 R of them",
    fails="noise of few samples makes every score larger: the error falls as one over the square "
    "root of S",
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Lundberg & Lee 2017; Erion, Janizek, Sturmfels, Lundberg & Lee 2021, equation 3 "
    "(expected gradients); Captum GradientShap",
)
def gradient_shap(
    problem: Problem,
    *,
    samples: Annotated[int, Field(ge=1)] = 20,
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Gradient of the margin between each row and draws of D, times the change.

    .. math:: a_{ri} = E_{b \sim D, \, t \sim U(0, 1)} [ (x_{ri} - b_i) \,
       \partial_i m(b + t (x_r - b)) ]

    Parameters
    ----------
    samples
        The least number of draws a row. Rows are left out until the budget allows it; what is
        left then goes into more draws.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.gradients import expected

    return expected(problem, samples, aggregate)


@method(
    "smoothgrad",
    returns="units",
    family="gradient",
    needs=("gradient",),
    on="margin",
    rows="c R S for S samples, B / c R of them; c is 2, or 32 of integrated gradients",
    fails="one width of noise for all units: units of small spread are blurred away",
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Smilkov, Thorat, Kim, Viegas & Wattenberg 2017, section 3; Hooker, Erhan, "
    "Kindermans & Kim 2019 (smoothgrad_sq); Adebayo et al. 2018 (vargrad); Captum NoiseTunnel",
)
def smoothgrad(
    problem: Problem,
    *,
    of: Literal[
        "saliency", "input-x-gradient", "integrated-gradients", "guided-backprop", "deconvolution"
    ] = "saliency",
    kind: Literal["smoothgrad", "smoothgrad_sq", "vargrad"] = "smoothgrad",
    noise: Annotated[float, Field(ge=0, le=10)] = 0.15,
    samples: Annotated[int, Field(ge=1)] = 20,
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    r"""Mean of a gradient method over normal noise on the rows to explain.

    :math:`a_r = E_\epsilon [ g(x_r + \epsilon) ]` for the attributions g of another method, or the
    mean of their squares, or their variance.

    Parameters
    ----------
    of
        The method. Integrated gradients takes 16 steps; guided backpropagation and deconvolution
        need a network of modules. DeepLIFT, whose completeness could not be checked, and the
        methods that sample by themselves are left out.
    kind
        ``"smoothgrad"``: the mean; ``"smoothgrad_sq"``: the mean square; ``"vargrad"``: the
        variance.
    noise
        Standard deviation of the noise as a share of the range of the units' values, over all of
        them, in the rows to explain and 1,000 draws of D: its authors take 0.1 to 0.2 of the
        range in an image.
    samples
        The least number of noisy copies a row. Rows are left out until the budget allows it; what
        is left then goes into more copies.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.gradients import smoothed

    return smoothed(problem, of, kind, noise, samples, aggregate)
