"""Tokens and credentials on the disk: the token cache, service principal entries, and their locks."""
