"""Several runs of a search: what their intervals cover, what is stable, and what is warned of."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import binom
from scoring import parity_sum, random_patterns, rng

from actspec_bench import Attribution, Problem, distributedness
from actspec_bench.fourier.energy import Energies, Estimate, energies, over_runs
from actspec_bench.fourier.spectrum import characters, membership
from actspec_bench.problems.kinds import interchange
from actspec_bench.problems.views import ScoringView, resampled
from actspec_bench.spectra.runs import combined, stability

STRONG = {(0,): 1.0, (1, 2): 0.8, (3, 4, 5): 0.7}
WEAK = [s for k in (1, 2, 3) for s in combinations(range(10), k) if s not in STRONG]


def found(*subsets: tuple[int, ...], **info: object) -> Attribution:
    return Attribution.from_subsets({s: 1.0 - i / 100 for i, s in enumerate(subsets)}, info=info)


def measured(rows: torch.Tensor, values: torch.Tensor, run: Attribution) -> Energies:
    signs = torch.ones(1, len(rows))
    return energies(rows, values, run.subsets, uniform=False, signs=signs)


def test_the_interval_of_one_run_is_its_own_and_equal_runs_add_nothing() -> None:
    one = Estimate(0.3, 0.2, 0.4)
    assert over_runs([one], same_inputs=False) == one
    equal = over_runs([one] * 4, same_inputs=True)
    assert (equal.value, equal.low, equal.high) == pytest.approx((0.3, 0.2, 0.4))


def test_the_law_of_total_variance_by_hand() -> None:
    runs = [Estimate.normal(value, 0.0) for value in (0.1, 0.3, 0.2)]
    apart = over_runs(runs, same_inputs=False)
    # Of three runs: s = 0.1, t of 2 degrees of freedom 4.303.
    assert apart.high - apart.value == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-4)
    same = over_runs(runs, same_inputs=True)
    assert same.high - same.value == pytest.approx(4.3027 * 0.1 * (4 / 3) ** 0.5, rel=1e-4)
    wide = over_runs([Estimate.normal(v, 0.5) for v in (0.1, 0.3, 0.2)], same_inputs=False)
    assert wide.high - wide.value == pytest.approx(1.96 * (0.25 + 0.01 / 3) ** 0.5, rel=1e-3)


def test_intervals_cover_over_seeds_where_a_search_misses_other_terms_each_time() -> None:
    """Weak terms are found by half of the seeds; one run's interval does not know that."""
    draw = rng(0)
    weak = {WEAK[i]: 0.25 for i in draw.choice(len(WEAK), 30, replace=False)}
    terms = STRONG | weak
    problem = parity_sum(terms, 10)
    whole = sum(c**2 for c in terms.values())
    exact = {
        k: sum(c**2 * (1 if s in STRONG else 0.5) for s, c in terms.items() if len(s) == k) / whole
        for k in (1, 2, 3)
    }
    hits, alone = [], []
    for _ in range(200):
        runs = [
            Attribution.from_subsets(
                {s: c for s, c in terms.items() if s in STRONG or draw.random() < 0.5}
            )
            for _ in range(4)
        ]
        x = torch.from_numpy(draw.choice([-1.0, 1.0], (1000, 10)))
        known = [measured(x, problem._source.margin(x), run) for run in runs]
        by_order, *_ = combined(known, same_inputs=False)
        hits.append([by_order[k].low <= exact[k] <= by_order[k].high for k in exact])
        one = known[0].by_order
        alone.append([one[k].low <= exact[k] <= one[k].high for k in exact])
    # What 200 simulations show with 98% if the coverage is 92 to 99%.
    assert (binom.ppf(0.01, 200, 0.92) / 200 <= np.mean(hits, 0)).all()
    assert (np.mean(hits, 0) <= binom.ppf(0.99, 200, 0.99) / 200).all()
    assert np.mean(alone, 0).min() < 0.8


def test_intervals_cover_over_data_sets_that_all_runs_share() -> None:
    """A greedy search of dependent units, without a seed: what varies is the inputs alone."""
    draw = rng(1)
    mixing = 0.5 * draw.standard_normal((4, 10))
    sets = [s for k in (1, 2) for s in combinations(range(10), k)]
    masks = membership(sets, 10)

    def value(x: torch.Tensor) -> torch.Tensor:
        return x[:, :5].sum(1) + x[:, 1] * x[:, 6] + x[:, 2] * x[:, 7] + x[:, 8] * x[:, 9]

    def inputs(rows: int, seed: int) -> torch.Tensor:
        own = rng(seed)
        mixed = own.standard_normal((rows, 10)) + own.standard_normal((rows, 4)) @ mixing
        return torch.from_numpy(mixed).float()

    def search(problem: Problem) -> Attribution:
        x = problem.rows
        assert x is not None
        chi = characters(problem.pattern(x), masks).double()
        chi, y = chi - chi.mean(0), value(x).double()
        scores = (chi * (y - y.mean())[:, None]).mean(0) / chi.std(0)
        top = scores.abs().argsort(descending=True)[:6].tolist()
        return Attribution.from_subsets({sets[i]: float(scores[i]) for i in top})

    many = inputs(20_000, 0)
    pattern, held = torch.where(many > 0, 1.0, -1.0), {}
    truths, told = [], []
    for seed in range(1, 121):
        x = inputs(300, seed)
        problem = Problem(interchange(value, x, readout="margin", foreground=x[:8]))
        runs = [search(problem), *(search(resampled(problem, s)) for s in range(4))]
        scored = ScoringView(problem, 0).scored_rows(1000)
        known = [measured(problem.pattern(scored.rows), scored.values, run) for run in runs]
        told.append((known[0].found, combined(known, same_inputs=True)[1]))
        key = tuple(sorted(runs[0].subsets))
        if key not in held:
            held[key] = measured(pattern, value(many), runs[0]).found.value
        truths.append(held[key])
    exact = np.mean(truths)
    hits = np.mean([[e.low <= exact <= e.high for e in pair] for pair in told], 0)
    assert hits[1] >= binom.ppf(0.01, 120, 0.90) / 120
    assert len(held) > 20


