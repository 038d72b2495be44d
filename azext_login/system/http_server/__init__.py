"""Serving HTTP to local clients: one strict parser, one thread that no client can block."""
