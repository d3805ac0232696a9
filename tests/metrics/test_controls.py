"""The gate on every score: the oracle is best, random is at chance, and truth moves nothing else.

Chance levels are computed by enumerating all orders of the units, or in closed form.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np
import pytest
from scoring import built, outcome, parity_sum, rng, score

from actspec_bench import Attribution, NotApplicable, Truth, Undefined
from actspec_bench.problems.needs import check_needs
from actspec_bench.problems.views import restarted
from actspec_bench.registry.entries import methods, metrics
from actspec_bench.running.suites import KNOWN

SCORED = [entry for entry in metrics if entry.card.family != "cost"]
RIVALS = ["random", "constant", "anti-oracle", *KNOWN]
TASKS = [
    "planted-parity[n=12,terms=3,noise=0.05]",
    "planted-parity[n=12,terms=3,order=2,readout=decision,low=1.0]",
    "digits-patches",
]
# Curves know units only: the oracle's units tie within a subset and between equal ones, and
# deleting one unit of each subset first beats whole subsets in turn. There the oracle must beat
# the controls, and a method may pass it.
CURVES = {entry.name for entry in SCORED if "_auc" in entry.name and entry.name != "unit_auroc"}
instance_of = cache(built)


@cache
def attributed(text: str, name: str, seed: int) -> Attribution:
    instance = instance_of(text, seed)
    entry = methods[name]
    extra = {"truth": instance.truth} if entry.card.sees_truth else {}
    problem = restarted(instance.problem, budget=5000, seed=seed)
    check_needs(problem, entry.card.needs)
    return entry.function(problem, **entry.resolve({}), **extra)


@cache
def mean_score(text: str, method: str, metric: str) -> float | None:
    """Mean over the instances that have a value; None where none has, or the method refuses."""
    values = []
    for seed in range(6):
        instance = instance_of(text, seed)
        try:
            found = attributed(text, method, seed)
            values.append(score(metric, outcome(instance.problem, found, instance.truth, seed)))
        except (Undefined, NotApplicable):
            continue
    return float(np.mean(values)) if values else None


@pytest.mark.parametrize("text", TASKS)
@pytest.mark.parametrize("entry", SCORED, ids=lambda entry: entry.name)
def test_no_method_beats_the_oracle(entry, text: str) -> None:
    oracle = mean_score(text, "oracle", entry.name)
    if oracle is None:
        instance = instance_of(text, 0)
        scored = outcome(instance.problem, attributed(text, "oracle", 0), instance.truth, 0)
        with pytest.raises(Undefined):
            score(entry.name, scored)
        return
    sign = 1 if entry.card.higher_is_better else -1
    # A share is not the more the better: who reports fewer subsets may have a larger one.
    rivals = RIVALS[:3] if entry.name in {*CURVES, "joint_share"} else RIVALS
    enumerated = text == "digits-patches"
    for rival in rivals:
        theirs = mean_score(text, rival, entry.name)
        # An enumerated truth is its ten largest coefficients only; faithfulness may use more.
        slack = 0.15 if enumerated and entry.card.family == "faithfulness" else 0.02
        assert theirs is None or sign * oracle >= sign * theirs - slack, rival
    if entry.card.best is not None and not enumerated:
        assert oracle == pytest.approx(entry.card.best, abs=0.03)


@pytest.mark.parametrize("text", TASKS)
@pytest.mark.parametrize(
    "metric",
    [
        "subset_recall",
        "subset_precision",
        "subset_f1",
        "subset_jaccard",
        "coefficient_error",
        "unit_auroc",
        "unit_ap",
        "insertion_auc",
        "deletion_auc",
        "insertion_auc_resample",
        "deletion_auc_resample",
    ],
)
def test_the_anti_oracle_is_clearly_worse(metric: str, text: str) -> None:
    sign = 1 if metrics[metric].card.higher_is_better else -1
    best, worst = (mean_score(text, name, metric) for name in ("oracle", "anti-oracle"))
    if best is None:
        assert worst is None
        return
    assert sign * best > sign * worst + 0.1


def random_units(seed: int, n: int) -> Attribution:
    """The random control restricted to single units: a random order of some of them."""
    entry = methods["random"]
    problem = restarted(parity_sum({(0,): 1.0}, n), budget=1, seed=seed)
    return entry.function(problem, **entry.resolve({"order": 1, "subsets": 64}))


N = 6
SINGLES = Truth({(0,): 1.0, (2,): -0.5}, N)
FUNCTION = parity_sum({(0,): 1.0, (2,): -0.5}, N)
ORDERLY = [
    "subset_recall",
    "subset_precision",
    "subset_f1",
    "subset_jaccard",
    "unit_auroc",
    "unit_ap",
    "deletion_auc",
    "deletion_auc_zero",
    "insertion_auc",
    "insertion_auc_zero",
    "deletion_auc_resample",
    "insertion_auc_resample",
]


@pytest.mark.parametrize("metric", ORDERLY)
def test_random_is_at_chance(metric: str) -> None:
    """Chance: the mean over all 720 orders of six units."""
    every = [
        score(metric, outcome(FUNCTION, Attribution.from_units(np.array(order) + 1.0), SINGLES))
        for order in permutations(range(N))
    ]
    found = [
        score(metric, outcome(FUNCTION, random_units(seed, N), SINGLES)) for seed in range(300)
    ]
    spread = np.std(every) / len(found) ** 0.5
    assert abs(np.mean(found) - np.mean(every)) < 4 * spread + 1e-9


@pytest.mark.parametrize("metric", ORDERLY)
def test_a_constant_scorer_is_at_chance(metric: str) -> None:
    """Ties are broken at random, so a constant gains nothing by the order of units."""
    every = [
        score(metric, outcome(FUNCTION, Attribution.from_units(np.array(order) + 1.0), SINGLES))
        for order in permutations(range(N))
    ]
    constant = Attribution.from_units(np.ones(N))
    found = [score(metric, outcome(FUNCTION, constant, SINGLES, seed)) for seed in range(300)]
    if metric == "unit_ap":  # scikit-learn scores a tie as one block: the share of positives
        assert np.mean(found) == pytest.approx(2 / 6)
        return
    spread = np.std(every) / len(found) ** 0.5
    assert abs(np.mean(found) - np.mean(every)) < 4 * spread + 1e-9


def test_random_subsets_hit_true_ones_as_often_as_chance_says() -> None:
    """Of the C(8,2) pairs and 8 singletons, each is as likely as its size class says."""
    n, runs = 8, 1500
    truth = Truth({(0, 1): 1.0}, n)
    problem = parity_sum({(0, 1): 1.0}, n)
    entry = methods["random"]
    hits = []
    for seed in range(runs):
        found = entry.function(
            restarted(problem, budget=1, seed=seed), **entry.resolve({"order": 2, "subsets": 1})
        )
        hits.append(score("subset_recall", outcome(problem, found, truth)))
    chance = 0.5 / 28
    assert abs(np.mean(hits) - chance) < 4 * (chance / runs) ** 0.5


def test_random_has_the_false_discovery_rate_of_what_is_false() -> None:
    n = 8
    truth = Truth({(i,): 1.0 for i in range(2)}, n)
    problem = parity_sum(dict(truth.spectrum), n)
    rates = [
        score("false_discovery_rate", outcome(problem, random_units(seed, n), truth))
        for seed in range(200)
    ]
    assert np.mean(rates) == pytest.approx(6 / 8, abs=0.02)


def test_random_explains_its_closed_form_share_of_the_function() -> None:
    """Sixteen of 40 singletons hold one of four equal terms' energy 16/40 of the time each."""
    n, m = 40, 16
    problem = parity_sum({(i,): 1.0 for i in range(4)}, n)
    scores = []
    for seed in range(120):
        order = rng(seed).permutation(n)
        scores.append(
            score("surrogate_r2", outcome(problem, Attribution.from_units(order + 1.0), seed=seed))
        )
    spread = np.std(scores) / len(scores) ** 0.5
    assert abs(np.mean(scores) - m / n) < 4 * spread + 0.005


def test_random_subsets_have_no_joint_effect_and_no_redundancy() -> None:
    text = "planted-parity[n=64,noise=0.05]"
    assert mean_score(text, "random", "joint_share") is None
    assert abs(mean_score(text, "random", "redundancy")) < 0.03


def test_random_coefficients_are_as_bad_as_reporting_nothing() -> None:
    """A random subset of 64 units is never a true one here, so nothing is recovered."""
    assert mean_score("planted-parity[n=64,noise=0.05]", "random", "coefficient_error") == 1