def test_shares_are_means_over_runs_and_a_summary_that_changes_is_told() -> None:
    problem = parity_sum(STRONG, 8)
    runs = [found(*STRONG), found((0,), (1, 2)), found(*STRONG), found()]
    told = distributedness(runs, problem)
    whole = sum(c**2 for c in STRONG.values())
    assert told.runs == 4
    assert told.by_order[1].value == pytest.approx(0.75 / whole, abs=0.02)
    assert told.by_order[3].value == pytest.approx(0.5 * 0.49 / whole, abs=0.02)
    assert told.found is not None
    assert told.unexplained is not None
    assert told.found.value + told.unexplained.value == pytest.approx(1)
    assert [set(run) for run in told.by_order_of_run] == [{1, 2, 3}, {1, 2}, {1, 2, 3}, set()]
    assert len(told.warnings) == 3
    assert (
        "order 3 would change with the seed: its subsets carry 23.0 / 0.0 / 23.0 / 0.0%"
        in (told.warnings[2])
    )
    assert [s.runs_exact for s in told.subsets] == [3, 3, 2]
    alone = distributedness(runs[0], problem)
    assert (alone.runs, alone.by_order_of_run, alone.warnings) == (1, (), ())
    assert alone.subsets[0].runs_exact is None
    agreed = distributedness([runs[0]] * 3, problem)
    assert agreed.warnings == ()
    assert agreed.by_order[3].high - agreed.by_order[3].low < 0.02


def test_a_first_run_that_found_nothing_is_told_beside_the_others() -> None:
    runs = [found(reason="tau is high"), found((0,))]
    told = distributedness(runs, parity_sum(STRONG, 8))
    assert told.missing["subsets"] == "the first run found no subset: tau is high"
    assert told.subsets == ()
    assert told.by_order[1].value == pytest.approx(0.5 / 2.13, abs=0.01)
    with pytest.raises(ValueError, match="no attribution was given"):
        distributedness([], parity_sum(STRONG, 8))


def test_what_is_stable_is_counted_up_to_characters_that_say_the_same() -> None:
    x = random_patterns(4000, 6)
    x[:, 3] = x[:, 0]  # a twin
    x[:, 4] = -x[:, 1] * torch.where(torch.rand(4000, generator=torch.manual_seed(0)) < 0.02, -1, 1)
    runs = [
        [(0, 2), (1,), (5,)],
        [(2, 3), (4,)],
        [(0, 2), (2, 5)],
        [],
    ]
    assert stability(x, runs) == [(2, 3), (1, 2), (1, 1)]


def test_what_methods_tell_beside_their_subsets_is_kept() -> None:
    info = {"stand_ins": [[[2, 0]], []], "warnings": ["few inputs: 12 against 40 sets"]}
    told = distributedness([found((0, 1), (4,), **info)] * 2, parity_sum({(0, 1): 1.0}, 5))
    assert [s.stand_ins for s in told.subsets] == [((0, 2),), ()]
    assert told.warnings == ("few inputs: 12 against 40 sets",)
    other = [found((0, 1), **info | {"stand_ins": [[]]}), found((4,))]
    told = distributedness(other, parity_sum({(0, 1): 1.0}, 5))
    assert told.warnings[0] == "run 1: few inputs: 12 against 40 sets"
    wrong = distributedness(found((0, 1), stand_ins=[[], []]), parity_sum({(0, 1): 1.0}, 5))
    assert wrong.subsets[0].stand_ins == ()


def test_shares_have_no_interval_beyond_what_a_share_can_be() -> None:
    problem = parity_sum({(0,): 1.0, (1, 2): 1.0}, 8)
    told = distributedness([found((0,)), found((1, 2)), found((0,), (1, 2))], problem)
    for share in (*told.by_order.values(), told.found, told.unexplained):
        assert -1e-9 <= share.low <= share.value <= share.high <= 1 + 1e-9
    assert told.by_order[1].high - told.by_order[1].low > 0.5


def test_warnings_that_differ_in_their_numbers_are_one() -> None:
    runs = [
        found((0,), warnings=["the 3 subsets leave 25% unexplained", "few"]),
        found((0,), warnings=["the 4 subsets leave 26% unexplained", "few"]),
        found((0,), warnings=["the 3 subsets leave 25% unexplained"]),
    ]
    told = distributedness(runs, parity_sum({(0,): 1.0}, 8)).warnings
    assert told[:2] == (
        "runs 1, 3 (and alike run 2): the 3 subsets leave 25% unexplained",
        "runs 1, 2: few",
    )
