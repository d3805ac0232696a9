"""Suite -> cells -> records: planned, run in processes of their own, scored and stored."""

__all__ = ["cell", "peak", "plan", "runner", "session", "suites", "threads"]
