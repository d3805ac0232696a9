"""Attribution -> how distributed a function is: energies, joint effects, pictures, traces."""

__all__ = ["distributedness", "found", "report"]
