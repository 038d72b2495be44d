"""`make smoke`: the few commands that have to work on every system, against the local cloud."""
