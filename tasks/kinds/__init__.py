"""What a network offers -> tasks: the kinds of task that any network can have, one file a kind."""
