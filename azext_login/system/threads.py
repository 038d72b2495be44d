"""Threads that do not keep the process alive."""

from __future__ import annotations

import threading
from collections.abc import Callable


def start_thread(work: Callable[[], object]) -> threading.Thread | None:
    """Run `work` in a new daemon thread, and return the thread; None if the system allows no more threads."""
    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread
