"""Recovery metrics: whether the attribution holds the true subsets, units and coefficients.

K is the number of true subsets. "The top K" are the K reported subsets of largest
|coefficient|, ties broken at random from the instance's seed. A method that scores units only
is scored as the singletons it reports.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from actspec_bench.errors import Undefined
from actspec_bench.registry.decorators import metric

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from numpy import ndarray

    from actspec_bench.fourier import Subset
    from actspec_bench.metrics.outcome import Outcome

REDUNDANCY_SUBSETS = 10
REDUNDANCY_DRAWS = 4096


def _true_and_top(outcome: Outcome) -> tuple[set[Subset], list[Subset]]:
    """Return the K true subsets and the top K reported ones.

    A method that says in ``info["order"]`` how large its subsets can be is not asked where all
    true ones are larger: its score would be a zero by construction.
    """
    truth = set(outcome.known_truth().spectrum)
    if not truth:
        raise Undefined("nothing is planted: there is no subset to find")
    order = outcome.attribution.info.get("order")
    if isinstance(order, int) and order < min(map(len, truth)):
        raise Undefined(f"it reports subsets of up to {order} units, and no true one is so small")
    return truth, outcome.attribution.top(len(truth), outcome.generator("ties"))


@metric(
    "subset_recall",
    family="recovery",
    track="subsets",
    higher_is_better=True,
    needs_truth=True,
    best=1,
)
def subset_recall(outcome: Outcome) -> float:
    """Share of the K true subsets that are among the top K reported."""
    truth, top = _true_and_top(outcome)
    return len(truth.intersection(top)) / len(truth)


@metric(
    "subset_precision",
    family="recovery",
    track="subsets",
    higher_is_better=True,
    needs_truth=True,
    best=1,
)
def subset_precision(outcome: Outcome) -> float:
    """Share of the top K reported subsets that are true."""
    truth, top = _true_and_top(outcome)
    if not top:
        raise Undefined("the method reported no subset")
    return len(truth.intersection(top)) / len(top)


@metric(
    "subset_f1", family="recovery", track="subsets", higher_is_better=True, needs_truth=True, best=1
)
def subset_f1(outcome: Outcome) -> float:
    """F1 of the top K reported subsets: 2 hits / (K + number of them)."""
    truth, top = _true_and_top(outcome)
    return 2 * len(truth.intersection(top)) / (len(truth) + len(top))


@metric(
    "subset_jaccard",
    family="recovery",
    track="subsets",
    higher_is_better=True,
    needs_truth=True,
    best=1,
)
def subset_jaccard(outcome: Outcome) -> float:
    """Mean Jaccard index of the true subsets with the top K, under the best one-to-one match.

    A true subset that is left without a partner counts 0. The match is found by the Hungarian
    method (Kuhn 1955, `scipy.optimize.linear_sum_assignment`).
    """
    from scipy.optimize import linear_sum_assignment

    truth, top = _true_and_top(outcome)
    if not top:
        return 0.0
    true_rows = _indicators(sorted(truth), outcome.problem.n)
    top_rows = _indicators(top, outcome.problem.n)
    shared = true_rows @ top_rows.T
    either = true_rows.sum(1)[:, None] + top_rows.sum(1)[None, :] - shared
    rows, columns = linear_sum_assignment(shared / either, maximize=True)
    return float((shared / either)[rows, columns].sum() / len(truth))


def _indicators(subsets: list[Subset], n: int) -> Float[ndarray, "subsets n"]:
    rows = np.zeros((len(subsets), n))
    for row, subset in zip(rows, subsets, strict=True):
        row[list(subset)] = 1.0
    return rows


@metric(
    "coefficient_error",
    family="recovery",
    of_coefficients=True,
    track="subsets",
    higher_is_better=False,
    needs_truth=True,
    best=0,
)
def coefficient_error(outcome: Outcome) -> float:
    r"""Relative root-mean-square error of the true subsets' signed coefficients.

    :math:`\sqrt{\sum_S (\hat c_S - c_S)^2 / \sum_S c_S^2}` over the true subsets, an unreported
    one counting as 0: so 1 is what reporting nothing gets.
    """
    truth = outcome.known_truth().spectrum
    if not truth:
        raise Undefined("nothing is planted: there is no coefficient to find")
    if outcome.attribution.returns == "units":
        raise Undefined("the method scores units and has no coefficients")
    reported = outcome.attribution.as_dict()
    true = np.array(list(truth.values()))
    found = np.array([reported.get(subset, 0.0) for subset in truth])
    return float(np.sqrt(np.square(found - true).sum() / np.square(true).sum()))


@metric(
    "false_discovery_rate",
    family="recovery",
    track="subsets",
    higher_is_better=False,
    needs_truth=True,
    best=0,
)
def false_discovery_rate(outcome: Outcome) -> float:
    """Share of all reported subsets that are not among the true ones; 0 if none is reported.

    The false-discovery proportion of Benjamini & Hochberg (1995, section 2.1), whose value for
    no discovery is 0 by definition; its mean over instances estimates the rate.
    """
    truth = outcome.known_truth()
    if not truth.exhaustive:
        raise Undefined("nearly every subset of an enumerated or learnt function has a coefficient")
    reported = outcome.attribution.subsets
    if not reported:
        return 0.0
    real = truth.spectrum.keys() | truth.minor
    return sum(subset not in real for subset in reported) / len(reported)


@metric("redundancy", family="recovery", track="subsets", higher_is_better=False, best=0)
def redundancy(outcome: Outcome) -> float:
    r"""Mean squared inner product between the characters of the ten top reported subsets.

    :math:`E_D[\chi_S \chi_T]^2` averaged over pairs, each estimated without bias from 4096
    draws of D as :math:`(N r^2 - 1) / (N - 1)`: 0 for an orthonormal set, 1 when all are the
    same function on D.
    """
    from actspec_bench.fourier.spectrum import characters, membership

    top = outcome.attribution.top(REDUNDANCY_SUBSETS, outcome.generator("ties"))
    if len(top) < 2:
        raise Undefined("fewer than two subsets were reported")
    view = outcome.view("redundancy")
    chi = characters(view.pattern(view.sample(REDUNDANCY_DRAWS)), membership(top, view.n)).double()
    inner = chi.T @ chi / len(chi)
    pairs = [inner[i, j].item() ** 2 for i, j in combinations(range(len(top)), 2)]
    return float((len(chi) * np.mean(pairs) - 1) / (len(chi) - 1))


@metric(
    "unit_auroc", family="recovery", track="units", higher_is_better=True, needs_truth=True, best=1
)
def unit_auroc(outcome: Outcome) -> float:
    """Area under the ROC curve of unit importance against membership in any true subset."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(*_relevance(outcome)))


@metric(
    "unit_ap", family="recovery", track="units", higher_is_better=True, needs_truth=True, best=1
)
def unit_ap(outcome: Outcome) -> float:
    """Average precision of unit importance against membership in any true subset."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(*_relevance(outcome)))


def _relevance(outcome: Outcome) -> tuple[Bool[ndarray, " n"], Float[ndarray, " n"]]:
    relevant = outcome.known_truth().relevant()
    if relevant.all() or not relevant.any():
        raise Undefined(f"{'every' if relevant.any() else 'no'} unit is in a true subset")
    return relevant, outcome.attribution.units(outcome.problem.n)
