"""MNIST tasks: a perceptron's hidden units, pixels and patches, a convolution's channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actspec_bench.tasks.kinds.hidden import hidden_task
from actspec_bench.tasks.kinds.masked import masked_task
from actspec_bench.tasks.kinds.recoded import recoded_task

if TYPE_CHECKING:
    from actspec_bench.tasks.enumeration.parts import Parts
    from actspec_bench.tasks.networks.bottleneck import Bottleneck

_MNIST: dict[str, Any] = {
    "data": "MNIST: 60,000 training and 10,000 test digits, pooled to 14x14 by the mean",
    "needs": ("mnist",),
    "imports": ("actspec_bench.tasks.networks.mnist",),
    "licence": "CC BY-SA 3.0 (sources disagree; the stricter reading)",
    "citation": "data: LeCun, Cortes & Burges 2010; network: the code of Reing, Ver Steeg & "
    "Galstyan 2025, github.com/kylereing/ActSpec, act_spec_models.py",
}


@hidden_task(
    "mnist-hidden",
    classes=10,
    against=True,
    **_MNIST,
    figures=(
        "97.7 to 97.9% of the test digits right (five networks), 5 s to train; 5.4 million "
        "rows/s in calls of 4,096, 37% of it outside the network, a single 256 to 10 layer"
    ),
)
def mnist_hidden(seed: int) -> Bottleneck:
    """256 hidden units of an MNIST perceptron, over its training images.

    A 196-256-10 ReLU network is trained per instance: dropout 0.2, Adam, 10 epochs, batches of
    128. The function is one digit against the rest: its logit minus the best other, or the
    sign; ``[target=7]`` is the setting that the authors' script runs, a 7 against the rest over
    all images, and ``[target=7,against=1,rows=predicted,balanced=true]`` the two-digit one that
    it offers: as many images predicted as 7 as predicted as 1, and +1 where a 7 is predicted.
    The rows to explain are 16 images that the network takes for the digit and 16 that it does
    not; scores use test images.
    """
    from actspec_bench.tasks.networks.mnist import layer

    return layer(seed)


@hidden_task(
    "mnist-pixels",
    classes=10,
    against=True,
    **_MNIST,
    figures=(
        "network as in mnist-hidden; 0.8 million rows/s in calls of 4,096, 8% of it outside "
        "the network"
    ),
)
def mnist_pixels(seed: int) -> Bottleneck:
    """196 pixels of MNIST images, on where there is ink, as units of the same perceptron.

    The function, the rows and the parameters are those of `mnist-hidden`; mixtures of images
    are made pixel by pixel.
    """
    from actspec_bench.tasks.networks.mnist import pixels

    return pixels(seed)


@masked_task(
    "mnist-patches",
    **_MNIST,
    figures=(
        "energy at order 1 / 2 / 3 / 4 in %: decision 54.8 / 20.0 / 10.9 / 6.2, margin 78.2 / "
        "16.7 / 3.9 / 0.8, means of five instances; network as in mnist-hidden; 0.6 million "
        "rows/s, 24% of it outside the network"
    ),
)
def mnist_patches(seed: int) -> Parts:
    """16 patches of one test image, switched between its own ink and a blank.

    The function is the class that the perceptron sees in the whole image, and sees rightly,
    against the rest. The truth is the largest coefficients of the transform of all 65,536
    patterns. An image is taken if at least a tenth of the patterns change the decision.
    """
    from actspec_bench.tasks.networks.mnist import patches

    return patches(seed)


@masked_task(
    "mnist-channels",
    **_MNIST,
    figures=(
        "energy at order 1 / 2 / 3 / 4 in %: decision 46.7 / 19.1 / 4.5 / 6.0, margin 95.8 / "
        "2.9 / 0.7 / 0.3, means of five instances; 97.8 to 98.3% of the test digits right "
        "(five networks), 13 s to train; 0.15 million rows/s, 4% of it outside the network"
    ),
)
def mnist_channels(seed: int) -> Parts:
    """16 channels of a small convolutional network, each its own map for an image or the mean's.

    Two convolutions of 16 and 32 channels, trained per instance for five epochs. A unit is a
    channel of the first, after pooling: on, it is the map of one test image, off, the mean map
    over the training images. Function, truth and choice of the image as in `mnist-patches`.
    """
    from actspec_bench.tasks.networks.mnist import channels

    return channels(seed)


@recoded_task(
    "mnist-recoded",
    classes=10,
    **_MNIST,
    figures=(
        "re-coding changes no output by any digit; coefficients by number of codes 1 / 2 / 3 "
        "/ 4, energy in %: 55.2 / 16.6 / 8.0 / 7.4 (decision, means of five instances); 4.2 "
        "million rows/s in calls of 4,096, 12% of it outside network and decoding"
    ),
)
def mnist_recoded(seed: int) -> Bottleneck:
    """Hidden units of the MNIST perceptron, each carried by the parity of k new units.

    The network is that of `mnist-hidden`.
    """
    from actspec_bench.tasks.networks.mnist import layer

    return layer(seed)
