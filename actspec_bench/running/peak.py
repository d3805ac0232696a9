"""Process -> MiB: the peak resident memory of a stretch of code."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PeakMemory"]


class PeakMemory:
    """Peak resident memory from construction on, as Linux counts it (proc(5), VmHWM)."""

    def __init__(self) -> None:
        self._start: float | None = None
        try:
            Path("/proc/self/clear_refs").write_text("5")
            self._start = _status_mib("VmRSS")
        except OSError:
            pass

    def mib_above_start(self) -> float | None:
        """MiB of the peak above what was resident at the start; None where not known."""
        if self._start is None:
            return None
        return max(0.0, _status_mib("VmHWM") - self._start)


def _status_mib(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")
