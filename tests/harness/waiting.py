"""Wait for something to be the case, instead of for so many seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(look: Callable[[], Found], what: str = "it") -> Found:
    """Look again and again until there is something, and return it; fail the test if that takes a minute.

    what: what is waited for, for the message.
    """
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} was not the case within a minute"
        time.sleep(0.02)
    return found
