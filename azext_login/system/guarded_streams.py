"""Keeps code that is not ours away from standard output and standard input while it runs."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

_INPUT, _OUTPUT, _ERRORS = 0, 1, 2


@dataclass
class Printed:
    """Whether something was written to standard output. To be read after the block."""

    anything: bool = False


@contextlib.contextmanager
def guarded_streams(*, may_prompt: bool) -> Iterator[Printed]:
    """Run a block of which nothing reaches standard output: the results of commands go there.

    Applies to the whole process, and to programs that the block starts. Only one thread may be in such a block.

    :param may_prompt: whether the block may ask a user at the terminal. What it prints then goes to standard error.
        Otherwise it is discarded, and standard input is empty.
    """
    printed = Printed()
    with contextlib.ExitStack() as stack:
        discarded = None if may_prompt else stack.enter_context(tempfile.TemporaryFile())
        if discarded is None:
            stack.enter_context(_replaced(_OUTPUT, _ERRORS))
        else:
            nothing = stack.enter_context(open(os.devnull, "rb"))
            stack.enter_context(_replaced(_INPUT, nothing.fileno()))
            stack.enter_context(_replaced(_OUTPUT, discarded.fileno()))
        try:
            yield printed
        finally:
            _flush()
            if discarded is not None:
                printed.anything = os.fstat(discarded.fileno()).st_size > 0


@contextlib.contextmanager
def _replaced(descriptor: int, other: int) -> Iterator[None]:
    """Let a descriptor be a copy of another one. One that is closed, or that has no copy, stays as it is."""
    _flush()
    try:
        saved = os.dup(descriptor)
    except OSError:
        yield
        return
    try:
        os.dup2(other, descriptor)
        yield
    finally:
        _flush()
        os.dup2(saved, descriptor)
        os.close(saved)


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
