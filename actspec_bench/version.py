"""The release, for the package, its command line and its records."""

__version__ = "0.1.0"
