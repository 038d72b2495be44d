"""Wait for something to be the case, instead of for so many seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(look: Callable[[], Found]) -> Found:
    """Look again and again until there is something, and return it; fail the test if that takes two minutes."""
    deadline = time.monotonic() + 120
    while not (found := look()):
        assert time.monotonic() < deadline, "what the test waits for did not come within two minutes"
        time.sleep(0.02)
    return found
