"""Probing: what can be decoded from units, used or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from actspec_bench.methods.intervening.choices import Features
from actspec_bench.problems.explaining import On
from actspec_bench.registry.decorators import method

if TYPE_CHECKING:
    from actspec_bench.problems.attribution import Attribution
    from actspec_bench.problems.problem import Problem


@method(
    "linear-probe",
    returns="units",
    family="probe",
    on="value",
    rows="min(B, 4096), or each row of a smaller data set once",
    fails="tells what can be decoded, which need not be used: a copy of a unit that nothing reads "
    "scores like the unit, and the units of a parity, which are used, score nothing",
    calls="scikit-learn (BSD-3)",
    imports=(
        "actspec_bench.methods.intervening.probes",
        "sklearn.linear_model",
        "sklearn.metrics",
        "sklearn.svm",
    ),
    citation="Alain & Bengio 2016, arXiv:1610.01644, section 3; Gurnee et al. 2023, "
    "arXiv:2305.01610 (sparse probing)",
)
def linear_probe(
    problem: Problem,
    *,
    on: On = "value",
    features: Features = "patterns",
    rows: Annotated[int, Field(ge=10)] = 4096,
    units: Annotated[int, Field(ge=1)] = 256,
) -> Attribution:
    """Coefficients of a sparse linear probe that predicts the value from units as they are.

    Draws of D, or each row of a data set once, are evaluated as they are: nothing is intervened
    on, and given rows serve. Units are standardised, and a value with two levels, such as a
    decision, is predicted by logistic regression, any other by least squares, both with an L1
    penalty. The penalty is the one of best held-out likelihood, or least held-out error, in
    cross-validation over up to five folds, of which no two share an input, from the one under
    which no unit is used down. A score is the coefficient of the standardised unit, which is 0 for
    a unit that is constant or not used; ``info`` has the held-out accuracy or R^2.

    Parameters
    ----------
    on
        The value, which a probe's labels are; or the margin.
    features
        What the probe reads of a unit: its on/off state, which a coefficient of the spectrum is
        about, or its activation. On a binary or a masked problem they are the same.
    rows
        At most; more change coefficients by less than the choice of the penalty does.
    units
        Units that are probed at most, those of the largest absolute covariance with the value
        (of two classes, the largest difference of means, as in Gurnee et al. 2023); a small number
        is their k-sparse probe.

    Raises
    ------
    NotApplicable
        The budget or the data set has fewer than 10 rows, all values are alike, or fewer than two
        inputs are of one class or of the values' upper or lower half.
    """
    from actspec_bench.methods.intervening.probes import linear_probe as fitted

    return fitted(problem, on=on, features=features, rows=rows, most=units)
