"""Task -> problem: the one interface through which every method sees a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench.errors import NotApplicable
from actspec_bench.problems.distinct import in_order_met
from actspec_bench.problems.evaluation import Evaluator, Noise, checked_finite
from actspec_bench.problems.kinds import binary, given
from actspec_bench.problems.meter import DEFAULT_BUDGET, Meter
from actspec_bench.problems.modules import MeteredModule
from actspec_bench.problems.networks.layers import layer_source
from actspec_bench.problems.readouts import decision
from actspec_bench.problems.source import Empirical, Kind, Readout, Source
from actspec_bench.seeds import seed_from

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Rows = Float[Tensor, "rows n"]
    Values = Float[Tensor, " rows"]

__all__ = ["Problem"]


class Problem:
    """A function of n units, its distribution and a meter: all that a method sees.

    Parameters
    ----------
    source
        What the problem is made of.
    budget
        Rows, forward and backward together, that may be evaluated; 10,000 if not given.
    seed
        Seed of `sample`, `generator` and the evaluation noise.
    """

    def __init__(self, source: Source, *, budget: int | None = None, seed: int = 0) -> None:
        budget = DEFAULT_BUDGET if budget is None else budget
        if budget < 1:
            raise ValueError(f"budget must be at least 1 row, not {budget}")
        self._source = source
        self._meter = Meter(budget)
        self._evaluate = Evaluator(
            source.margin, device=source.device, batch_rows=source.batch_rows
        )
        self._seed = seed
        self._draws = torch.Generator().manual_seed(seed_from(seed, "draws"))
        self._noise = Noise(source.noise, seed_from(seed, "noise"))
        #: For a method's own random numbers; separate from the draws of `sample`.
        self.generator = torch.Generator().manual_seed(seed_from(seed, "method"))

    @property
    def n(self) -> int:
        """Number of units."""
        return self._source.n

    @property
    def kind(self) -> Kind:
        """``"binary"``, ``"masked"`` or ``"interchange"``."""
        return self._source.kind

    @property
    def readout(self) -> Readout:
        """Whether `value` is the margin or its sign."""
        return self._source.readout

    @property
    def any_pattern(self) -> bool:
        """Whether the function answers at any x, not only at rows of its sample."""
        return self._source.any_pattern

    @property
    def has_module(self) -> bool:
        """Whether `module` has a network to give."""
        return self._source.module is not None

    @property
    def uniform(self) -> bool:
        """Whether D's patterns are known to be uniform on {-1, +1}^n: characters orthonormal."""
        return self._source.uniform

    @property
    def unit_names(self) -> tuple[str, ...]:
        """One name a unit; ``"0"``, ``"1"``, ... where the task gave none."""
        return tuple(self._source.unit_names) or tuple(str(i) for i in range(self.n))

    @property
    def layout(self) -> tuple[int, ...] | None:
        """Shape in which units are drawn, such as (14, 14), or None."""
        return self._source.layout

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results must know about this problem."""
        return tuple(self._source.notes)

    @property
    def device(self) -> torch.device:
        """Where the function is evaluated; rows and values are on the CPU."""
        return self._source.device

    @property
    def foreground(self) -> Rows:
        """Rows that instance-wise methods explain, shape (R, n); a copy."""
        return self._source.foreground.clone()

    @property
    def baseline(self) -> Float[Tensor, " n"]:
        """Value of an ablated unit, shape (n,); a copy."""
        return self._source.baseline.clone()

    @property
    def threshold(self) -> Float[Tensor, " n"]:
        """A unit is on where its x exceeds this, shape (n,); a copy."""
        return self._source.threshold.clone()

    @property
    def rows(self) -> Rows | None:
        """The data set that D draws from, one row an input; None where D is no data set."""
        sampler = self._source.sampler
        return sampler.rows.clone() if isinstance(sampler, Empirical) else None

    @property
    def input_of_row(self) -> Int[Tensor, " rows"] | None:
        """Number, from 0 in the order met, of the independent input that each of `rows` is.

        Copies of an input are one; equal rows of units with few values may be several.
        """
        sampler = self._source.sampler
        if not isinstance(sampler, Empirical):
            return None
        return in_order_met(sampler.number)

    @property
    def budget(self) -> int:
        """Rows that the meter allows in all."""
        return self._meter.budget

    @property
    def remaining(self) -> int:
        """Rows, forward and backward together, that may still be evaluated."""
        return self._meter.remaining

    @property
    def spent(self) -> dict[str, int]:
        """Rows counted so far: ``{"forward": ..., "backward": ...}``."""
        return {"forward": self._meter.forward, "backward": self._meter.backward}

    def value(self, x: Rows) -> Values:
        """Evaluate the function being explained, (B, n) -> (B,), without gradients.

        The margin, or with the decision readout its sign, +1 where the margin is 0 or more.

        Raises
        ------
        BudgetExceeded
            ``x`` has more rows than remain; none of them is evaluated.
        ValueError
            ``x`` has the wrong shape, or the function returned a wrong shape or NaN.
        """
        self._admit(x)
        with torch.no_grad():
            margin = self._margin(x)
        if self.readout == "margin":
            return margin
        return decision(margin)

    def value_of_rows(self, numbers: Int[Tensor, " asked"]) -> Values:
        """Evaluate the function at `rows` with these numbers; same errors as `value`.

        Of rows that came with values of their own each answers with its own, where `value`
        knows only the mean over equal rows.
        """
        sampler = self._source.sampler
        if not isinstance(sampler, Empirical):
            raise NotApplicable("this problem's distribution is no data set: ask for draws of it")
        if sampler.values is None:
            return self.value(sampler.rows[numbers])
        self._meter.spend(len(numbers), "forward")
        return sampler.values[numbers]

    def margin(self, x: Rows) -> Values:
        """Evaluate the margin, (B, n) -> (B,), differentiably; same errors as `value`.

        The values depend on x alone, not on what else the function may hold that can learn.
        """
        self._admit(x)
        return self._margin(x)

    def module(self) -> MeteredModule:
        """Return the margin as a metered network that may be hooked, (B, n) -> (B,); a copy.

        Raises NotApplicable where the margin is no network of modules.
        """
        if self._source.module is None:
            raise NotApplicable("this problem has no network of modules")
        return MeteredModule(self._source.module(), self._meter, self.device, self._admit)

    def sample(self, k: int) -> Rows:
        """Draw ``k`` rows from the problem's distribution D, shape (k, n); costs no query."""
        return self._source.sampler(k, self._draws)

    def pattern(self, x: Rows) -> Rows:
        """On/off pattern of each row in {-1, +1}: +1 where x exceeds the threshold."""
        return torch.where(x > self._source.threshold, 1.0, -1.0)

    def _admit(self, x: Tensor) -> None:
        if x.ndim != 2 or x.shape[1] != self.n:
            raise ValueError(f"x must have shape (rows, {self.n}), not {tuple(x.shape)}")
        self._meter.spend(x.shape[0], "forward")

    def _margin(self, x: Tensor) -> Tensor:
        return self._noise(x, checked_finite(self._evaluate(x, self._meter)))

    @staticmethod
    def from_function(
        function: Callable[[Tensor], Any],
        n: int,
        *,
        budget: int | None = None,
        seed: int = 0,
        readout: Readout = "margin",
    ) -> Problem:
        """Problem of a function on {-1, +1}^n under the uniform distribution.

        Parameters
        ----------
        function
            (B, n) tensor of +-1 -> (B,) tensor or array. Gradient methods need it to be
            differentiable torch code that also answers between -1 and +1.
        n
            Number of units.
        budget
            Rows that may be evaluated; 10,000 if not given.
        """
        source = binary(function, n, seed=seed, readout=readout)
        return Problem(source, budget=budget, seed=seed)

    @staticmethod
    def from_samples(
        x: Any,
        y: Any,
        *,
        heldout: tuple[Any, Any] | None = None,
        inputs: Any = None,
        budget: int | None = None,
        seed: int = 0,
    ) -> Problem:
        """Problem of given rows ``x`` (N, n) and values ``y`` (N,), with no free queries.

        The function answers at the given rows only; `value` at rows given more than once is the
        mean of their values. D is the empirical distribution, in which a row counts as often as
        it is given; the foreground is every distinct row, and units are on where x > 0.

        Parameters
        ----------
        heldout
            Rows and values for scores and energies, which methods never see. If not given, a
            quarter of the inputs is kept aside for them; of fewer than 80 inputs, none.
        inputs
            (N,) label of the independent input that each row is: rows of one label never choose
            and test both. If not given, equal rows are one input, unless units have so few values
            that rows of different inputs coincide; then each row is one.
        """
        return Problem(given(x, y, heldout=heldout, inputs=inputs), budget=budget, seed=seed)

    @staticmethod
    def from_module(
        model: torch.nn.Module,
        *,
        layer: str | torch.nn.Module,
        inputs: Any,
        target: int | Callable[[Any], Tensor],
        readout: Readout = "decision",
        budget: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Problem:
        """Interchange problem of one layer of a network, on the network's own device.

        See `layers.layer_source` for all options: which ``units`` (``position``, ``call``,
        ``output``, ``threshold``), ``heldout`` and ``foreground``.
        """
        source = layer_source(
            model, layer=layer, inputs=inputs, target=target, readout=readout, **options
        )
        return Problem(source, budget=budget, seed=seed)
