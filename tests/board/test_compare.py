"""Two methods side by side."""

from __future__ import annotations

import pytest
from boards import results

from actspec_bench.board.compare import compare
from actspec_bench.errors import UsageError


def test_compare_pairs_instances_and_names_a_winner_only_where_it_is_clear() -> None:
    made = results({"a": [0.2, 0.3, 0.4, 0.5, 0.6, 0.9], "b": [0.1, 0.2, 0.3, 0.4, 0.5]})
    (row,) = compare(made, "a", "b")
    assert row[6:] == ["+0.100", "[+0.100, +0.100]", "5", "A"]
    (row,) = compare(made, "b", "a")
    assert row[-1] == "B"
    (row,) = compare(results({"a": [0.0, 1, 0, 1, 0], "b": [1.0, 0, 1, 0, 0.9]}), "a", "b")
    assert row[-1] == "–"
    with pytest.raises(UsageError, match="no records of 'c'"):
        compare(made, "a", "c")
