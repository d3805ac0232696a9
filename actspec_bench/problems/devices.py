"""Name -> device: where networks are evaluated, and how many rows at a time.

Rows, draws and random numbers stay on the CPU whatever the device, so that they are the same
everywhere; only the function that is explained runs on the device.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

from actspec_bench.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "DEVICES",
    "MOST_ROWS",
    "chosen",
    "described",
    "placed",
    "resolve",
    "rows_per_batch",
    "use",
]

DeviceName = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)
MOST_ROWS = 16_384
CPU_BATCH_BYTES = 2**24
CUDA_BATCH_SHARE = 1 / 16
_chosen = "cpu"


def resolve(name: str) -> str:
    """``"cpu"`` or ``"cuda"`` of a name in `DEVICES`; ``"auto"`` is CUDA where there is one.

    Raises
    ------
    UsageError
        The name is unknown, or CUDA is asked for where torch finds none.
    """
    if name not in DEVICES:
        raise UsageError(f"the device must be auto, cpu or cuda, not {name!r}")
    if name == "cpu":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise UsageError(
            f"torch {torch.__version__} finds no CUDA device here; use --device cpu, or install a "
            "CUDA build of torch and its driver"
        )
    return "cpu"


def use(name: str) -> None:
    """Evaluate tasks' networks on the device ``name`` in this process from now on.

    On CUDA, torch is told to compute in full single precision and to prefer algorithms that
    give the same digits every time.
    """
    global _chosen  # noqa: PLW0603 - tasks take a seed and parameters, and no device
    _chosen = resolve(name)
    if _chosen == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        import torch

        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


def chosen() -> torch.device:
    """Device that tasks put their networks on: the CPU unless `use` said otherwise."""
    import torch

    return torch.device(_chosen)


def placed(module: nn.Module) -> nn.Module:
    """Return a module on the device `chosen`: itself on the CPU, otherwise a copy.

    Tasks make their instances on the CPU, so that they are the same everywhere, and explain the
    module that this returns.
    """
    import copy

    device = chosen()
    return module if device.type == "cpu" else copy.deepcopy(module).to(device)


def described(device: torch.device) -> dict[str, Any]:
    """What a record says about a device: its kind, and the model of one that is not the CPU."""
    import torch

    if device.type != "cuda":
        return {"device": device.type}
    return {
        "device": "cuda",
        "device_name": torch.cuda.get_device_name(device),
        "cuda": torch.version.cuda,
    }


def rows_per_batch(run: Callable[[int], object], device: torch.device) -> int:
    """Rows to evaluate at a time on ``device``, a power of two up to 16,384.

    The memory that all intermediate results of a row take together is measured, as the
    difference between two rows and one; so much is held where gradients are asked for, less
    where they are not. A batch may take 16 MiB on the CPU, about what caches hold, and a
    sixteenth of the whole memory on a GPU. Neither depends on what is free at the moment: sums
    over batches of other sizes may differ in their last digit, and the same seed must give the
    same numbers whatever else runs.

    Parameters
    ----------
    run
        Evaluates so many rows.
    device
        Where it does.
    """
    import torch

    allowed: float = CPU_BATCH_BYTES
    if device.type == "cuda":
        allowed = torch.cuda.get_device_properties(device).total_memory * CUDA_BATCH_SHARE
    each = _bytes_made(lambda: run(2)) - _bytes_made(lambda: run(1))
    affordable = int(max(1, min(MOST_ROWS, allowed // max(each, 1))))
    return 1 << (affordable.bit_length() - 1)


def _bytes_made(run: Callable[[], object]) -> int:
    """Bytes of all distinct memory that the operations of ``run`` return."""
    import torch
    from torch.overrides import TorchFunctionMode

    storages: dict[int, torch.UntypedStorage] = {}

    class Weigh(TorchFunctionMode):
        """Holds what operations return, so that no memory is handed out twice."""

        def __torch_function__(
            self, operation: Any, _types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            returned = operation(*args, **(kwargs or {}))
            for item in returned if isinstance(returned, (tuple, list)) else (returned,):
                if isinstance(item, torch.Tensor):
                    storage = item.untyped_storage()
                    storages[storage.data_ptr()] = storage
            return returned

    with torch.no_grad(), Weigh():
        run()
    return sum(storage.nbytes() for storage in storages.values())
