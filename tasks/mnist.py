"""MNIST tasks: a perceptron's hidden units, pixels and patches, a convolution's channels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from actspec_bench.problems.instance import Instance
from actspec_bench.registry.decorators import task

Digit = Annotated[int, Field(ge=0, le=9)]
Subsets = Annotated[int, Field(ge=1, le=1000)]

_DATA = "MNIST: 60,000 training and 10,000 test digits, pooled to 14x14 by the mean"
_LICENCE = "CC BY-SA 3.0 (sources disagree; the stricter reading)"
_CITATION = (
    "data: LeCun, Cortes & Burges 2010; network: the code of Reing, Ver Steeg & Galstyan 2025, "
    "github.com/kylereing/ActSpec, act_spec_models.py"
)
_IMPORTS = ("actspec_bench.tasks.networks.mnist",)


def _check_digits(*, target: int | None, against: int | None, **_: object) -> None:
    if target is not None and target == against:
        raise ValueError(f"target={target} and against={against} are the same digit")


@task(
    "mnist-hidden",
    truth="none",
    main_metric="surrogate_r2",
    chance="what 16 random characters explain: see the row `random`",
    ceiling="at most 1; below it where 16 characters cannot carry the function",
    data=_DATA,
    needs=("mnist",),
    imports=_IMPORTS,
    licence=_LICENCE,
    citation=_CITATION,
    check=_check_digits,
    figures=(
        "97.7 to 97.9% of the test digits right (five networks), 5 s to train; 5.4 million "
        "rows/s in calls of 4,096, 37% of it outside the network, a single 256 to 10 layer"
    ),
)
def mnist_hidden(
    seed: int,
    *,
    readout: Literal["margin", "decision"] = "decision",
    target: Digit | None = None,
    against: Digit | None = None,
) -> Instance:
    """256 hidden units of an MNIST perceptron, over its training images.

    A 196-256-10 ReLU network is trained per instance: dropout 0.2, Adam, 10 epochs, batches of
    128. The function is one digit against the rest: its logit minus the best other, or the
    sign. The rows to explain are 16 images that the network takes for the digit and 16 that it
    does not; scores use test images.

    Parameters
    ----------
    readout
        The margin, or its sign.
    target
        The digit; drawn from the seed if not given.
    against
        One other digit instead of the rest: only images of the two are in the data, and the
        margin is the difference of their logits. ``[target=7,against=1]`` is the two-digit
        setting of the authors' code.
    """
    from actspec_bench.tasks.networks.mnist import hidden

    return hidden(seed, readout=readout, target=target, against=against)


@task(
    "mnist-pixels",
    truth="none",
    main_metric="surrogate_r2",
    chance="what 16 random characters explain: see the row `random`",
    ceiling="at most 1; below it where 16 characters cannot carry the function",
    data=_DATA,
    needs=("mnist",),
    imports=_IMPORTS,
    licence=_LICENCE,
    citation=_CITATION,
    check=_check_digits,
    figures=(
        "network as in mnist-hidden; 0.8 million rows/s in calls of 4,096, 8% of it outside "
        "the network"
    ),
)
def mnist_pixels(
    seed: int,
    *,
    readout: Literal["margin", "decision"] = "decision",
    target: Digit | None = None,
    against: Digit | None = None,
) -> Instance:
    """196 pixels of MNIST images, on where there is ink, as units of the same perceptron.

    The function, the rows and the parameters are those of `mnist-hidden`; mixtures of images
    are made pixel by pixel.

    Parameters
    ----------
    readout
        The margin, or its sign.
    target
        The digit; drawn from the seed if not given.
    against
        One other digit instead of the rest.
    """
    from actspec_bench.tasks.networks.mnist import pixels

    return pixels(seed, readout=readout, target=target, against=against)


@task(
    "mnist-patches",
    truth="enumerated",
    main_metric="subset_f1",
    chance="see the rows `random` and `constant`",
    ceiling="1",
    data=_DATA,
    needs=("mnist",),
    imports=_IMPORTS,
    licence=_LICENCE,
    citation=_CITATION,
    figures=(
        "energy at order 1 / 2 / 3 / 4 in %: decision 54.8 / 20.0 / 10.9 / 6.2, margin 78.2 / "
        "16.7 / 3.9 / 0.8, means of five instances; network as in mnist-hidden; 0.6 million "
        "rows/s, 24% of it outside the network"
    ),
)
def mnist_patches(
    seed: int,
    *,
    readout: Literal["margin", "decision"] = "decision",
    subsets: Subsets = 10,
) -> Instance:
    """16 patches of one test image, switched between its own ink and a blank.

    The function is the class that the perceptron sees in the whole image, and sees rightly,
    against the rest. The truth is the largest coefficients of the transform of all 65,536
    patterns. An image is taken if at least a tenth of the patterns change the decision.

    Parameters
    ----------
    readout
        The margin, or its sign.
    subsets
        How many of the largest coefficients count as the truth; subsets tied with the last one
        count too.
    """
    from actspec_bench.tasks.networks.mnist import patches

    return patches(seed, readout=readout, subsets=subsets)


@task(
    "mnist-channels",
    truth="enumerated",
    main_metric="subset_f1",
    chance="see the rows `random` and `constant`",
    ceiling="1",
    data=_DATA,
    needs=("mnist",),
    imports=_IMPORTS,
    licence=_LICENCE,
    citation=_CITATION,
    figures=(
        "energy at order 1 / 2 / 3 / 4 in %: decision 46.7 / 19.1 / 4.5 / 6.0, margin 95.8 / "
        "2.9 / 0.7 / 0.3, means of five instances; 97.8 to 98.3% of the test digits right "
        "(five networks), 13 s to train; 0.15 million rows/s, 4% of it outside the network"
    ),
)
def mnist_channels(
    seed: int,
    *,
    readout: Literal["margin", "decision"] = "decision",
    subsets: Subsets = 10,
) -> Instance:
    """16 channels of a small convolutional network, each its own map for an image or the mean's.

    Two convolutions of 16 and 32 channels, trained per instance for five epochs. A unit is a
    channel of the first, after pooling: on, it is the map of one test image, off, the mean map
    over the training images. Function, truth and choice of the image as in `mnist-patches`.

    Parameters
    ----------
    readout
        The margin, or its sign.
    subsets
        How many of the largest coefficients count as the truth; subsets tied with the last one
        count too.
    """
    from actspec_bench.tasks.networks.mnist import channels

    return channels(seed, readout=readout, subsets=subsets)
