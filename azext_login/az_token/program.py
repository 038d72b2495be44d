"""What `az-token` does: it writes a token from the cache, or lets `az` do it."""

from __future__ import annotations

from collections.abc import Sequence

from azext_login.az_token.hand_over import hand_over


def main(words: Sequence[str]) -> int:
    """Answer a command line, and return the exit code.

    :param words: the command line without the name of the program.
    """
    hand_over(words)
