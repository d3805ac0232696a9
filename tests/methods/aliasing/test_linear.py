"""Linear equations over two elements."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring import rng

from actspec_bench.methods.aliasing.linear import Span, solver


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10), st.integers(0, 2**32))
def test_linear_equations_over_two_elements(n: int, extra: int, seed: int) -> None:
    generator = rng(seed)
    equations = generator.integers(0, 2, (n + extra, n), dtype=np.uint8)
    span = Span()
    rank = sum(span.add(row) for row in equations)
    inverse = solver(equations)
    assert (inverse is None) == (rank < n)
    if inverse is not None:
        x = generator.integers(0, 2, n, dtype=np.uint8)
        assert (inverse @ (equations @ x % 2) % 2 == x).all()
