"""What the rows of a problem came from."""

from __future__ import annotations

import pytest
import torch

from actspec_bench.problems.inputs import DataInputs


def test_inputs_must_be_as_many_as_their_rows() -> None:
    with pytest.raises(ValueError, match="3 rows of activations come from 2 inputs"):
        DataInputs(torch.zeros(3, 4), ["one", "two"])
