"""Draws of D and their values -> subsets, by regression on characters: behind `regressions`."""
