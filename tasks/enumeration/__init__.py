"""Parts of one input, switched on and off: the input is chosen, and all patterns enumerated."""
