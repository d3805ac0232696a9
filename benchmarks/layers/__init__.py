"""Answers about layers whose units depend on each other, ours and other people's, side by side."""
