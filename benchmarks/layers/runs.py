"""Contestant, case, seed -> one run: what came of it, and what its answer explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from actspec_bench import Attribution, Undefined
from actspec_bench.fourier.regression import fresh_r2
from actspec_bench.metrics.outcome import Costs, Outcome
from actspec_bench.problems.views import ScoringView, resampled, restarted
from actspec_bench.registry.entries import metrics
from actspec_bench.seeds import seed_from
from benchmarks.attempts import Status, attempt
from benchmarks.instances import recovered
from benchmarks.layers.cases import Case
from benchmarks.layers.contestants import Contestant
from benchmarks.layers.rivals import Model
from benchmarks.layers.settings import Setting

if TYPE_CHECKING:
    from actspec_bench.fourier import Subset
    from actspec_bench.problems.problem import Problem

__all__ = ["DRAWS", "Run", "compared", "run_once"]

DRAWS, SUBSETS = 4096, 16


@dataclass(frozen=True)
class Run:
    """What came of one call of one contestant.

    Attributes
    ----------
    instance, seed
        Of the network, or of what is planted; of the method.
    status, reason
        ``ok``, or why there is no result; with ``ok``, why a score is missing.
    rows, seconds
        Rows used; seconds of the call.
    reported, top
        How many subsets there are, and the first 16.
    r2, r2_mixtures
        R^2 of the linear model on the characters of the first 16 subsets, of rows that no method
        gets (`surrogate_r2`), and the same fitted and scored on mixtures of two rows.
    j5, soft5
        Mean agreement of the first five with those of the other seeds.
    j5_inputs, soft5_inputs, top_inputs
        The same where each seed also has another sample of the inputs (`views.resampled`), and the
        first 16 subsets there; on layers.
    in_sample, fresh
        R^2 of the linear model on the characters of all subsets, fitted on the inputs given, on
        these inputs and on others.
    warned
        Whether the method's ``info`` has a warning.
    exact, recall, twins
        Of the truth; see `instances.recovered`.
    """

    setting: str
    method: str
    instance: int
    seed: int
    status: Status = "ok"
    reason: str = ""
    rows: int | None = None
    seconds: float | None = None
    reported: int | None = None
    top: tuple[Subset, ...] = ()
    r2: float | None = None
    r2_mixtures: float | None = None
    j5: float | None = None
    soft5: float | None = None
    j5_inputs: float | None = None
    soft5_inputs: float | None = None
    top_inputs: tuple[Subset, ...] | None = None
    in_sample: float | None = None
    fresh: float | None = None
    warned: bool | None = None
    exact: bool | None = None
    recall: float | None = None
    twins: int | None = None

    @property
    def ratio(self) -> float | None:
        """R^2 on fresh inputs over that in the sample; None where the latter is not positive."""
        if self.fresh is None or not self.in_sample or self.in_sample < 0 or not self.reported:
            return None
        return self.fresh / self.in_sample

    def row(self) -> dict[str, Any]:
        """As a row of a table: subsets as text, such as ``3;7 12``."""
        tops = {"top": self.top, "top_inputs": self.top_inputs or ()}
        texts = {
            name: ";".join(" ".join(map(str, subset)) for subset in top)
            for name, top in tops.items()
        }
        return asdict(self) | {"ratio": self.ratio} | texts


def run_once(contestant: Contestant, setting: Setting, case: Case, run: Run) -> Run:
    """Make ``run``, which names what is to run, in this process, and score its answer."""
    seed = seed_from("layers", setting.name, run.instance, run.seed)
    problem = restarted(case.instance.problem, budget=setting.budget, seed=seed)
    torch.manual_seed(seed)
    tried = attempt(lambda: contestant.find(problem, seed % 2**32))
    run = replace(
        run,
        status=tried.status,
        reason=tried.reason,
        rows=sum(problem.spent.values()),
        seconds=tried.seconds,
    )
    if run.status != "ok":
        return run
    scored = attempt(lambda: _scores(tried.result, setting, case, run.instance))
    if scored.status != "ok":
        return replace(run, reason=scored.reason.removeprefix("Undefined: "))
    run = replace(run, **scored.result)
    if setting.kind != "layer" or not isinstance(tried.result, Attribution):
        return run
    torch.manual_seed(seed)
    other = attempt(lambda: contestant.find(resampled(problem, seed), seed % 2**32))
    return replace(run, top_inputs=other.result.subsets[:SUBSETS]) if other.status == "ok" else run


def _scores(found: Attribution | Model, setting: Setting, case: Case, seed: int) -> dict[str, Any]:
    if not isinstance(found, Attribution):
        if setting.kind != "layer":
            raise Undefined("a model has no subsets: its R^2 is measured on layers alone")
        return {"r2": _model_r2(found, _outcome(Attribution.from_subsets({}), case, seed))}
    outcome = _outcome(found, case, seed)
    told: dict[str, Any] = {
        "reported": len(found.subsets),
        "top": found.subsets[:SUBSETS],
        "warned": bool(found.info.get("warnings")),
    }
    if setting.kind == "layer":
        told["r2"] = metrics["surrogate_r2"].function(outcome)
        told["r2_mixtures"] = _mixtures_r2(outcome)
    if case.fresh is not None:
        told |= _fresh(outcome, case.fresh)
    ranked = dict(zip(found.subsets, found.importance.tolist(), strict=True))
    return told | recovered(ranked, case.instance)


def _outcome(found: Attribution, case: Case, seed: int) -> Outcome:
    nothing = Costs(0, 0, 0.0, 0.0, None)
    return Outcome(found, case.instance.problem, case.instance.truth, nothing, seed)


def _told(view: Problem, x: Tensor) -> tuple[Tensor, Tensor]:
    """Patterns and values of rows; undefined where the values are all the same."""
    values = view.value(x)
    if not values.double().var():
        raise Undefined("the function is constant on the rows to score")
    return view.pattern(x), values


def _model_r2(model: Model, outcome: Outcome) -> float:
    """R^2 of a model on the rows on which `surrogate_r2` scores subsets."""
    view = outcome.view("surrogate")
    view.sample(DRAWS)
    pattern, values = _told(view, view.sample_heldout(DRAWS))
    rest = values.double() - model(pattern)
    return float(1 - rest.square().mean() / values.double().var(correction=0))


def _mixtures_r2(outcome: Outcome) -> float:
    """R^2 of the first 16 subsets where each unit comes from one of two rows by a fair coin."""
    view = outcome.view("mixtures")
    coins = torch.Generator().manual_seed(seed_from(outcome.seed, "coins"))

    def mixed(one: Tensor, other: Tensor) -> Tensor:
        return torch.where(torch.rand(one.shape, generator=coins) < 0.5, one, other)

    top = outcome.attribution.top(SUBSETS, outcome.generator("ties"))
    fitted = _told(view, mixed(view.sample(DRAWS), view.sample(DRAWS)))
    scored = mixed(view.sample_heldout(DRAWS), view.sample_heldout(DRAWS))
    return fresh_r2(fitted, _told(view, scored), top)


def _fresh(outcome: Outcome, rows: Tensor) -> dict[str, float]:
    view = outcome.view("fresh")
    fitted, subsets = _told(view, view.sample(DRAWS)), outcome.attribution.subsets
    return {
        "in_sample": fresh_r2(fitted, fitted, subsets),
        "fresh": fresh_r2(fitted, _told(view, rows), subsets),
    }


def compared(case: Case, runs: Sequence[Run]) -> list[Run]:
    """Fill in how far the answers of several seeds agree, on 4,096 draws of D."""
    from benchmarks.layers.agreement import agreement

    if not any(run.reported for run in runs):
        return list(runs)
    view = ScoringView(case.instance.problem, seed_from("layers", runs[0].instance, "agreement"))
    answered = [run for run in runs if run.reported is not None]
    pattern = view.pattern(view.sample(DRAWS))
    told = agreement(pattern, [run.top for run in answered])
    again = [run for run in answered if run.top_inputs is not None]
    told_again = agreement(pattern, [run.top_inputs or () for run in again])
    found: dict[int, dict[str, float | None]] = {run.seed: {} for run in runs}
    for run, (same, alike) in zip(answered, told, strict=True):
        found[run.seed] |= {"j5": same, "soft5": alike}
    for run, (same, alike) in zip(again, told_again, strict=True):
        found[run.seed] |= {"j5_inputs": same, "soft5_inputs": alike}
    return [replace(run, **found[run.seed]) for run in runs]
