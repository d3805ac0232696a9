r"""Network after a layer -> the same with the gradients of layer-wise relevance propagation.

A rule passes relevance from the outputs of a layer to its inputs in proportion to what these
contribute, so that relevance is input times a multiplier, and multipliers are passed on as
gradients are, but where a module is not linear (Ancona et al. 2018, proposition 1). So only such
modules get another gradient, and all that is linear between modules is right as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from actspec_bench.errors import NotApplicable
from actspec_bench.methods.attributing.network import AfterLayer, Call, Passage

if TYPE_CHECKING:
    from jaxtyping import Float

__all__ = ["Rule", "propagating_relevance"]

Rule = Literal["gamma", "epsilon"]

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# Linear, or linear pieces that meet in 0: their gradient passes relevance in proportion.
LINEAR = (
    *WEIGHTED, nn.Identity, nn.Flatten, nn.Unflatten, nn.ReLU, nn.LeakyReLU, nn.PReLU,
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d,
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d,
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
)  # fmt: skip
# One number at a time, and 0 of 0.
ELEMENTWISE = (nn.Tanh, nn.GELU, nn.SiLU, nn.ELU, nn.SELU, nn.Softsign, nn.Hardtanh, nn.ReLU6)

LINEAR_FUNCTIONS = {
    "add", "__add__", "__radd__", "__iadd__", "add_", "sub", "__sub__", "__rsub__", "rsub",
    "neg", "__neg__", "cat", "concat", "stack", "sum", "mean", "__getitem__", "__setitem__",
    "__get__", "reshape", "view", "flatten", "unflatten", "expand", "permute", "transpose", "t",
    "movedim", "squeeze", "unsqueeze", "chunk", "split", "unbind", "select", "narrow", "pad",
    "index_select", "gather", "flip", "roll", "to", "float", "double", "clone", "contiguous",
    "type_as", "dropout", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool2d",
    "relu", "relu_", "leaky_relu", "max", "amax", "maximum", "min", "amin", "minimum", "abs",
    "max_pool1d", "max_pool2d", "_max_pool1d", "_max_pool2d",
}  # fmt: skip
# Linear in one argument while the others do not depend on the units: sums of contributions, to
# which the two rules give different shares, and products one by one.
WEIGHTED_FUNCTIONS = {
    "linear", "conv1d", "conv2d", "conv3d", "matmul", "__matmul__", "__rmatmul__", "bmm", "mm",
    "einsum",
}  # fmt: skip
LINEAR_IN_ONE = {*WEIGHTED_FUNCTIONS, "mul", "__mul__", "__rmul__", "addcmul"}
DIVISIONS = {"div", "__truediv__"}


def propagating_relevance(network: AfterLayer, rule: Rule, gamma: float) -> AfterLayer:
    r"""Hook a network so that input times gradient is relevance; its outputs stay as they are.

    With the contributions :math:`z_{jk} = a_j w_{jk}` of inputs j, the bias among them, to an
    output k, the rules for layers with weights are

    .. math:: R_j = \sum_k \frac{z_{jk}}{\sum_{j'} z_{j'k}} R_k
       \quad\text{and}\quad
       R_j = \sum_k \frac{z_{jk} + \gamma z_{jk}^*}{\sum_{j'} z_{j'k} + \gamma z_{j'k}^*} R_k,

    where :math:`z^*` are the contributions of the output's own sign: the limit of LRP-epsilon for
    a small epsilon (Montavon et al. 2019, section 10.2), and LRP-gamma (the same) as Andeol et al.
    2021 extend it to inputs of both signs. The last layer with weights has the first rule.
    Elementwise nonlinearities pass relevance on, and a maximum gives it to the largest.

    Raises
    ------
    NotApplicable
        A module has no rule, or what runs between the modules is not linear, or it has weights
        and the rule is gamma, which can be given to modules alone.
    """
    way = network.way
    for module in way.runs:
        if type(module) not in (*LINEAR, *ELEMENTWISE):
            raise NotApplicable(f"no rule passes relevance through {way.named(module)}")
    for call in way.calls:
        if call.inside not in way.runs and not _linear(call):
            raise NotApplicable(
                f"no rule passes relevance through {call.function}(), which {_caller(way, call)} "
                "calls: use a module"
            )
        if rule == "gamma" and call.inside not in way.runs and call.function in WEIGHTED_FUNCTIONS:
            raise NotApplicable(
                f"the rule gamma cannot be given to {call.function}(), which {_caller(way, call)} "
                "calls: use a module, or the rule epsilon"
            )
    weighted = [module for module in way.runs if isinstance(module, WEIGHTED)]
    for module in way.runs:
        if type(module) in ELEMENTWISE:
            module.register_forward_hook(_passed_on)
        elif rule == "gamma" and module in weighted[:-1]:
            module.register_forward_hook(_strengthened(module, gamma))
    return network


def _linear(call: Call) -> bool:
    if call.function in DIVISIONS:
        return call.dependent == 1 and call.first
    if call.function in LINEAR_IN_ONE:
        return call.dependent == 1
    return call.function in LINEAR_FUNCTIONS


def _caller(way: Passage, call: Call) -> str:
    return way.named(call.inside) if way.names[call.inside] else "the network"


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole`` as a constant, 0 where the whole is 0."""
    share: Tensor = torch.where(whole == 0, 0.0, part / whole)
    return share.detach()


def _passed_on(_module: nn.Module, args: Any, output: Tensor) -> Tensor:
    (inputs,) = args
    passed: Tensor = inputs * _share(output, inputs)
    return passed


def _strengthened(
    module: nn.Module, gamma: float
) -> Callable[[nn.Module, Any, Tensor], Float[Tensor, "rows ..."]]:
    """Make the hook by which contributions of an output's own sign count 1 + gamma times."""
    rising, falling = _clamped(module, min=0), _clamped(module, max=0)
    rising_alone, falling_alone = _unbiased(rising), _unbiased(falling)

    def hook(_module: nn.Module, args: Any, output: Tensor) -> Tensor:
        above, below = args[0].clamp(min=0), args[0].clamp(max=0)
        for_it = rising(above) + falling_alone(below)
        against = falling(above) + rising_alone(below)
        whole = output + gamma * torch.where(output > 0, for_it, against)
        return whole * _share(output, whole)

    return hook


def _clamped(module: nn.Module, **bounds: float) -> nn.Module:
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.clamp_(**bounds)
    return twin


def _unbiased(module: nn.Module) -> nn.Module:
    twin = copy.deepcopy(module)
    twin.register_parameter("bias", None)
    return twin
