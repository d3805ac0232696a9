"""The functions of the benchmark of dense spectra, and whether intervals cover on them."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from scoring import random_patterns

from benchmarks.dense import FUNCTIONS, N, main, run


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_the_sum_of_its_spectrum(name: str) -> None:
    known = FUNCTIONS[name](np.random.default_rng(0))
    x = random_patterns(60, N, seed=1)
    values = known.value(x).double()
    total = sum(c * x[:, list(s)].prod(1).double() for s, c in known.spectrum.items())
    assert (values - total).numpy() == pytest.approx(float((values - total).mean()), abs=1e-4)


@pytest.mark.parametrize(
    ("method", "name", "budget", "noise"),
    [
        ("actspec", "junta 6", 3000, 0.3),
        ("actspec-alias", "majority 9", 3000, 0.0),
        ("actspec-alias", "junta 6", 2000, 0.0),
    ],
)
def test_intervals_cover_where_many_subsets_are_not_reported(
    method: str, name: str, budget: int, noise: float
) -> None:
    """Intervals of one run err together: allowed is three standard errors of 150 that do not."""
    covered = [
        held for seed in range(16) for held in run(method, name, budget, seed, noise).covered
    ]
    assert len(covered) >= 150
    assert 0.895 <= np.mean(covered) <= 0.99


def test_the_command_tells_a_row_a_method_and_function() -> None:
    told = CliRunner().invoke(main, ["-m", "actspec", "-f", "tree 4", "-b", "3000", "--seeds", "1"])
    assert told.exit_code == 0, told.output
    assert told.output.splitlines()[-1].split()[:4] == ["actspec", "tree", "4", "3,000"]
