"""Suite -> cells -> records: planned, run in processes of their own, scored and stored."""

__all__ = ["cell", "plan", "runner", "session", "suites", "threads"]
