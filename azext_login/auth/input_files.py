"""Reading the small files that somebody names: bounded, and with errors that say what is wrong with the path."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from azext_login.errors import SignInError

_NOTHING_SENT = "Nothing was sent, and nothing that was stored has changed."


def refusal(message: str, next_step: str) -> SignInError:
    """Return the error for input that cannot be used, found before anything was sent."""
    return SignInError(f"{message} {_NOTHING_SENT}", next_step=next_step)


def read_input_file(path: Path, *, what: str, limit: int) -> bytes:
    """Return the content of a file, which is not empty.

    Only regular files (and links to them) are read: a pipe would be empty the second time, and every later token
    request reads the file again.

    :param what: what the file should be, for example "the certificate file".
    :param limit: the most that is read, in bytes.
    :raises SignInError: the file is missing, empty, too large, something else than a file, or not readable.
    """
    shown = os.path.abspath(path)
    problem: OSError | ValueError
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise refusal(f"{shown} is a directory.", f"Give the path of {what} in it.")
        if not stat.S_ISREG(mode):
            raise refusal(
                f"{shown} is not a regular file, and it has to be read again later.",
                f"Save {what} on the disk, readable by you alone, and give that path.",
            )
        with open(path, "rb") as stream:
            content = stream.read(limit + 1)
    except FileNotFoundError:
        problem = FileNotFoundError("there is no such file")
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        problem = error
    else:
        if not content:
            raise refusal(f"{shown} is empty.", f"Write {what} again; then run the command again.")
        if len(content) > limit:
            raise refusal(f"{shown} is larger than {limit // 1024} KB.", f"Check that the path is that of {what}.")
        return content
    raise refusal(
        f"{shown} could not be read: {getattr(problem, 'strerror', None) or problem}.",
        f"Check the path of {what} and who may read it; then run the command again.",
    ) from problem


def decode_text(content: bytes) -> str:
    """Return text whatever an editor or a shell made of it; what is not UTF-8 turns into U+FFFD.

    Windows PowerShell writes UTF-16 with a byte order mark when it redirects to a file, and editors write one in UTF-8.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")
