"""Answers of several seeds -> how far they agree: in their subsets, or in what these say."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import TYPE_CHECKING

import torch

from actspec_bench.fourier.spectrum import characters, membership

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from actspec_bench.fourier import Subset

__all__ = ["TOP", "agreement", "jaccard", "likeness"]

TOP = 5


def jaccard(one: Sequence[Subset], other: Sequence[Subset]) -> float | None:
    """Share of the subsets of either that both have; None if neither has any."""
    either = set(one) | set(other)
    return len(set(one) & set(other)) / len(either) if either else None


def likeness(
    pattern: Float[Tensor, "draws n"], one: Sequence[Subset], other: Sequence[Subset]
) -> float | None:
    r"""Mean over the subsets of each of the best correlation with a character of the other.

    .. math:: \tfrac12 \sum_{(A, B)} \frac{1}{|A|} \sum_{S \in A} \max_{T \in B}
        |corr_D(\chi_S, \chi_T)|

    over (A, B) and (B, A), from draws of D. A subset that both hold counts 1; a character that
    does not vary on the draws correlates with no other. 0 if one of them has no subset and the
    other has; None if neither has any.
    """
    if not one and not other:
        return None
    if not one or not other:
        return 0.0
    subsets = list(dict.fromkeys([*one, *other]))
    chi = characters(pattern, membership(subsets, pattern.shape[1])).double()
    chi = chi - chi.mean(0)
    length = chi.square().sum(0).sqrt()
    chi = chi / torch.where(length > 0, length, 1.0)
    alike = (chi.T @ chi).abs()
    alike.fill_diagonal_(1.0)
    rows = [subsets.index(subset) for subset in one]
    columns = [subsets.index(subset) for subset in other]
    block = alike[rows][:, columns]
    return float((block.amax(1).mean() + block.amax(0).mean()) / 2)


def agreement(
    pattern: Float[Tensor, "draws n"], answers: Sequence[Sequence[Subset]]
) -> list[tuple[float | None, float | None]]:
    """Mean `jaccard` and mean `likeness` of each answer's top 5 with those of all the others.

    The mean over answers is the mean over pairs. None where there is no other, or no subset.
    """
    tops = [list(answer[:TOP]) for answer in answers]
    told = []
    for place, one in enumerate(tops):
        others = tops[:place] + tops[place + 1 :]
        same = [value for other in others if (value := jaccard(one, other)) is not None]
        alike = [v for other in others if (v := likeness(pattern, one, other)) is not None]
        told.append((mean(same) if same else None, mean(alike) if alike else None))
    return told
