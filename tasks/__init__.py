"""Seed -> instance: one file a family of tasks, found by its name; folders are behind them.

A file or folder with a leading underscore is passed over.
"""
