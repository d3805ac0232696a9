"""Trained networks and what they offer tasks: layers, and parts of inputs to be switched."""
