"""Patterns and values -> spectra: transforms, fits and shares of the variance, pure functions.

A *subset* of units is a sorted tuple of their indices; everything else works on tensors of
patterns in {-1, +1}^n and of values.
"""

from __future__ import annotations

__all__ = ["Subset", "energy", "fewest", "interaction", "joint", "regression", "spectrum"]

Subset = tuple[int, ...]
