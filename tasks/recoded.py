"""Re-coded tasks: distributed codes of known membership inside trained classifiers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from actspec_bench.problems.instance import Instance
from actspec_bench.registry.decorators import task

Readout = Literal["margin", "decision"]
K = Annotated[int, Field(ge=1, le=16)]
Codes = Annotated[int, Field(ge=1, le=16)]
Idle = Annotated[int, Field(ge=0, le=32)]
Subsets = Annotated[int, Field(ge=1, le=1000)] | None

_CARD: dict[str, Any] = {
    "truth": "planted",
    "main_metric": "subset_f1",
    "chance": "about 0: the share of subsets of that size that are codes",
    "ceiling": "1",
    "paired": ("k",),
}
_IMPORTS = ("actspec_bench.tasks.planting.recoding",)


@task(
    "digits-recoded",
    **_CARD,
    data="the 1,797 8x8 digits that ship with scikit-learn (UCI optical recognition, test part)",
    imports=(*_IMPORTS, "actspec_bench.tasks.networks.digits"),
    licence="CC BY 4.0",
    citation="data: Alpaydin & Kaynak 1998, doi:10.24432/C50P49",
    figures=(
        "re-coding changes no output by any digit; coefficients by number of codes 1 / 2 / 3 "
        "/ 4, energy in %: 55.9 / 20.2 / 8.0 / 8.4 (decision, means of five instances); 2.9 "
        "million rows/s in calls of 4,096, 14% of it outside network and decoding"
    ),
)
def digits_recoded(
    seed: int,
    *,
    k: K = 3,
    codes: Codes = 6,
    idle: Idle = 4,
    readout: Readout = "decision",
    target: Annotated[int, Field(ge=0, le=9)] | None = None,
    subsets: Subsets = None,
) -> Instance:
    r"""Hidden units of a digits classifier, each carried by the parity of k new units.

    In the network of `digits-hidden` the on/off state of a hidden unit is spread over k units
    that are each on or off by a fair coin: :math:`u_i = r_i m_i` with random magnitudes and random
    signs whose product is the state. The next step decodes exactly and gates the unit's magnitude,
    and the network computes the same outputs, which is checked on all test inputs. The truth is
    which units act together.

    The units of the problem are those of ``codes`` codes, of the hidden units that matter most
    at one input near the decision boundary, and of ``idle`` codes that nothing reads. A coded
    unit is off or has its median activation; the rest of the layer is held at that input. Under
    D the states are independent fair coins, so that all coefficients are known exactly: those of
    unions of codes, and no others. Instances are the same for every k but for the code.

    Parameters
    ----------
    k
        Units that carry one hidden unit; with 1 the representation is local.
    codes, idle
        Codes that the network reads, and codes that nothing reads.
    readout
        The margin of the class against the rest, or its sign.
    target
        The class; drawn from the seed if not given.
    subsets
        How many of the largest coefficients count as the truth; as many as codes if not given.
    """
    from actspec_bench.tasks.networks import digits as _digits

    return _recoded(
        _digits,
        seed,
        target,
        classes=10,
        k=k,
        codes=codes,
        idle=idle,
        readout=readout,
        subsets=subsets,
    )


@task(
    "mnist-recoded",
    **_CARD,
    data="MNIST: 60,000 training and 10,000 test digits, pooled to 14x14 by the mean",
    needs=("mnist",),
    imports=(*_IMPORTS, "actspec_bench.tasks.networks.mnist"),
    licence="CC BY-SA 3.0 (sources disagree; the stricter reading)",
    citation="data: LeCun, Cortes & Burges 2010",
    figures=(
        "re-coding changes no output by any digit; coefficients by number of codes 1 / 2 / 3 "
        "/ 4, energy in %: 55.2 / 16.6 / 8.0 / 7.4 (decision, means of five instances); 4.2 "
        "million rows/s in calls of 4,096, 12% of it outside network and decoding"
    ),
)
def mnist_recoded(
    seed: int,
    *,
    k: K = 3,
    codes: Codes = 6,
    idle: Idle = 4,
    readout: Readout = "decision",
    target: Annotated[int, Field(ge=0, le=9)] | None = None,
    subsets: Subsets = None,
) -> Instance:
    """Hidden units of the MNIST perceptron, each carried by the parity of k new units.

    As `digits-recoded`, in the network of `mnist-hidden`.

    Parameters
    ----------
    k
        Units that carry one hidden unit; with 1 the representation is local.
    codes, idle
        Codes that the network reads, and codes that nothing reads.
    readout
        The margin of the class against the rest, or its sign.
    target
        The class; drawn from the seed if not given.
    subsets
        How many of the largest coefficients count as the truth; as many as codes if not given.
    """
    from actspec_bench.tasks.networks import mnist as _mnist

    return _recoded(
        _mnist,
        seed,
        target,
        classes=10,
        k=k,
        codes=codes,
        idle=idle,
        readout=readout,
        subsets=subsets,
    )


@task(
    "sst2-recoded",
    **_CARD,
    data="SST-2 as GLUE ships it: 67,349 phrases to train on, 872 sentences to test",
    needs=("sst2",),
    imports=(*_IMPORTS, "actspec_bench.tasks.networks.sst2"),
    licence="none stated; excerpts of reviews, for research with citation",
    citation="data: Socher et al. 2013 (EMNLP); Wang et al. 2019 (GLUE)",
    figures=(
        "re-coding changes no output by any digit; coefficients by number of codes 1 / 2 / 3 "
        "/ 4, energy in %: 64.3 / 6.5 / 11.9 / 6.5 (decision, means of five instances); 9.4 "
        "million rows/s in calls of 4,096, 16% of it outside network and decoding"
    ),
)
def sst2_recoded(
    seed: int,
    *,
    k: K = 3,
    codes: Codes = 6,
    idle: Idle = 4,
    readout: Readout = "decision",
    target: Annotated[int, Field(ge=0, le=1)] | None = None,
    subsets: Subsets = None,
) -> Instance:
    """Pooler units of the sentiment transformer, each carried by the parity of k new units.

    As `digits-recoded`, in the network of `sst2-pooler`.

    Parameters
    ----------
    k
        Units that carry one hidden unit; with 1 the representation is local.
    codes, idle
        Codes that the network reads, and codes that nothing reads.
    readout
        The margin of the class against the other, or its sign.
    target
        The class, 1 for positive; drawn from the seed if not given.
    subsets
        How many of the largest coefficients count as the truth; as many as codes if not given.
    """
    from actspec_bench.tasks.networks import sst2 as _sentiment

    return _recoded(
        _sentiment,
        seed,
        target,
        classes=2,
        k=k,
        codes=codes,
        idle=idle,
        readout=readout,
        subsets=subsets,
    )


def _recoded(
    family: Any,
    seed: int,
    target: int | None,
    *,
    classes: int,
    subsets: int | None,
    codes: int,
    **parameters: Any,
) -> Instance:
    """Re-code the bottleneck layer of a family of networks."""
    from dataclasses import replace

    from actspec_bench.tasks.planting.recoding import recoded

    layer, accuracy = family.bottleneck(seed)
    instance = recoded(
        layer,
        seed,
        target=seed % classes if target is None else target,
        codes=codes,
        subsets=codes if subsets is None else subsets,
        **parameters,
    )
    return replace(instance, facts={"test_accuracy": accuracy, **instance.facts})
