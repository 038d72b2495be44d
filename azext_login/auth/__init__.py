"""Identities and tokens. No store and no command line in here."""
