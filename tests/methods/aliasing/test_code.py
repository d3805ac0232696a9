"""The BCH code and its field, subset by subset."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scoring import rng, rows_of

from actspec_bench.methods.aliasing.code import BCH, PRIMITIVE, field


@pytest.mark.parametrize("degree", range(1, len(PRIMITIVE) + 1))
def test_the_field_has_every_element_once(degree: int) -> None:
    power, logarithm = field(degree)
    assert sorted(power[: 2**degree - 1]) == list(range(1, 2**degree))
    assert (power[logarithm[1:]] == np.arange(1, 2**degree)).all()


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 13, 16, 17])
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_bch_decodes_every_subset_up_to_its_distance(n: int, stages: int) -> None:
    code = BCH(n, rng(n))
    checks = np.vstack([code.checks(s) for s in range(1, stages + 1)])
    assert len(checks) == code.checks_of(stages)
    subsets = rows_of([s for w in range(stages + 1) for s in combinations(range(n), w)], n)
    found, decoded = code.decode(subsets @ checks.T % 2, stages)
    assert found.all()
    assert (decoded == subsets).all()


@pytest.mark.parametrize("n", [12, 16, 64])
def test_what_bch_decodes_has_the_given_checks_and_no_more_units(n: int) -> None:
    code = BCH(n, rng(0))
    checks = np.vstack([code.checks(s) for s in (1, 2, 3)])
    bits = rng(1).integers(0, 2, (2000, len(checks)), dtype=np.uint8)
    found, decoded = code.decode(bits, 3)
    assert 0 < found.sum() < len(bits)
    assert (decoded @ checks.T % 2 == bits)[found].all()
    assert decoded.sum(1).max() <= 3
    if n == 12:
        subsets = rows_of([s for w in range(4) for s in combinations(range(n), w)], n)
        words = {tuple(row) for row in subsets @ checks.T % 2}
        assert [tuple(row) in words for row in bits.tolist()] == found.tolist()
