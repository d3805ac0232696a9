"""Searches for planted subsets, ours and other people's, side by side in one run."""
