"""What `account status` checks: one module per kind of check, each of which returns records."""
