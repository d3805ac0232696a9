"""Network -> source: a layer's output is read, replaced, and run on from there."""

__all__ = ["layers"]
