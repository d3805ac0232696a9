"""Metrics: one file a family; every module here registers what it holds."""
