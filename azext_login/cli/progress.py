"""One line on the terminal that shows the progress of a discovery."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azext_login.host import switch
from azext_login.system.terminal.streams import is_terminal
from azext_login.system.text import printable

if TYPE_CHECKING:
    from azext_login.resource_manager.discovery import Progress
    from azext_login.resource_manager.resources import Tenant

# Seconds before the line appears. A line that disappears after a moment cannot be read.
_DELAY = 0.5

# Columns for the host's spinner and its dots, and the last column, after which some terminals start a new line.
_ROOM_FOR_SPINNER = 7


@contextmanager
def progress_line(cli_ctx: Any) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows a discovery's progress with the host's progress hook. Remove the line at the end.

    Nothing is shown if standard error is not a terminal, with --only-show-errors, or with the host's setting
    `core.disable_progress_bar`.
    """
    is_unwanted = cli_ctx.only_show_errors or switch(cli_ctx.config, "disable_progress_bar", False)
    if is_unwanted or not is_terminal(sys.stderr):
        yield lambda progress: None
        return
    import time

    began = time.monotonic()
    controller = None
    last: Progress | None = None

    def show(progress: Progress) -> None:
        nonlocal controller, last
        if controller is None:
            if time.monotonic() - began < _DELAY:
                return
            controller = cli_ctx.get_progress_controller()
            controller.begin(message=line_of(progress, _width()))
        else:
            controller.add(message=line_of(progress, _width()))
        last = progress

    try:
        yield show
    finally:
        if controller is not None and last is not None:
            # The host draws the message once more and then removes it. An empty message would show a text of the host.
            controller.end(message=line_of(last, _width()))


def line_of(progress: Progress, width: int) -> str:
    """Return the line, no longer than `width` columns."""
    if not progress.tenants:
        return "looking for tenants"[:width]
    line = (
        f"{progress.answered} of {progress.tenants} {_plural(progress.tenants, 'tenant')}, "
        f"{progress.subscriptions} {_plural(progress.subscriptions, 'subscription')}"
    )
    waiting = [_name(tenant) for tenant in progress.waiting_for]
    for shown in range(min(len(waiting), 3), 0, -1):
        rest = f" and {len(waiting) - shown} more" if len(waiting) > shown else ""
        longer = f"{line}; waiting for {', '.join(waiting[:shown])}{rest}"
        if _columns(longer) <= width:
            return longer
    return line[:width]


def _name(tenant: Tenant) -> str:
    return printable(tenant.display_name or tenant.id)


def _columns(text: str) -> int:
    """Return how many columns a text takes at most. The host cannot erase a line that is wider than the terminal."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"


def _width() -> int:
    return max(20, shutil.get_terminal_size().columns - _ROOM_FOR_SPINNER)
