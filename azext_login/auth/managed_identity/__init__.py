"""Managed identities and Cloud Shell: where their tokens come from, and what those services answer."""
