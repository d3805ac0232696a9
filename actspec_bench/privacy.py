"""Text -> text that can be published: no folder of the machine it was written on."""

from __future__ import annotations

import re

__all__ = ["without_folders"]

_PATH = re.compile(r"(?<![\w/.~])~?(?:/[^\s/:'\"<>|]+)+/([^\s/:'\"<>|]+)")


def without_folders(text: str) -> str:
    """Replace each absolute path of two parts or more by an ellipsis and its last part."""
    return _PATH.sub(r"…/\1", text)
