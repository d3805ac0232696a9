"""Problem -> attribution: one file or folder a family of methods, found by its name alone."""
