"""Name -> suite: the selections of tasks that are run together."""

from __future__ import annotations

from dataclasses import dataclass

from actspec_bench.errors import UsageError, nearest
from actspec_bench.problems.meter import DEFAULT_BUDGET

__all__ = ["DEFAULT_INSTANCES", "SUITES", "Suite", "find_suite"]

DEFAULT_INSTANCES = 5


@dataclass(frozen=True)
class Suite:
    """A named selection; no methods means every one that is registered.

    Attributes
    ----------
    with_data
        Tasks that are part of it where the data they need is there.
    """

    name: str
    summary: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...] = ()
    budgets: tuple[int, ...] = (DEFAULT_BUDGET,)
    instances: int = DEFAULT_INSTANCES
    with_data: tuple[str, ...] = ()


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "default",
            "planted parities, a digits network, and, where the data is, MNIST and SST-2 networks",
            tasks=(
                "planted-parity[noise=0.05]",
                "planted-parity[n=12,terms=4,orders=(1,2,3,4)]",
                "planted-parity[terms=3,readout=decision,low=1.0]",
                "planted-nothing",
                "digits-hidden",
                "digits-patches",
            ),
            with_data=(
                "mnist-hidden",
                "mnist-patches",
                "mnist-recoded",
                "sst2-tokens",
                "sst2-recoded",
            ),
            budgets=(1_000, DEFAULT_BUDGET),
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
        ),
        Suite(
            "smoke",
            "seconds: one small planted task, one instance, every method",
            tasks=("planted-parity[n=10,terms=2,order=2]",),
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
