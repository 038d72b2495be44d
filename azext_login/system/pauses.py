"""Pauses before a request is repeated, and the line that tells a user at a terminal what a command waits for."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

from azext_login.system.log import get_logger
from azext_login.system.patience import SILENT_WAIT
from azext_login.system.terminal.streams import is_terminal
from azext_login.system.threads import serves_main_thread

logger = get_logger(__name__)

# Seconds. Two minutes are "120 seconds", and more are minutes.
_UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))


def pause(seconds: float, service: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait before a request to a service is repeated."""
    if seconds >= SILENT_WAIT:
        announce(f"{service} is busy. The next attempt is in {describe(seconds)}.")
    sleep(seconds)


def announce(text: str) -> None:
    """Show on a terminal what the command waits for, except with --only-show-errors.

    A thread of a search shows nothing, because the line of progress names the tenants that have not answered.
    """
    if is_terminal(sys.stderr) and serves_main_thread():
        logger.warning("%s", text)
    else:
        logger.info("%s", text)


def describe(seconds: float) -> str:
    """Return a pause in words, in whole units that are not too few."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds > 2 * size or size == 1)
    whole = math.ceil(seconds / size)
    return f"1 {unit}" if whole == 1 else f"{whole} {unit}s"
