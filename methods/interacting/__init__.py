"""Rows against baselines -> what subsets of units do together: the numerics of `interactions`."""
