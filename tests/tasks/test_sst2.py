"""The sentiment transformer on SST-2, and its tasks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import transformer_by_hand
from marks import needs_sst2
from scoring import built

from actspec_bench.data import read_sst2
from actspec_bench.errors import Missing
from actspec_bench.fourier.spectrum import all_patterns
from actspec_bench.problems.views import ScoringView
from actspec_bench.registry.entries import tasks
from actspec_bench.tasks.networks import sst2, sst2_training

NAMES = ("sst2-pooler", "sst2-heads", "sst2-tokens")


def test_the_vocabulary_leaves_out_words_that_occur_once() -> None:
    words = sst2_training.vocabulary(["a fine film", "a film", "fine"])
    assert words == ["[PAD]", "[CLS]", "[UNK]", "a", "film", "fine"]
    places = {word: place for place, word in enumerate(words)}
    assert sst2_training.numbers(["fine dull film", "a"], places).tolist() == [
        [1, 5, 2, 4],
        [1, 3, 0, 0],
    ]


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("it is n't dull", "negation"),
        ("it is not dull but long", "contrast"),
        ("notable and another", "plain"),
        ("slow , yet fine", "contrast"),
    ],
)
def test_kinds_of_sentences(sentence: str, kind: str) -> None:
    assert sst2.kind_of(sentence.split()) == kind


def toy(rows: int) -> tuple[list[str], np.ndarray]:
    """Sentences whose label is whether "fine" or "dull" occurs."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, rows)
    fillers = [f"word{i}" for i in range(20)]
    texts = []
    for label in labels:
        words = [*rng.choice(fillers, rng.integers(1, 12)), "fine" if label else "dull"]
        texts.append(" ".join([*rng.permutation(words), "."]))
    return texts, labels


def test_training_learns_repeats_itself_and_leaves_the_generator_alone(monkeypatch) -> None:
    monkeypatch.setattr(
        sst2_training, "read_sst2", lambda split: toy(1500 if split == "train" else 200)
    )
    before = torch.random.get_rng_state()
    one = sst2_training.train(0)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    two, other = sst2_training.train(0), sst2_training.train(1)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])
    logits = one["dev"].relu() @ one["head.weight"].T + one["head.bias"]
    assert (logits.argmax(1).numpy() == toy(200)[1]).mean() > 0.97


