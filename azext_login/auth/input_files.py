"""Reads the small files that users name, up to a limit, with errors that explain what is wrong with the path."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from azext_login.errors import RefusalKind, SignInError
from azext_login.system.entries import NotRegularError, open_regular

_NOTHING_SENT = "Nothing was sent, and nothing that was stored has changed."


def refusal(message: str, next_step: str, *, kind: RefusalKind | None = None) -> SignInError:
    """Return the error for unusable input that was found before anything was sent.

    :param kind: the reason for which the sign-in service would refuse; None if it is another one.
    """
    return SignInError(f"{message} {_NOTHING_SENT}", next_step=next_step, kind=kind)


def read_input_file(path: Path, *, what: str, limit: int) -> bytes:
    """Return the content of a file that is not empty.

    Only regular files (and links to them) are read. Every later token request reads the file again, and a pipe would
    be empty then.

    :param what: the purpose of the file, for example "the certificate file".
    :param limit: the largest allowed size, in bytes.
    :raises SignInError: the file is missing, empty, too large, not a regular file, or not readable.
    """
    shown = os.path.abspath(path)
    problem: OSError | ValueError
    try:
        with open(path, "rb", opener=open_regular) as stream:
            content = stream.read(limit + 1)
    except FileNotFoundError:
        problem = FileNotFoundError("there is no such file")
    except IsADirectoryError as error:
        raise refusal(f"{shown} is a directory.", f"Give the path of {what} in that directory.") from error
    except NotRegularError as error:
        raise refusal(
            f"{shown} is not a regular file. Later commands have to read it again.",
            f"Save {what} to the disk, readable by you alone, and give that path.",
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        problem = error
    else:
        if not content:
            raise refusal(f"{shown} is empty.", f"Create {what} again; then run the command again.")
        if len(content) > limit:
            raise refusal(f"{shown} is larger than {limit // 1024} KB.", f"Check that this is the path of {what}.")
        return content
    raise refusal(
        f"{shown} could not be read: {getattr(problem, 'strerror', None) or problem}.",
        f"Check the path of {what} and its access rights; then run the command again.",
    ) from problem


def decode_text(content: bytes) -> str:
    """Decode text as editors and shells write it: UTF-8, or UTF-16 with a byte order mark.

    Windows PowerShell redirects to files in UTF-16. Some editors write a byte order mark in UTF-8, which is removed.
    Invalid bytes become U+FFFD.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")
