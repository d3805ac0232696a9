"""Exception -> record fields: its status, a sentence, and a traceback without folders."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from actspec_bench.records.privacy import sentence, without_folders

__all__ = ["failure"]


def failure(error: BaseException, phase: str) -> dict[str, Any]:
    """Record fields of an exception; the traceback names files without their folders."""
    if "can't allocate memory" in str(error):
        return {"status": "oom", "reason": f"out of memory in the {phase} phase"}
    if isinstance(error, SystemExit):
        reason = f"the code called sys.exit({error.code!r}) in the {phase} phase"
    else:
        reason = sentence(f"{type(error).__name__}: {error}")
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return {"status": "error", "reason": reason, "traceback": without_folders("\n".join(frames))}
