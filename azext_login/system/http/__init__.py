"""HTTP sessions with bounded waits and retries, and the errors of connections."""
