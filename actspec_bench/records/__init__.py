"""Outcome -> record: what is stored of a cell, where it was made, and how it lies on disk."""

__all__ = ["privacy", "provenance", "record", "results", "store"]
