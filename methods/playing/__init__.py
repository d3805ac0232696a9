"""Problem -> coalition game -> what the optional library shapiq reads from it."""
