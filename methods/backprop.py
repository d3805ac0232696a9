"""Methods with backward rules of their own for the modules of the network after a layer."""

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


@method(
    "deeplift",
    returns="units",
    family="backpropagation",
    needs=("module",),
    on="margin",
    rows="4 R + 1 for R rows to explain",
    fails="factors of a product, and what is not an elementwise module or a maximum: skipped "
    "where contributions do not add up",
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Shrikumar, Greenside & Kundaje 2017, section 3.5.1 (rescale rule); Captum DeepLift",
)
def deeplift(problem: Problem, *, aggregate: Aggregate = "mean-absolute") -> Attribution:
    r"""Contributions of units to the change of the margin from the baseline, by the rescale rule.

    A nonlinear module passes on to its input the multiplier of its output times
    :math:`\Delta y / \Delta x`, changes between the baseline and the row; contributions are
    :math:`a_{ri} = (x_{ri} - b_i) m_{ri}`, and :math:`\sum_i a_{ri} = m(x_r) - m(b)` where all
    that is nonlinear is covered by the rules. This is checked, at no cost: where contributions
    miss the change by more than 5% in the median row, or a nonlinear module runs more than once
    in a pass, the method is skipped. ``info`` has the ``gap``.

    Two rows forward and two backward for each row to explain, since Captum runs row and baseline
    through the network together, and one row that looks at the network: all there is to spend on.

    Parameters
    ----------
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.backprop import deeplift as deeplift_

    return deeplift_(problem, aggregate)


@method(
    "deeplift-shap",
    returns="units",
    family="backpropagation",
    needs=("module",),
    on="margin",
    rows="4 R S + 1 for S baselines, B / 4 R of them",
    fails="as deeplift; the draws of D that are baselines are the same for all rows",
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Lundberg & Lee 2017, section 4.2 (Deep SHAP); Captum DeepLiftShap",
)
def deeplift_shap(
    problem: Problem,
    *,
    baselines: Annotated[int, Field(ge=2)] = 10,
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    """Mean of DeepLIFT's contributions over draws of D as baselines.

    Checked as `deeplift` is.

    Parameters
    ----------
    baselines
        The least number of draws. Rows are left out until the budget allows it; what is left then
        goes into more draws. A pair of a row and a draw costs four rows.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.backprop import deeplift_shap as deeplift_shap_

    return deeplift_shap_(problem, baselines, aggregate)


@method(
    "lrp",
    returns="units",
    family="backpropagation",
    needs=("module",),
    on="margin",
    rows="2 R + 1 for R rows to explain",
    fails="with the rule epsilon, or one layer with weights, rectifier networks have it equal to "
    "input-x-gradient (Ancona et al. 2018, proposition 1)",
    calls=f"{CAPTUM}: InputXGradient; the rules are own",
    imports=IMPORTS,
    citation="Bach et al. 2015; Montavon, Binder, Lapuschkin, Samek & Muller 2019, sections 10.2 "
    "and 10.3 (rules by layers)",
)
def lrp(
    problem: Problem,
    *,
    rule: Literal["gamma", "epsilon"] = "gamma",
    gamma: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.25,
    aggregate: Aggregate = "mean-absolute",
) -> Attribution:
    """Relevance of units for the margin, passed back layer by layer in shares of contributions.

    Relevance of the margin is the margin. See `attributing.relevance.propagating_relevance` for
    the rules. The network must be of modules that have one (layers with weights, elementwise
    nonlinearities that keep 0, pooling, batch norm, reshaping), with linear steps between them;
    else it is skipped, with what has none named. Captum's own LRP is not used: it takes every
    output for a positive sum, so that the relevance of a difference of two logits adds up to
    anything but the difference. Of networks that end in one output it finds the same.

    The rows to explain, two of budget each, and one row that looks at the network are all that
    there is to spend on.

    Parameters
    ----------
    rule
        ``"gamma"``: LRP-gamma in all layers with weights but the last, as its authors advise for
        lower layers; ``"epsilon"``: shares as they are, in the limit of a small epsilon.
    gamma
        How much more contributions of an output's own sign count.
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.gradients import relevance

    return relevance(problem, rule, gamma, aggregate)


@method(
    "guided-backprop",
    returns="units",
    family="backpropagation",
    needs=("module",),
    on="margin",
    rows="2 R + 1 for R rows to explain",
    fails="it looks much the same whatever later layers do (Adebayo et al. 2018)",
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Springenberg, Dosovitskiy, Brox & Riedmiller 2015, section 3.4; Captum "
    "GuidedBackprop",
)
def guided_backprop(problem: Problem, *, aggregate: Aggregate = "mean-absolute") -> Attribution:
    """Gradient of the margin in which rectifiers pass back only what is positive and was on.

    Skipped where the network after the layer has no nn.ReLU, rectifies by a function, or runs an
    nn.ReLU more than once. The rows to explain, two of budget each, and one row that looks at the
    network are all that there is to spend on.

    Parameters
    ----------
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.gradients import on_rows

    return on_rows(problem, "guided-backprop", aggregate)


@method(
    "deconvolution",
    returns="units",
    family="backpropagation",
    needs=("module",),
    on="margin",
    rows="2 R + 1 for R rows to explain",
    fails="it looks much the same whatever the row is: rectifiers pass back without regard to "
    "whether they were on",
    calls=CAPTUM,
    imports=IMPORTS,
    citation="Zeiler & Fergus 2014, section 2.1; Captum Deconvolution",
)
def deconvolution(problem: Problem, *, aggregate: Aggregate = "mean-absolute") -> Attribution:
    """Gradient of the margin in which rectifiers pass back only what is positive.

    Skipped where `guided_backprop` is, at the same cost.

    Parameters
    ----------
    aggregate
        How rows make one score; see `explaining.aggregated`.
    """
    from actspec_bench.methods.attributing.gradients import on_rows

    return on_rows(problem, "deconvolution", aggregate)
