"""Kinds of task declared over a network that says what it offers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from scoring import full_spectrum
from torch import nn

from actspec_bench import Bottleneck, Parts, Patches, hidden_task, masked_task, recoded_task
from actspec_bench.errors import UsageError
from actspec_bench.problems.views import ScoringView
from actspec_bench.registry.entries import tasks
from actspec_bench.registry.specs import Spec
from actspec_bench.tasks.kinds.declared import READOUT, declared
from actspec_bench.tasks.networks.bottleneck import hidden_instance

ROWS = 600


@pytest.fixture(autouse=True)
def _own_tasks() -> Iterator[None]:
    """Forget afterwards what a test has registered."""
    tasks.discover()
    before = dict(tasks._entries)
    yield
    tasks._entries.clear()
    tasks._entries.update(before)


def layer(seed: int) -> Bottleneck:
    """Eight units of a random network.

    More is said of it here.
    """
    generator = torch.Generator().manual_seed(seed)
    read = nn.Linear(8, 3, bias=False)
    read.weight.data = torch.randn(3, 8, generator=generator)
    before = torch.randn(ROWS, 8, generator=generator)
    labels = read(before.relu()).argmax(1)
    half = ROWS // 2
    return Bottleneck(
        before[:half],
        before[half:],
        nn.ReLU(),
        read.requires_grad_(False),
        originals=lambda: [f"text {row}" for row in range(half)],
        labels=(labels[:half], labels[half:]),
        facts={"test_accuracy": 1.0},
    )


def logits(x: torch.Tensor, seed: int) -> torch.Tensor:
    return layer(seed).read(x)


def test_a_hidden_task_is_one_class_of_the_layer_s_network() -> None:
    assert hidden_task("toy-hidden", classes=3, against=True, data="none")(layer) is layer
    entry = tasks["toy-hidden"]
    assert (entry.card.truth, entry.card.main_metric, entry.card.data) == (
        "none", "surrogate_r2", "none",
    )  # fmt: skip
    assert list(entry.schema.model_fields) == ["readout", "target", "against", "rows", "balanced"]
    assert entry.card.added == entry.card.paired == ("rows", "balanced")
    instance = entry.function(4, **entry.resolve({"readout": "margin"}))
    assert instance.facts == {"test_accuracy": 1.0, "target": 1}
    view = ScoringView(instance.problem, 0)
    x = view.sample(50)
    others = logits(x, 4)[:, [0, 2]].amax(1)
    assert torch.allclose(view.value(x), logits(x, 4)[:, 1] - others, atol=1e-5)
    assert instance.inputs().originals[:2] == ["text 0", "text 1"]


def test_two_classes_have_their_own_rows_texts_and_margin() -> None:
    hidden_task("toy-hidden", classes=3, against=True)(layer)
    made = tasks["toy-hidden"].function(1, target=2, against=0, readout="margin")
    whole, inputs = layer(1), made.inputs()
    of_two = whole.labels[0] != 1
    assert torch.equal(inputs.activations, whole.before[of_two].relu())
    assert inputs.originals == [f"text {row}" for row in torch.nonzero(of_two)[:, 0].tolist()]
    view = ScoringView(made.problem, 0)
    x = view.sample(20)
    assert torch.allclose(view.value(x), logits(x, 1)[:, 2] - logits(x, 1)[:, 0], atol=1e-5)
    # The labels are the network's own, so no input of the two is taken for the other.
    assert made.facts["two_class_accuracy"] == 1
    with pytest.raises(UsageError, match="are the same class"):
        Spec.parse("toy-hidden[target=2,against=2]", tasks)
    # The seed's class gives way to the one that it is held against.
    assert tasks["toy-hidden"].function(1, against=1).facts["target"] == 2
    assert tasks["toy-hidden"].function(2, against=2).facts["target"] == 0


def test_a_layer_without_labels_says_that_two_classes_cannot_be_chosen() -> None:
    bare = replace(layer(0), labels=None)
    with pytest.raises(ValueError, match="no labels to choose two classes by"):
        hidden_instance(bare, 0, classes=3, readout="margin", target=0, against=1)


def test_kinds_stack_on_one_layer() -> None:
    hidden_task("toy-hidden", classes=3)(recoded_task("toy-recoded", classes=3)(layer))
    assert {"toy-hidden", "toy-recoded"} <= {entry.name for entry in tasks}
    entry = tasks["toy-recoded"]
    assert entry.card.paired == ("k",)
    instance = entry.function(2, k=2, codes=3, idle=1, target=0)
    found = full_spectrum_by_sample(instance, 60_000)
    for subset, value in instance.truth.spectrum.items():
        assert found(subset) == pytest.approx(value, abs=5 / 60_000**0.5)


def full_spectrum_by_sample(instance, rows: int):
    view = ScoringView(instance.problem, 0)
    x = view.sample(rows)
    values = view.value(x)
    return lambda subset: float((values * view.pattern(x)[:, list(subset)].prod(1)).mean())


def parts(seed: int, *, strength: Literal["low", "high"] = "low") -> Parts:
    """Six parts of the one input that serves.

    Parameters
    ----------
    strength
        How much the parts weigh.
    """
    weights = torch.tensor([1.0, -0.7, 0.5, 0.3, -0.2, 0.1]) * (2 if strength == "high" else 1)

    def margin(position: int, *, on_device: bool):
        assert isinstance(on_device, bool)
        # Without an offset the decision changes in half of the patterns, with it in none.
        return lambda x: x @ weights + (0 if position == 7 else 99)

    return Parts(
        "toy",
        candidates=lambda: [3, 7, 5],
        margin=margin,
        names=lambda position: tuple(f"part {i} of {position}" for i in range(6)),
        facts=lambda position: {"position": position},
        depends_on={"seed": seed, "strength": strength},
    )


def test_a_masked_task_takes_the_first_input_that_serves_and_knows_its_spectrum(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path))
    masked_task("toy-parts")(parts)
    entry = tasks["toy-parts"]
    assert list(entry.schema.model_fields) == ["readout", "subsets", "strength"]
    spec = Spec.parse("toy-parts[readout=margin,subsets=3,strength=high]", tasks)
    instance = entry.function(0, **spec.parameters)
    assert instance.facts["position"] == 7
    assert instance.problem.unit_names[0] == "part 0 of 7"
    assert dict(instance.truth.spectrum) == pytest.approx({(0,): 2, (1,): -1.4, (2,): 1})
    assert instance.truth.spectrum.keys() <= full_spectrum(instance).keys()
    with pytest.raises(UsageError, match="strength"):
        Spec.parse("toy-parts[strength=middle]", tasks)


def test_parts_too_many_to_enumerate_have_no_truth_and_no_such_parameter(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path))
    masked_task("toy-drawn", enumerated=False)(parts)
    entry = tasks["toy-drawn"]
    assert (entry.card.truth, list(entry.schema.model_fields)) == ("none", ["readout", "strength"])
    instance = entry.function(0)
    assert instance.truth is None
    assert instance.facts["decision_changes"] == pytest.approx(0.5, abs=0.1)


def test_the_task_s_help_tells_the_kind_s_parameters_and_then_its_own() -> None:
    masked_task("toy-parts")(parts)
    told = inspect.getdoc(tasks["toy-parts"].function)
    assert told.startswith("Six parts of the one input that serves.\n")
    assert told.count("Parameters\n----------\n") == 1
    places = [told.index(f"\n{name}\n    ") for name in ("readout", "subsets", "strength")]
    assert places == sorted(places)


def test_a_declared_task_s_code_is_that_of_the_file_that_declares_it() -> None:
    hidden_task("toy-hidden", classes=3)(layer)
    entry = tasks["toy-hidden"]
    assert Path(entry.origin) == Path(__file__)
    assert entry.function.__module__ == layer.__module__


def test_what_is_not_a_parameter_is_refused_when_a_task_is_called() -> None:
    def build(offered: Bottleneck, seed: int, **given: object) -> tuple[Bottleneck, int, dict]:
        return offered, seed, given

    made = declared(layer, build, [READOUT], offered="Bottleneck")
    _, seed, given = made(5)
    assert (seed, given) == (5, {"readout": "decision"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        made(5, colour="red")


def no_docstring(seed):
    return layer(seed)


def positional(seed, width=3):
    """A parameter that is not keyword-only."""


def no_seed():
    """No seed."""


def readout_of_its_own(seed, *, readout="margin"):
    """A parameter that the kind has too."""


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        (no_docstring, "needs a docstring"),
        (positional, r"put a \* between them"),
        (no_seed, "must take a seed"),
        (readout_of_its_own, "has a parameter 'readout', which every task of its kind has"),
    ],
)
def test_an_offer_that_cannot_be_a_task_is_refused_in_a_sentence(offer, why: str) -> None:
    for kind in (hidden_task("toy", classes=2), recoded_task("toy", classes=2), masked_task("toy")):
        with pytest.raises(UsageError, match=why):
            kind(offer)


def test_what_does_not_fit_the_kind_is_said_when_the_instance_is_made() -> None:
    def nothing(seed):
        """Forgets to return."""

    hidden_task("toy-nothing", classes=3)(nothing)
    with pytest.raises(TypeError, match=r"nothing\(\) returned NoneType; return a Bottleneck"):
        tasks["toy-nothing"].function(0)
    for kind, name in ((hidden_task, "toy-h"), (recoded_task, "toy-r")):
        kind(name, classes=4)(layer)
        with pytest.raises(ValueError, match=r"returns shape \(1, 3\) for one row, and \(1, 4\)"):
            tasks[name].function(0)
        with pytest.raises(UsageError, match="2 classes or more apart, not 1"):
            kind("toy-one", classes=1)
    recoded_task("toy-tanh", classes=3)(with_tanh)
    with pytest.raises(ValueError, match="only a layer of ReLUs can be re-coded"):
        tasks["toy-tanh"].function(0)


def with_tanh(seed: int) -> Bottleneck:
    """A layer that is never off."""
    return replace(layer(seed), activate=nn.Tanh())


def test_seeds_and_tasks_whose_parts_share_a_name_have_their_own_truths(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path))

    def of(network: str):
        def offer(seed):
            """Parts of a network whose weights hang on the seed."""
            shift = seed + (len(network) if network != "a" else 0)
            weights = torch.linspace(1, -0.5, 6).roll(shift)
            return Parts(
                "shared",
                lambda: [0],
                lambda _position, *, on_device: lambda x: x @ weights,  # noqa: ARG005
                lambda _: tuple("abcdef"),
                lambda _: {},
                depends_on={"network": network},
            )

        return offer

    for network in ("a", "bb"):
        masked_task(f"toy-{network}")(of(network))
        for seed in (0, 1):
            made = tasks[f"toy-{network}"].function(seed, readout="margin", subsets=5)
            found = full_spectrum(made)
            assert dict(made.truth.spectrum).keys() <= found.keys()
            for subset, value in made.truth.spectrum.items():
                assert found[subset] == pytest.approx(value, abs=1e-5)


def test_too_many_parts_to_enumerate_are_refused_before_anything_is_asked() -> None:
    def many(_seed):
        """More parts than can be enumerated."""
        names = tuple(map(str, range(34)))
        return Parts("many", lambda: [0], print, lambda _: names, lambda _: {}, depends_on={})

    masked_task("toy-many")(many)
    with pytest.raises(ValueError, match="34 parts have too many patterns to enumerate"):
        tasks["toy-many"].function(0)
    with pytest.raises(ValueError, match="16 patches a side do not fit an image of 8 pixels"):
        Patches(side=8, blocks=16)
