"""One module per way to sign in."""
