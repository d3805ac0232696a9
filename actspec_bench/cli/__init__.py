"""Command line -> the rest: one module a command, each a few lines that call one function."""

__all__ = ["group"]
