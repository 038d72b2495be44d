"""Tests of the `login` extension, and the tools that they are made with."""
