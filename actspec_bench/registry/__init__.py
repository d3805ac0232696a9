"""Names -> tasks, methods and metrics: what is registered, with its card and its parameters."""

__all__ = ["cards", "entries", "plugins", "sourcehash", "specs"]
