"""Seed -> network trained on a sparse parity -> problems of its inputs and its hidden units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from scipy.stats import binomtest
from torch import Tensor, nn
from torch.nn import functional

from actspec_bench.caching import cached_tensors, recipe_digest
from actspec_bench.fourier.spectrum import all_patterns
from actspec_bench.problems.devices import chosen, placed
from actspec_bench.problems.instance import Instance
from actspec_bench.problems.kinds import binary, uniform_patterns
from actspec_bench.problems.problem import Problem
from actspec_bench.problems.readouts import class_margin, decision
from actspec_bench.problems.source import Readout
from actspec_bench.problems.truth import Truth
from actspec_bench.seeds import seed_from
from actspec_bench.tasks.networks import training
from actspec_bench.tasks.networks.bottleneck import Bottleneck, hidden_units
from actspec_bench.tasks.networks.training import initialise

if TYPE_CHECKING:
    from jaxtyping import Float

    from actspec_bench.fourier import Subset

WIDTH = 64
BATCH = 512
LEARNING_RATE = 1e-2
MOST_STEPS = 20_000
CHECK_STEPS = 20
CHECK_ROWS = 4_096
# Training stops above the first, on few patterns; the network must then be above the second on
# many others, which the first leaves three standard errors away.
STOP_ACCURACY = 0.995
LEAST_ACCURACY = 0.99
ENUMERATED_UNITS = 20
SAMPLED_PATTERNS = 2**18
CHUNK_UNITS = 14
SEEN_ROWS = 4_096
HELDOUT_ROWS = 4_096
_FIGURES = ("support", "steps", "patterns", "wrong", "margin")
_RECIPE = recipe_digest(__file__, training.__file__)


@dataclass(frozen=True)
class Trained:
    """A network with logits for parity -1 and +1, and what was measured of it.

    Attributes
    ----------
    support
        The inputs whose parity it was trained on.
    steps
        Training steps taken.
    patterns, wrong
        Patterns it was measured on, and those of them that it decides wrongly.
    margin
        Coefficient of the support in the margin, and its standard error.
    enumerated
        Whether the patterns are all there are: then nothing is estimated.
    """

    model: nn.Sequential
    support: Subset
    steps: int
    patterns: int
    wrong: int
    margin: tuple[float, float]
    enumerated: bool

    def coefficient(self, readout: Readout) -> float:
        """Coefficient of the support; of the decision it is 2 * accuracy - 1."""
        return self.margin[0] if readout == "margin" else 1 - 2 * self.wrong / self.patterns

    def facts(self) -> dict[str, Any]:
        """Figures for the record; intervals and errors where something is estimated.

        The interval is exact for the number of errors (Clopper & Pearson 1934), since with none
        in the sample a standard error would be 0.
        """
        facts: dict[str, Any] = {
            "steps": self.steps,
            "patterns_measured": self.patterns,
            "accuracy": 1 - self.wrong / self.patterns,
            "margin_coefficient": self.margin[0],
        }
        if not self.enumerated:
            interval = binomtest(self.patterns - self.wrong, self.patterns).proportion_ci(0.95)
            facts["accuracy_interval_95"] = [float(interval.low), float(interval.high)]
            facts["margin_coefficient_standard_error"] = self.margin[1]
        return facts


def inputs(seed: int, *, n: int, order: int, readout: Readout) -> Instance:
    """Build a trained-parity instance."""
    trained = trained_network(seed, n, order)
    model = placed(trained.model)

    def margin(x: Tensor) -> Tensor:
        return class_margin(model(x), 1)

    problem = Problem(binary(margin, n, seed=seed, readout=readout, device=chosen()))
    truth = Truth({trained.support: trained.coefficient(readout)}, n, exhaustive=False)
    return Instance(problem, truth, trained.facts())


def hidden(seed: int, *, n: int, order: int, readout: Readout) -> Instance:
    """Build a trained-parity-hidden instance."""
    trained = trained_network(seed, n, order)
    generator = torch.Generator().manual_seed(seed_from(seed, "rows"))
    before, relu, read = trained.model
    rows = before(distinct_patterns(n, SEEN_ROWS + HELDOUT_ROWS, generator))
    layer = Bottleneck(rows[:SEEN_ROWS], rows[SEEN_ROWS:], relu, read)
    return Instance(hidden_units(layer, target=1, readout=readout), None, trained.facts())


def distinct_patterns(n: int, rows: int, generator: torch.Generator) -> Float[Tensor, "rows n"]:
    """Uniform patterns without repeats, so that none is both seen and held out.

    ``rows`` must be well below 2^n.
    """
    drawn = torch.randint(0, 2**n, (2 * rows,), generator=generator)
    distinct: Tensor = torch.unique(drawn)
    codes = distinct[torch.randperm(len(distinct), generator=generator)[:rows]]
    bits = codes[:, None] >> torch.arange(n) & 1
    return (1 - 2 * bits).to(torch.get_default_dtype())


def trained_network(seed: int, n: int, order: int) -> Trained:
    """Return the network of ``seed`` for a parity of ``order`` of n inputs.

    Raises
    ------
    RuntimeError
        It does not get above 99% in 20,000 steps, or not on the patterns it is measured on.
    """
    found = cached_tensors(
        "trained-parity",
        lambda: _made(seed, n, order),
        seed=seed,
        n=n,
        order=order,
        recipe=_RECIPE,
    )
    figures = {name: found.pop(name) for name in _FIGURES}
    model = _network(n)
    model.load_state_dict(found)
    model.requires_grad_(False).eval()
    mean, error = figures["margin"].tolist()
    return Trained(
        model,
        support=tuple(figures["support"].tolist()),
        steps=int(figures["steps"]),
        patterns=int(figures["patterns"]),
        wrong=int(figures["wrong"]),
        margin=(mean, error),
        enumerated=n <= ENUMERATED_UNITS,
    )


def _network(n: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2))


def _made(seed: int, n: int, order: int) -> dict[str, Tensor]:
    """Weights, and the figures of `Trained` as tensors."""
    generator = torch.Generator().manual_seed(seed)
    support = torch.randperm(n, generator=generator)[:order].sort().values
    model = _network(n)
    initialise(model, generator)
    steps = _train(model, n, support, generator)
    margins, parities = _margins(model, n, support, seed)
    patterns, wrong = len(margins), int((decision(margins) != parities).sum())
    if 1 - wrong / patterns <= LEAST_ACCURACY:
        raise RuntimeError(
            f"the network stopped at an accuracy of {1 - wrong / patterns:.4f}, not above "
            f"{LEAST_ACCURACY}: take another seed, a lower n or a lower order"
        )
    products = margins.double() * parities
    margin = torch.stack([products.mean(), products.std() / patterns**0.5])
    figures = (support, torch.tensor(steps), torch.tensor(patterns), torch.tensor(wrong), margin)
    return {**model.state_dict(), **dict(zip(_FIGURES, figures, strict=True))}


def _train(model: nn.Module, n: int, support: Tensor, generator: torch.Generator) -> int:
    """Minimise the cross-entropy on fresh uniform patterns, and return the steps it took."""
    sample = uniform_patterns(n)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    for step in range(1, MOST_STEPS + 1):
        x = sample(BATCH, generator)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), (x[:, support].prod(1) > 0).long())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % CHECK_STEPS == 0:
            fresh = sample(CHECK_ROWS, generator)
            with torch.no_grad():
                right = decision(class_margin(model(fresh), 1)) == fresh[:, support].prod(1)
            if float(right.float().mean()) > STOP_ACCURACY:
                return step
    raise RuntimeError(
        f"no accuracy above {STOP_ACCURACY} on a parity of {len(support)} of {n} inputs after "
        f"{MOST_STEPS:,} steps: take another seed, a lower n or a lower order"
    )


def _margins(
    model: nn.Module, n: int, support: Tensor, seed: int
) -> tuple[Float[Tensor, " patterns"], Float[Tensor, " patterns"]]:
    """Margins and parities of all patterns of up to 20 inputs, or of a fixed sample of 2^18."""
    margins, parities = [], []
    with torch.no_grad():
        for x in _patterns(n, seed):
            margins.append(class_margin(model(x), 1))
            parities.append(x[:, support].prod(1))
    return torch.cat(margins), torch.cat(parities)


def _patterns(n: int, seed: int) -> Iterator[Float[Tensor, "rows n"]]:
    """All 2^n patterns or a sample of them, 2^14 at a time."""
    if n <= ENUMERATED_UNITS:
        low = all_patterns(min(n, CHUNK_UNITS))
        for high in all_patterns(n - low.shape[1]):
            yield torch.cat([low, high.expand(len(low), -1)], dim=1)
        return
    generator = torch.Generator().manual_seed(seed_from(seed, "patterns"))
    for _ in range(SAMPLED_PATTERNS >> CHUNK_UNITS):
        yield uniform_patterns(n)(1 << CHUNK_UNITS, generator)
