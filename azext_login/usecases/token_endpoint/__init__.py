"""Serving the tokens of one account by the protocol of managed identities."""
