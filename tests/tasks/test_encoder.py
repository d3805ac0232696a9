"""The pretrained encoder: its formulas on a small one, and the known one's files."""

from __future__ import annotations

import hashlib
import socket
import sys
from pathlib import Path

import pytest
import torch
from by_hand import bert_by_hand
from marks import needs_encoder

from actspec_bench.data.catalogue import Form
from actspec_bench.errors import DataError
from actspec_bench.tasks.networks import encoder as pretrained
from actspec_bench.tasks.networks import minilm_training
from actspec_bench.tasks.networks.encoder import PACKAGE, Encoder

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "fine", "film", "##s", "dull", ".")


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
def small_sentiment() -> minilm_training.Sentiment:
    generator = torch.Generator().manual_seed(3)
    head = torch.nn.Sequential(torch.nn.Linear(12, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    for parameter in head.requires_grad_(False).parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    nothing = torch.empty(0, 5)
    return minilm_training.Sentiment(
        head, nothing, nothing, torch.randn(2, 3, 4, generator=generator)
    )


def test_the_embedding_and_the_mean_heads_are_those_of_each_text_alone(small: Encoder) -> None:
    texts = ["a dull film .", "fine", "films", "a fine dull film s ."]
    rows = [[2, 4, 8, 6, 9, 3], [2, 5, 3], [2, 6, 7, 3], [2, 4, 5, 8, 6, 1, 9, 3]]
    assert [small.pieces(text.split())[0] for text in texts] == rows
    found, means = small.embed_all(texts)
    alone = [bert_by_hand(small, row) for row in rows]
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
    expected = [small_sentiment.head(bert_by_hand(small, ids, off)[0]) for off in some]
    assert torch.allclose(logits(x), torch.stack(expected), atol=1e-5)
    assert not torch.allclose(expected[0], expected[1], atol=1e-3)


def test_words_that_are_off_are_unknown_with_all_their_pieces(
    small: Encoder, small_sentiment
) -> None:
    logits = small_sentiment.by_words(small, ["dull", "films", "."])
    x = torch.tensor([[1.0, 1, 1], [1, -1, 1], [-1, 1, -1]])
    rows = [[2, 8, 6, 7, 9, 3], [2, 8, 1, 1, 9, 3], [2, 1, 6, 7, 1, 3]]
    expected = [small_sentiment.head(bert_by_hand(small, row)[0]) for row in rows]
    assert torch.allclose(logits(x), torch.stack(expected), atol=1e-5)
    halfway = torch.zeros(1, 3, requires_grad=True)
    logits(halfway)[0, 0].backward()
    assert (halfway.grad.abs() > 1e-4).all()


def test_a_file_that_is_another_one_is_refused(tmp_path: Path, monkeypatch) -> None:
    content = b"the very weights"
    form = Form(names=("w",), size=16, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(DataError, match=r"cannot be read .*; install the package again"):
        pretrained.checked(tmp_path, form)
    (tmp_path / "w").write_bytes(content)
    assert pretrained.checked(tmp_path, form) == tmp_path / "w"
    (tmp_path / "w").write_bytes(content[::-1])
    with pytest.raises(DataError, match=r"has the SHA-256 .* and not .*; install the package"):
        pretrained.checked(tmp_path, form)

    pytest.importorskip("transformers")
    monkeypatch.setattr(pretrained, "folder", lambda: tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"others")
    pretrained.encoder.cache_clear()
    with pytest.raises(DataError, match=r"has 6 bytes and not 90,868,376"):
        pretrained.encoder()


@needs_encoder
def test_the_encoder_is_the_known_one_and_needs_no_network(monkeypatch, capfd) -> None:
    def closed(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, closed)
    pretrained.encoder.cache_clear()
    loaded = pretrained.encoder()
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
    assert torch.allclose(bert_by_hand(loaded, ids)[0], found[0], atol=1e-5)
