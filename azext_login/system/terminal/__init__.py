"""The terminal: what it can do, and reading a line that may be pasted."""