def test_without_the_data_the_remedy_is_told(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("ACTSPEC_BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("ACTSPEC_BENCH_CACHE", str(tmp_path))
    with pytest.raises(Missing, match="data fetch sst2"):
        sst2_training.network.__wrapped__()
    assert all(tasks[name].card.needs == ("sst2",) for name in NAMES)


def logits_of(texts: list[str]) -> torch.Tensor:
    network = sst2_training.network()
    x = sst2_training.numbers(texts, network.places)
    return network.model(network.model.words(x), x != 0)


@needs_sst2
def test_the_network_is_good_and_what_is_cached_of_the_dev_split_is_its_own() -> None:
    network = sst2_training.network()
    texts, labels = read_sst2("dev")
    right = logits_of(texts).argmax(1) == torch.from_numpy(labels)
    assert right.double().mean().item() == pytest.approx(sst2.dev().accuracy, abs=2e-3)
    assert sst2.dev().accuracy >= 0.81
    assert torch.allclose(network.model.head(network.dev.relu()), logits_of(texts), atol=1e-4)
    # One sentence at a time, without padding, by the formulas.
    for text in texts[:5]:
        place = torch.tensor([1, *(network.places.get(word, 2) for word in text.split())])
        expected = transformer_by_hand(network.model, network.model.words(place))
        assert torch.allclose(logits_of([text])[0], expected, atol=1e-4)


@needs_sst2
def test_what_is_cached_of_the_training_rows_is_what_the_network_makes_of_them() -> None:
    network = sst2_training.network()
    texts, _ = read_sst2("train")
    chosen = sst2_training.sentence_rows(texts)
    assert len(chosen) == 4096
    assert set(chosen) <= {t for t in texts if len(t.split()) >= 10 and t.endswith(" .")}
    total, count = 0, 0
    for text, cached in zip(chosen, network.sentences, strict=True):
        x = sst2_training.numbers([text], network.places)
        vectors = network.model.words(x)
        if count < 1000:
            assert torch.allclose(network.model.encode(vectors)[0], cached, atol=1e-4)
        first, last = network.model.head_outputs(vectors)
        assert last.shape[2] == 1
        total, count = total + first[0].sum(1), count + first.shape[2]
    assert torch.allclose(total / count, network.mean_heads[0], atol=1e-5)


@needs_sst2
@pytest.mark.parametrize("seed", range(2))
def test_the_pooler_s_function_is_the_network_s_decision(seed: int) -> None:
    instance = built("sst2-pooler", seed)
    view = ScoringView(instance.problem, 0)
    network = sst2_training.network()
    activations = network.sentences.relu()
    rows = view.sample(500)
    known = {tuple(row.tolist()) for row in activations}
    assert {tuple(row.tolist()) for row in rows} <= known
    logits = network.model.head(rows)
    target = instance.facts["target"]
    decided = torch.where(logits[:, target] >= logits[:, 1 - target], 1.0, -1.0)
    assert torch.equal(view.value(rows), decided)
    assert view.value(instance.problem.foreground).tolist() == [1] * 16 + [-1] * 16
    unseen = {tuple(row.tolist()) for row in view.sample_heldout(500)}
    assert not unseen & known


@needs_sst2
@pytest.mark.parametrize("name", ["sst2-heads", "sst2-tokens"])
def test_the_margin_has_the_gradient_of_differences(name: str) -> None:
    problem = built(name, 0).problem
    x = torch.rand(1, problem.n, generator=torch.Generator().manual_seed(0)) - 0.5
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(problem.margin(x).sum(), x)
    step = 0.01 * torch.eye(problem.n)
    slope = (problem.margin(x.detach() + step) - problem.margin(x.detach() - step)) / 0.02
    assert gradient.abs().max() > 0.05
    assert torch.allclose(gradient[0], slope.detach(), rtol=0.02, atol=0.005)


@needs_sst2
def test_instances_of_a_suite_are_different_sentences() -> None:
    for name in ("sst2-heads", "sst2-tokens"):
        sentences = [built(name, seed).facts["sentence"] for seed in range(5)]
        assert len(set(sentences)) == 5
    drawn = [built("sst2-pooler", seed).problem.sample(1) for seed in range(2)]
    assert not torch.equal(*drawn)


@needs_sst2
@pytest.mark.parametrize("kind", ["plain", "negation", "contrast"])
def test_a_kind_can_be_asked_for(kind: str) -> None:
    assert built(f"sst2-tokens[kind={kind}]").facts["kind"] == kind


@needs_sst2
@pytest.mark.parametrize("seed", range(5))
def test_tokens_are_words_of_a_dev_sentence_and_unknown_words(seed: int) -> None:
    instance = built("sst2-tokens[readout=margin]", seed)
    facts, problem = instance.facts, instance.problem
    view = ScoringView(problem, 0)
    texts, labels = read_sst2("dev")
    assert labels[texts.index(facts["sentence"])] == facts["label"]
    words = facts["sentence"].split()
    assert problem.unit_names == tuple(words)
    assert 10 <= len(words) <= 14
    assert facts["kind"] == ("plain", "negation", "plain", "contrast", "plain")[seed]
    everything = all_patterns(problem.n)
    rows = everything[torch.randperm(len(everything))[:20]]
    rows = torch.cat([torch.ones(1, problem.n), -torch.ones(1, problem.n), rows])
    shown = [
        " ".join(word if on > 0 else "[UNK]" for word, on in zip(words, row, strict=True))
        for row in rows.tolist()
    ]
    logits = logits_of(shown)
    label = facts["label"]
    assert torch.allclose(view.value(rows), logits[:, label] - logits[:, 1 - label], atol=1e-4)
    assert view.value(rows[:1]) > 0
    check_enumeration(instance, view, everything)


@needs_sst2
def test_heads_off_give_their_mean_output() -> None:
    instance = built("sst2-heads[readout=margin]", 0)
    network, view = sst2_training.network(), ScoringView(instance.problem, 0)
    words, label = instance.facts["sentence"].split(), instance.facts["label"]
    whole, cut = torch.ones(2, 16)
    cut[[2, 13]] = -1
    logits = logits_of([" ".join(words)])[0]
    assert view.value(whole[None]).item() == pytest.approx(
        (logits[label] - logits[1 - label]).item(), abs=1e-4
    )
    size = sst2_training.WIDTH // sst2_training.HEADS
    handles = []
    for number, (layer, head) in enumerate([(0, 2), (1, 5)]):

        def replace(
            _: object, inputs: tuple[torch.Tensor], layer: int = layer, head: int = head
        ) -> torch.Tensor:
            changed = inputs[0].clone()
            changed[..., head * size : (head + 1) * size] = network.mean_heads[layer, head]
            return changed

        block = network.model.blocks[number]
        handles.append(block.output.register_forward_pre_hook(replace))
    try:
        logits = logits_of([" ".join(words)])[0]
    finally:
        for handle in handles:
            handle.remove()
    expected = (logits[label] - logits[1 - label]).item()
    assert view.value(cut[None]).item() == pytest.approx(expected, abs=1e-4)
    check_enumeration(instance, view, all_patterns(16))


def check_enumeration(instance, view: ScoringView, everything: torch.Tensor) -> None:
    """The truth is the largest means of value times character; energies obey Parseval."""
    values = view.value(everything).double()
    coefficients = {}
    for subset in instance.truth.spectrum:
        coefficients[subset] = (values * everything[:, list(subset)].prod(1)).mean().item()
    assert dict(instance.truth.spectrum) == pytest.approx(coefficients, abs=1e-5)
    n = instance.problem.n
    first = (values[:, None] * everything).mean(0).square().sum() / values.var(correction=0)
    assert instance.facts["energy_by_order_margin"][0] == pytest.approx(first.item(), abs=1e-5)
    smallest = min(map(abs, coefficients.values()))
    rest = [(i, j) for i in range(n) for j in range(i) if (j, i) not in instance.truth.spectrum]
    for i, j in rest:
        assert (values * everything[:, i] * everything[:, j]).mean().abs() <= smallest + 1e-6
    assert 0.1 <= instance.facts["decision_changes"] <= 0.9
    share = (values < 0).double().mean().item()
    assert instance.facts["decision_changes"] == pytest.approx(share)
