"""One use case per module, with input and output records. No command line, and nothing is printed."""
