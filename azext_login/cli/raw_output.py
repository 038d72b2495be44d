"""Writes text to standard output as it is, for programs that read it: the host would format a result."""

from __future__ import annotations

import os
import sys

from azext_login.system.terminal.streams import is_broken_pipe


def write_raw(text: str) -> bool:
    """Write ASCII text to standard output, and wait until it is written.

    A reader that has closed its pipe is no error: built-in commands report nothing in that case.

    :return: False if the reader has closed its pipe.
    :raises OSError: standard output cannot be written to, for example because the disk is full.
    """
    try:
        # As bytes: on Windows, text mode would add a carriage return, which shells read as a part of the value.
        stdout = getattr(sys.stdout, "buffer", None)
        if stdout is None:  # A program that runs the command in its own process collects the output.
            sys.stdout.write(text)
        else:
            stdout.write(text.encode("ascii"))
            stdout.flush()
    except OSError as error:
        is_unread = is_broken_pipe(error, sys.stdout)
        _drop_output()
        if not is_unread:
            raise
        return False
    return True


def write_text(text: str) -> None:
    """Write text to standard output as `write_raw` does, with question marks for what its encoding does not have.

    :raises OSError: standard output cannot be written to.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except OSError as error:
        is_unread = is_broken_pipe(error, sys.stdout)
        _drop_output()
        if not is_unread:
            raise


def _drop_output() -> None:
    """Discard the unwritten output, which Python would try to write again when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
