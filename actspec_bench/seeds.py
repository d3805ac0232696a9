"""Names -> seeds: every random number of a run hangs on what it is for, never on when it ran."""

from __future__ import annotations

import hashlib
import json
from typing import Any

__all__ = ["canonical_json", "digest", "seed_from"]


def canonical_json(value: Any) -> str:
    """Serialise ``value`` in the one form that hashes and exports use."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(*parts: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of ``parts``."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def seed_from(*parts: Any) -> int:
    """Return a seed in [0, 2^63) that depends on ``parts`` and on nothing else."""
    return int(digest(*parts)[:16], 16) >> 1
