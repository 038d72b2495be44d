"""Managed identities and Cloud Shell: the services that issue their tokens, and the errors of those services."""
