"""How long a command may wait for things that we add to its request, if a program waits for the command.

Programs that run `az account get-access-token` stop it after ten seconds (azure-identity's AzureCliCredential) and take
that for a missing Azure CLI. So all these waits of such a command fit into one budget, which begins with the process.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BUDGET = 8.5
"""Seconds from the start of the process. The rest of the ten is for printing an error and for ending the process."""

SILENT_WAIT = 2.0
"""Seconds. A wait that is not longer is not announced: the line would come too late to be of use."""

_REQUEST = 1.0
"""Seconds to keep for a request that follows a wait."""

_IMPORTED = time.monotonic()

# The end of the budget of the running command (monotonic time) and its clock; None for a command without one.
_running: tuple[Callable[[], float], Callable[[], float]] | None = None


@contextmanager
def limit_waits(
    *, clock: Callable[[], float] = time.monotonic, process_age: Callable[[], float] | None = None
) -> Iterator[None]:
    """Limit the waits of the block, or of the function that this decorates, to `BUDGET`.

    :param clock: returns seconds of a clock that never goes back.
    :param process_age: returns the age of this process in seconds. Called before the first wait, because it is slow on
        some systems.
    """
    global _running  # one command runs in a process at a time, and its threads share the budget
    before, began, end = _running, clock(), None

    def end_of_budget() -> float:
        nonlocal end
        if end is None:
            now = clock()
            age = (process_age or _process_age)()
            # In `az interactive`, many commands run in one process, so an older process tells nothing.
            end = (now - age if 0 <= age < BUDGET + now - began else began) + BUDGET
        return end

    _running = (end_of_budget, clock)
    try:
        yield
    finally:
        _running = before


def longest_wait(wanted: float, *, before_request: bool = False) -> float:
    """Return the seconds to wait: `wanted`, or less if the budget of the running command is nearly used up.

    :param before_request: whether a request follows the wait.
    """
    return max(0.0, min(wanted, _left(before_request))) if wanted > 0 else 0.0


def fits(pause: float) -> bool:
    """Tell whether a pause and the request after it fit into the budget of the running command."""
    return pause <= _left(before_request=True)


def _left(before_request: bool) -> float:
    if _running is None:
        return math.inf
    end_of_budget, clock = _running
    return end_of_budget() - clock() - (_REQUEST if before_request else 0.0)


def _process_age() -> float:
    """Return for how many seconds this process has run; where that is unknown, those since this module was imported."""
    since_import = time.monotonic() - _IMPORTED
    try:
        if sys.platform == "linux":
            with open("/proc/self/stat", encoding="utf-8", errors="replace") as stream:
                # The name of the program comes second, in parentheses, and may contain spaces: proc_pid_stat(5).
                fields = stream.read().rpartition(")")[2].split()
            return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        import psutil

        return time.time() - float(psutil.Process().create_time())
    except (ImportError, OSError, ValueError, IndexError, AttributeError):
        return since_import
