"""Decorator -> card: what is told about a task, method or metric, in a closed schema."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Card", "MethodCard", "MetricCard", "Need", "TaskCard", "Track"]

Need = Literal["gradient", "module", "queries", "patterns", "uniform", "layout"]
Track = Literal["units", "subsets"]
IMPORTS = Field(default=(), description="modules to import before the clock starts")


class Card(BaseModel):
    """Fields common to all three kinds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    summary: str = Field(description="first line of the docstring")
    citation: str = ""


class TaskCard(Card):
    """What a task is, where its data comes from and how it is scored."""

    version: int = Field(default=1, ge=1, description="raised whenever the numbers may change")
    truth: Literal["planted", "enumerated", "none"] = Field(
        description="how the truth is known: planted by construction, enumerated, or not at all"
    )
    main_metric: str = Field(
        description="the metric that ranks methods on this task on the track of subsets"
    )
    units_metric: str = Field(
        default="insertion_auc_resample",
        description="the metric that ranks methods on the track of units; empty if the task has "
        "nothing to ask there",
    )
    chance: str = Field(default="", description="what a random attribution gets")
    ceiling: str = Field(default="", description="what a perfect attribution gets")
    data: str = Field(default="none needed", description="data set and where it comes from")
    needs: tuple[str, ...] = Field(
        default=(), description="data sets, as `data list` calls them, that must be there"
    )
    paired: tuple[str, ...] = Field(
        default=(), description="parameters whose variants share the seeds of their instances"
    )
    added: tuple[str, ...] = Field(
        default=(),
        description="parameters that came later: left out at their default, so that cells keep "
        "their names, seeds and records",
    )
    licence: str = Field(default="", description="terms of the data")
    figures: str = Field(default="", description="measured: accuracies, energy by order")
    cost: Literal["small", "medium", "large"] = "small"
    imports: tuple[str, ...] = IMPORTS


class MethodCard(Card):
    """What a method returns and needs, what it costs, where it comes from and where it fails."""

    returns: Literal["subsets", "units"]
    family: str = Field(description="such as spectral, gradient, perturbation, control")
    coefficients: Literal["fourier", "other"] = Field(
        default="fourier",
        description="of the subsets: signed Fourier coefficients, or numbers of its own",
    )
    needs: tuple[Need, ...] = Field(
        default=(),
        description="what a problem must offer, or the method is skipped with the reason: a "
        "gradient, a module (the network after the layer as an nn.Module), queries (values at any "
        "x), patterns (of its own choice, on a grid of on/off units), uniform patterns under D, a "
        "layout of the units",
    )
    on: Literal["margin", "value"] = Field(
        default="value",
        description="what it attributes, unless its parameter `on` says otherwise: the margin, or "
        "the value, which is the margin or its sign as the task's readout says",
    )
    rows: str = Field(
        default="", description="rows that it asks for, as a formula in n and the budget"
    )
    fails: str = Field(default="", description="where it is known to fail")
    calls: str = Field(default="", description="the library that computes it, and its licence")
    extra: str = Field(default="", description="optional extra of this package that it needs")
    control: bool = Field(default=False, description="shown on boards and never ranked")
    sees_truth: bool = Field(default=False, description="built-in controls only")
    imports: tuple[str, ...] = IMPORTS


class MetricCard(Card):
    """What a metric measures and which direction is better."""

    family: Literal["recovery", "faithfulness", "cost"]
    track: Track | None = Field(
        default=None, description="the question that it answers, if not one for both tracks"
    )
    of_coefficients: bool = Field(
        default=False, description="whether it compares coefficients, which must be Fourier's"
    )
    higher_is_better: bool
    needs_truth: bool = False
    unit: str = ""
    best: float | None = Field(default=None, description="the value of a perfect attribution")
