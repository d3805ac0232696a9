"""Name -> suite: the selections of tasks that are run together."""

from __future__ import annotations

from dataclasses import dataclass

from actspec_bench.errors import UsageError, nearest
from actspec_bench.problems.meter import DEFAULT_BUDGET

__all__ = ["CONTROLS", "DEFAULT_INSTANCES", "KNOWN", "SUITES", "Suite", "find_suite"]

DEFAULT_INSTANCES = 5


@dataclass(frozen=True)
class Suite:
    """A named selection; no methods means every one that is registered.

    Where methods are named, those of plug-ins and of installed packages take part too.

    Attributes
    ----------
    with_data
        Tasks that are part of it where the data they need is there.
    searches
        Budgets that are for some methods alone: those that search, and have a use for them.
    """

    name: str
    summary: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...] = ()
    budgets: tuple[int, ...] = (DEFAULT_BUDGET,)
    instances: int = DEFAULT_INSTANCES
    with_data: tuple[str, ...] = ()
    searches: tuple[tuple[int, tuple[str, ...]], ...] = ()


CONTROLS = ("random", "constant", "oracle", "anti-oracle")
# The paper's method and its rule, then what a reader would ask for: pairs by differences, sparse
# regression and an interaction index among those that return subsets; among those that score
# units a gradient, its path integral, a rule of backpropagation, ablation, two estimators of the
# Shapley value, and patching.
KNOWN = (
    "actspec",
    "actspec-paper",
    "archdetect",
    "matching-pursuit",
    "banzhaf-interactions",
    "saliency",
    "integrated-gradients",
    "deeplift",
    "feature-ablation",
    "shapley-sampling",
    "kernel-shap",
    "activation-patching",
)
SEARCHES = (
    "actspec",
    "actspec-alias",
    "actspec-paper",
    "archdetect",
    "boosted-trees",
    "exact-wht",
    "lasso",
    "low-degree",
    "matching-pursuit",
    "proxyspex",
    "spex",
)
SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "default",
            "minutes: a dozen methods that readers know, on planted parities, a digits network, "
            "and, where the data is, MNIST and SST-2 networks",
            tasks=(
                "planted-parity[noise=0.05]",
                "planted-parity[terms=3,readout=decision,low=1.0]",
                "planted-nothing",
                "digits-hidden",
                "digits-patches",
            ),
            with_data=("mnist-hidden", "sst2-recoded"),
            methods=(*KNOWN, *CONTROLS),
        ),
        Suite(
            "full",
            "hours: every method on every task that fits, at two budgets, searches at a third",
            tasks=(
                "planted-parity[noise=0.05]",
                "planted-parity[n=12,terms=4,orders=(1,2,3,4)]",
                "planted-parity[terms=3,readout=decision,low=1.0]",
                "planted-parity[n=32,terms=3,correlation=0.8,noise=0.05]",
                "planted-nothing",
                "planted-network",
                "trained-parity",
                "trained-parity-hidden",
                "digits-hidden",
                "digits-patches",
                "digits-recoded",
            ),
            with_data=(
                "mnist-hidden",
                "mnist-hidden[target=7,against=1]",
                "mnist-patches",
                "mnist-channels",
                "mnist-recoded",
                "sst2-pooler",
                "sst2-heads",
                "sst2-tokens",
                "sst2-recoded",
            ),
            budgets=(1_000, DEFAULT_BUDGET),
            searches=((64_000, SEARCHES),),
        ),
        Suite(
            "paper",
            "the settings of Activation Spectroscopy's paper: planted, MNIST, sentiment",
            tasks=(
                "planted-parity[noise=0.05]",
                "planted-parity[terms=3,readout=decision,low=1.0]",
                "planted-parity[n=32,terms=3,correlation=0.8,noise=0.05]",
                "planted-network",
                "trained-parity",
                "trained-parity-hidden",
                "mnist-hidden[target=7,against=1]",
                "mnist-hidden[target=7,against=1,rows=predicted,balanced=true]",
                "mnist-hidden[target=7,balanced=true]",
                "mnist-hidden",
                "mnist-pixels",
                "mnist-patches",
                "mnist-channels",
                *(f"mnist-recoded[k={k}]" for k in (1, 2, 3, 5)),
                "sst2-pooler",
                "sst2-heads",
                "sst2-tokens",
                *(f"sst2-recoded[k={k}]" for k in (1, 2, 3, 5)),
            ),
            methods=(
                "actspec",
                "actspec-alias",
                "actspec-paper",
                "exact-wht",
                "integrated-gradients",
                "feature-ablation",
                "shapley-sampling",
                *CONTROLS,
            ),
        ),
        Suite(
            "smoke",
            "seconds: one small planted task, one instance, the methods of the default suite",
            tasks=("planted-parity[n=10,terms=2,order=2]",),
            methods=(*KNOWN, *CONTROLS),
            budgets=(2_000,),
            instances=1,
        ),
    )
}


def find_suite(name: str) -> Suite:
    """Return the suite ``name`` or say what there is."""
    if name not in SUITES:
        raise UsageError(f"there is no suite {name!r}; {nearest(name, list(SUITES))}")
    return SUITES[name]
