"""Leaving Python's cycle collector out of commands that are over before it is of use."""

from __future__ import annotations

import atexit
import gc
from typing import Any


def pause(cli_ctx: Any) -> None:
    """Switch the collector off until the command has ended.

    The host makes some hundred thousand objects before it runs a command and lets go of hardly any, so each pass over
    them is in vain: together a tenth of the time of `az account show`. Reference counting goes on.
    """
    from knack.events import EVENT_CLI_POST_EXECUTE

    if gc.isenabled():
        gc.disable()
        cli_ctx.register_event(EVENT_CLI_POST_EXECUTE, lambda *_, **__: resume())


def resume() -> None:
    """Switch the collector on, in a command that takes its time."""
    gc.enable()


def skip_at_exit() -> None:
    """Leave out the collector's passes while the interpreter ends, another fifth of the time of `az account show`.

    Python collects twice then, to give memory back that the operating system takes anyway. Handlers registered with
    `atexit`, which is where files are closed and temporary ones deleted, run as ever.
    """
    # Registering twice, where one process invokes several commands, does no harm.
    atexit.register(gc.freeze)
