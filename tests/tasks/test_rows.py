"""Which rows of a layer a hidden task takes: by prediction, as many of each decision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from actspec_bench import Bottleneck
from actspec_bench.problems.views import ScoringView
from actspec_bench.records.record import Cell
from actspec_bench.registry.entries import methods, tasks
from actspec_bench.registry.specs import Spec
from actspec_bench.seeds import canonical_json
from actspec_bench.tasks.networks.bottleneck import hidden_instance

ROOT = Path(__file__).parents[2]
ROWS = 600
HALF = ROWS // 2


def layer(seed: int) -> Bottleneck:
    """Eight units of a random network whose classes are not equally frequent; no labels."""
    generator = torch.Generator().manual_seed(seed)
    read = nn.Linear(8, 3)
    read.weight.data = torch.randn(3, 8, generator=generator)
    read.bias.data = torch.tensor([0.5, 0.0, -0.5])
    before = torch.randn(ROWS, 8, generator=generator)
    return Bottleneck(
        before[:HALF],
        before[HALF:],
        nn.ReLU(),
        read.requires_grad_(False),
        originals=lambda: [f"text {row}" for row in range(HALF)],
    )


def predictions(whole: Bottleneck, before: torch.Tensor) -> list[int]:
    return [int(row.argmax()) for row in whole.read(before.relu())]


def as_many(taken: list[bool]) -> list[int]:
    """Numbers of the rows that are left when the larger group is cut to its first."""
    groups = [[row for row, one in enumerate(taken) if one is side] for side in (True, False)]
    return sorted(row for group in groups for row in group[: min(map(len, groups))])


@pytest.mark.parametrize("target", [0, 1, 2])
def test_balanced_rows_are_as_many_that_the_network_takes_for_the_class_as_others(
    target: int,
) -> None:
    whole = layer(1)
    made = hidden_instance(whole, 1, classes=3, readout="decision", target=target, balanced=True)
    inputs = made.inputs()
    seen = as_many([one == target for one in predictions(whole, whole.before)])
    assert 20 < len(seen) < HALF
    assert torch.equal(inputs.activations, whole.before[seen].relu())
    assert inputs.originals == [f"text {row}" for row in seen]
    assert torch.equal(made.problem.rows, inputs.activations)
    assert made.problem.value(inputs.activations).sum() == 0
    tested = as_many([one == target for one in predictions(whole, whole.heldout)])
    drawn = {tuple(row) for row in ScoringView(made.problem, 0).sample_heldout(9000).tolist()}
    assert drawn == {tuple(row) for row in whole.heldout[tested].relu().tolist()}


@pytest.mark.parametrize("balanced", [False, True])
def test_rows_by_prediction_are_of_two_classes_and_decided_against_all(balanced: bool) -> None:
    """Without labels, and with the margin of the class against all others."""
    whole = layer(2)
    made = hidden_instance(
        whole, 2, classes=3, readout="margin", target=0, against=2, rows="predicted",
        balanced=balanced,
    )  # fmt: skip
    taken = predictions(whole, whole.before)
    two = [row for row, one in enumerate(taken) if one != 1]
    left = [two[i] for i in as_many([taken[row] == 0 for row in two])] if balanced else two
    assert 20 < len(left) <= len(two) < HALF
    assert (len(left) < len(two)) == balanced
    assert torch.equal(made.problem.rows, whole.before[left].relu())
    mixed = whole.before[:50].relu()
    logits = whole.read(mixed)
    expected = logits[:, 0] - logits[:, 1:].amax(1)
    assert torch.allclose(made.problem.value(mixed), expected, atol=1e-5)
    # Where all classes count, rows are those of all.
    alone = hidden_instance(whole, 2, classes=3, readout="margin", target=0, rows="predicted")
    assert torch.equal(alone.problem.rows, whole.before.relu())


def test_a_class_that_the_network_never_decides_for_cannot_be_balanced() -> None:
    whole = layer(0)
    whole.read.bias.data = torch.tensor([1e6, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"decides all rows alike for target=1.* another target"):
        hidden_instance(whole, 0, classes=3, readout="margin", target=1, balanced=True)


def test_parameters_that_came_later_leave_cells_as_they_were() -> None:
    """Published records of the task are of cells with the same names, seeds and parameters."""
    lines = (ROOT / "leaderboards" / "paper" / "records.jsonl").read_text().splitlines()[1:]
    told = [json.loads(line) for line in lines]
    records = [r for r in told if (r["task_name"], r["method"]) == ("mnist-hidden", "constant")]
    method = Spec.parse("constant", methods)
    assert records
    for r in records:
        spec = Spec.parse(r["task"], tasks)
        cell = Cell(spec, r["task_version"], r["instance"], method, r["budget"])
        assert (cell.id, cell.instance_seed) == (r["cell"], r["instance_seed"])
        assert canonical_json(spec.parameters) == canonical_json(r["task_parameters"])


def test_variants_in_their_rows_share_networks_and_are_cells_of_their_own() -> None:
    plain, written, balanced, predicted = (
        Spec.parse(f"mnist-hidden[{text}]", tasks)
        for text in (
            "target=7,against=1",
            "target=7,balanced=false,rows=labelled,against=1",
            "target=7,balanced=true,against=1",
            "target=7,balanced=true,against=1,rows=predicted",
        )
    )
    assert plain == written
    assert predicted.label == "mnist-hidden[against=1,balanced=true,rows=predicted,target=7]"
    method = Spec.parse("constant", methods)
    cells = [Cell(spec, 1, 3, method, 10) for spec in (plain, balanced, predicted)]
    assert len({cell.instance_seed for cell in cells}) == 1
    assert len({cell.id for cell in cells}) == 3
