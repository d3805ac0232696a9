"""Names -> tasks, methods and metrics: what is registered, with its card and its parameters."""

__all__ = ["cards", "decorators", "entries", "plugins", "sourcehash", "specs", "telling"]
