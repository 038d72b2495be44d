"""`make demo` and `make demo-shell`: the extension at work on this machine, with a cloud of its own."""
