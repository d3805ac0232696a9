"""The pretrained encoder: its tasks with the package, and what happens without it."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from actspec_bench.data import present, read_sst2
from actspec_bench.data.catalogue import Form
from actspec_bench.errors import DataError, Missing
from actspec_bench.fourier.spectrum import all_patterns
from actspec_bench.problems.views import ScoringView
from actspec_bench.records.record import Cell
from actspec_bench.records.results import read_results
from actspec_bench.registry.entries import methods, tasks
from actspec_bench.registry.specs import Spec
from actspec_bench.running.worker import preload
from actspec_bench.tasks.enumeration.choosing import drawn_margins, in_turn
from actspec_bench.tasks.networks import encoder as _encoder
from actspec_bench.tasks.networks import minilm as _minilm
from actspec_bench.tasks.networks.encoder import PACKAGE, Encoder

installed = find_spec(PACKAGE) is not None and find_spec("transformers") is not None
needs_package = pytest.mark.skipif(not installed, reason="the extra minilm is not installed")
needs_all = pytest.mark.skipif(
    not installed or not present("sst2"),
    reason="the extra minilm is not installed, or SST-2 is not on this machine",
)
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "film", "##s", "dull", ".")


def build(name: str, seed: int = 0, **given: object):
    return tasks[name].function(seed, **tasks[name].resolve(given))


@pytest.fixture(scope="module")
def small() -> Encoder:
    """An encoder of the same kind: 2 layers, 3 heads, width 12, a vocabulary of ten pieces."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    pieces = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(dict(zip(WORDS, range(10), strict=True)), unk_token="[UNK]")
    )
    pieces.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    pieces.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    config = transformers.BertConfig(
        vocab_size=10, hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
        intermediate_size=20, max_position_embeddings=16, initializer_range=0.4,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bert = transformers.BertModel(config)
    return Encoder(bert.eval().requires_grad_(False), pieces)


@pytest.fixture(scope="module")
def small_sentiment() -> _minilm.Sentiment:
    generator = torch.Generator().manual_seed(3)
    head = torch.nn.Sequential(torch.nn.Linear(12, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    for parameter in head.requires_grad_(False).parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    nothing = torch.empty(0, 5)
    return _minilm.Sentiment(head, nothing, nothing, torch.randn(2, 3, 4, generator=generator))


def by_hand(encoder: Encoder, ids: list[int], replaced: dict | None = None):
    """Embedding of one text and its heads' outputs, by the formulas of BERT, head by head."""
    bert, outputs = encoder.bert, []
    parts = bert.embeddings
    x = parts.word_embeddings.weight[ids] + parts.position_embeddings.weight[: len(ids)]
    x = parts.LayerNorm(x + parts.token_type_embeddings.weight[0])
    size = x.shape[1] // bert.config.num_attention_heads
    for number, layer in enumerate(bert.encoder.layer):
        own = layer.attention.self
        queries, keys, values = own.query(x), own.key(x), own.value(x)
        found = []
        for j in range(bert.config.num_attention_heads):
            part = slice(j * size, (j + 1) * size)
            scores = queries[:, part] @ keys[:, part].T / size**0.5
            head = torch.softmax(scores, 1) @ values[:, part]
            found.append((replaced or {}).get((number, j), head).expand(len(ids), -1))
        outputs.append(torch.stack(found))
        after = layer.attention.output
        x = after.LayerNorm(after.dense(torch.cat(found, 1)) + x)
        inner = functional.gelu(layer.intermediate.dense(x))
        x = layer.output.LayerNorm(layer.output.dense(inner) + x)
    mean = x.mean(0)
    return mean / mean.norm(), torch.stack(outputs)


def test_the_embedding_and_the_mean_heads_are_those_of_each_text_alone(small: Encoder) -> None:
    texts = ["a dull film .", "fine", "films", "a fine dull film s ."]
    rows = [[2, 4, 8, 6, 9, 3], [2, 5, 3], [2, 6, 7, 3], [2, 4, 5, 8, 6, 1, 9, 3]]
    assert [small.pieces(text.split())[0] for text in texts] == rows
    found, means = small.embed_all(texts)
    alone = [by_hand(small, row) for row in rows]
    assert torch.allclose(found, torch.stack([one for one, _ in alone]), atol=1e-5)
    total = sum(outputs.sum(2) for _, outputs in alone)
    assert torch.allclose(means, total / sum(map(len, rows)), atol=1e-5)
    assert not small.bert.encoder.layer[0].attention.output.dense._forward_pre_hooks


def test_heads_that_are_off_give_their_mean_output(small: Encoder, small_sentiment) -> None:
    logits = small_sentiment.by_heads(small, ["dull", "films", "."])
    x = torch.ones(3, 6)
    x[1, 4] = -1
    x[2] = -1
    means = {(i, j): small_sentiment.mean_heads[i, j] for i in range(2) for j in range(3)}
    some = [{}, {(1, 1): means[1, 1]}, means]
    ids = [2, 8, 6, 7, 9, 3]
    expected = [small_sentiment.head(by_hand(small, ids, off)[0]) for off in some]
    assert torch.allclose(logits(x), torch.stack(expected), atol=1e-5)
    assert not torch.allclose(expected[0], expected[1], atol=1e-3)


def test_words_that_are_off_are_unknown_with_all_their_pieces(
    small: Encoder, small_sentiment
) -> None:
    logits = small_sentiment.by_words(small, ["dull", "films", "."])
    x = torch.tensor([[1.0, 1, 1], [1, -1, 1], [-1, 1, -1]])
    rows = [[2, 8, 6, 7, 9, 3], [2, 8, 1, 1, 9, 3], [2, 1, 6, 7, 1, 3]]
    expected = [small_sentiment.head(by_hand(small, row)[0]) for row in rows]
    assert torch.allclose(logits(x), torch.stack(expected), atol=1e-5)
    halfway = torch.zeros(1, 3, requires_grad=True)
    logits(halfway)[0, 0].backward()
    assert (halfway.grad.abs() > 1e-4).all()


def test_whole_sentences_are_those_that_no_other_text_ends_with() -> None:
    texts = ["dull film .", "a dull film .", "a dull film", "fine .", "xa dull film . b", "film ."]
    assert _minilm.whole_sentences(texts) == [1, 3]


def test_the_head_learns_the_same_whatever_was_drawn_before() -> None:
    generator = torch.Generator().manual_seed(0)
    x = functional.normalize(torch.randn(600, 384, generator=generator), dim=1)
    y = (x[:, :8].sum(1) > 0).long()
    before = torch.get_rng_state()
    model = _minilm.fit(x, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert (model(x).argmax(1) == y).double().mean() > 0.95
    torch.rand(3)
    again = _minilm.fit(x, y).state_dict()
    assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())


def test_margins_of_drawn_patterns_are_kept_if_enough_of_them_change_the_decision() -> None:
    weights = torch.linspace(-1, 1, 40)
    found = drawn_margins(lambda x: x @ weights, 40)
    assert found is not None
    assert len(found) == 256
    assert found.std().item() == pytest.approx(weights.norm().item(), rel=0.2)
    assert drawn_margins(lambda x: 8 + x @ weights, 40) is None
    assert drawn_margins(lambda x: -8 + x @ weights, 40) is None


def test_turns_start_apart_and_go_through_everything() -> None:
    inputs = list(range(100, 160))
    lists = [in_turn(inputs, turn) for turn in range(20)]
    assert all(sorted(one) == inputs for one in lists)
    assert len({one[0] for one in lists}) == 20
    start = [lists[0].index(one[0]) for one in lists[:5]]
    assert start == [int(60 * (turn * 0.6180339887 % 1)) for turn in range(5)]


@pytest.mark.parametrize("name", ["minilm-pooler", "minilm-heads", "minilm-tokens"])
@pytest.mark.parametrize("lacking", [PACKAGE, "transformers"])
def test_without_a_package_the_remedy_is_told(name: str, lacking: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, lacking, None)
    for kept in (_minilm.sentiment, _minilm.dev, _encoder.encoder):
        kept.cache_clear()
    with pytest.raises(Missing, match=r"pip install 'actspec-bench\[minilm\]'") as error:
        build(name)
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


def test_a_file_that_is_another_one_is_refused(tmp_path: Path, monkeypatch) -> None:
    content = b"the very weights"
    form = Form(names=("w",), size=16, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(DataError, match=r"cannot be read .*; install the package again"):
        _encoder.checked(tmp_path, form)
    (tmp_path / "w").write_bytes(content)
    assert _encoder.checked(tmp_path, form) == tmp_path / "w"
    (tmp_path / "w").write_bytes(content[::-1])
    with pytest.raises(DataError, match=r"has the SHA-256 .* and not .*; install the package"):
        _encoder.checked(tmp_path, form)

    pytest.importorskip("transformers")
    monkeypatch.setattr(_encoder, "folder", lambda: tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"others")
    _encoder.encoder.cache_clear()
    with pytest.raises(DataError, match=r"has 6 bytes and not 90,868,376"):
        _encoder.encoder()


@needs_package
def test_the_encoder_is_the_known_one_and_needs_no_network(monkeypatch, capfd) -> None:
    def closed(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, closed)
    _encoder.encoder.cache_clear()
    loaded = _encoder.encoder()
    assert capfd.readouterr() == ("", "")
    assert PACKAGE not in sys.modules
    found, means = loaded.embed_all(["This is an example sentence", "Each sentence is converted"])
    # The figures that sentence-transformers gives for the example of the model's card.
    assert found[0, :5].tolist() == pytest.approx(
        [0.0677, 0.0635, 0.0487, 0.0793, 0.0374], abs=1e-4
    )
    assert (found[0] @ found[1]).item() == pytest.approx(0.4046, abs=1e-4)
    assert means.shape == (6, 12, 32)
    ids = loaded.pieces(["this", "is", "an", "example", "sentence"])[0]
    assert torch.allclose(by_hand(loaded, ids)[0], found[0], atol=1e-5)


@needs_all
def test_what_is_cached_is_what_the_network_makes_of_the_sentences() -> None:
    network, encoder = _minilm.sentiment(), _encoder.encoder()
    texts, labels = read_sst2("dev")
    right = (network.head[2](network.dev.relu()).argmax(1).numpy() == labels).mean()
    assert right >= 0.79
    assert build("minilm-pooler").facts["dev_accuracy"] == pytest.approx(right)
    for place in (0, 400, 871):
        # The whole text, split by the tokenizer itself.
        ids = encoder.tokenizer.encode(texts[place]).ids
        before = network.head[0](by_hand(encoder, ids)[0])
        assert torch.allclose(before, network.dev[place], atol=1e-3)
    assert network.sentences.shape == (4096, 64)
    assert not {tuple(row) for row in network.sentences.tolist()} & set(
        map(tuple, network.dev.tolist())
    )


@needs_all
@pytest.mark.parametrize("seed", range(2))
def test_the_pooler_s_function_is_the_network_s_decision(seed: int) -> None:
    instance, network = build("minilm-pooler", seed), _minilm.sentiment()
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
    embedding, _ = by_hand(_encoder.encoder(), ids, replaced)
    logits, label = _minilm.sentiment().head(embedding), instance.facts["label"]
    return (logits[label] - logits[1 - label]).item()


@needs_all
@pytest.mark.parametrize("seed", range(2))
def test_tokens_are_words_of_a_dev_sentence_and_unknown_words(seed: int) -> None:
    instance = build("minilm-tokens", seed, readout="margin")
    problem, view = instance.problem, ScoringView(instance.problem, 0)
    words, encoder = instance.facts["sentence"].split(), _encoder.encoder()
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


@needs_all
def test_heads_are_those_of_the_encoder_on_a_dev_sentence() -> None:
    instance = build("minilm-heads", 2, readout="margin")
    problem, view = instance.problem, ScoringView(instance.problem, 0)
    ids = _encoder.encoder().pieces(instance.facts["sentence"].split())[0]
    assert problem.n == 72
    assert instance.truth is None
    means = _minilm.sentiment().mean_heads
    x = torch.ones(2, 72)
    x[1, [3, 40, 71]] = -1
    off = {(0, 3): means[0, 3], (3, 4): means[3, 4], (5, 11): means[5, 11]}
    found = view.value(x).tolist()
    assert found[0] == pytest.approx(margin_by_hand(instance, ids), abs=1e-3)
    assert found[1] == pytest.approx(margin_by_hand(instance, ids, off), abs=1e-3)
    assert found[0] > 0
    assert 0.1 <= instance.facts["decision_changes"] <= 0.9


@needs_all
def test_sentences_come_with_the_units_that_they_give() -> None:
    inputs = build("minilm-pooler", 3).inputs()
    places = [0, 7, 2047]
    embedded, _ = _encoder.encoder().embed_all([inputs.originals[place] for place in places])
    units = _minilm.sentiment().head[0](embedded).relu()
    assert torch.allclose(units, inputs.activations[places], atol=1e-4)
