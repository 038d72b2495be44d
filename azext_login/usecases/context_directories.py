"""Which directories choose a context: the files `.azure-context` that count are written or allowed here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from azext_login.errors import AccountError, StoreError
from azext_login.profile.choosers import FILE_NAME
from azext_login.profile.context_file import ContextFile, directory_key, find_context_file, read_context_file
from azext_login.system.directory import PrivateDirectory
from azext_login.system.files import write_atomically
from azext_login.system.text import printable
from azext_login.usecases.contexts import require_context

if TYPE_CHECKING:
    from azext_login.usecases.session import Session


def allow_directory(session: Session) -> ContextFile:
    """Let the nearest file `.azure-context` choose the context that it contains now, and return the file.

    :raises AccountError: there is no file, it cannot be used, or there is no context with the name.
    :raises StoreError: it cannot be stored.
    """
    file = find_context_file()
    if file is None:
        raise AccountError(
            f"There is no file {FILE_NAME} in this directory or its parents.",
            "To create one, run:\naz account context pin --name NAME",
        )
    return _allow(session, file)


def revoke_directory(session: Session) -> ContextFile | None:
    """Let the nearest file not choose a context any more. Return the file, or None if there is none.

    Without a file, the working directory is not allowed to have one any more.

    :raises StoreError: it cannot be stored.
    """
    file = find_context_file()
    key = file.key if file is not None else directory_key(_working_directory())
    with session.change() as state:
        state.allowed.pop(key, None)
    return file


def pin_directory(session: Session, name: str) -> ContextFile:
    """Let the file of the working directory choose a context: write the file, and allow it.

    :raises AccountError: there is no such context, or the file cannot be replaced.
    :raises StoreError: the file cannot be written, or that it is allowed cannot be stored.
    """
    context = require_context(session.state(), name)
    directory = _working_directory()
    file = PrivateDirectory(Path(directory)) / FILE_NAME
    before = read_context_file(directory)
    if before is not None and before.name is None and not os.path.isfile(file.path):
        raise AccountError(f"{printable(file)} was not written, because something else has its name.", "Remove it.")
    if os.path.islink(file.path):
        raise AccountError(f"{printable(file)} was not written, because it is a symbolic link.", "Remove the link.")
    write_atomically(file, f"{context.name}\n".encode("ascii"))
    written = read_context_file(directory)
    if written is None or written.name != context.name:
        raise StoreError(f"{printable(file)} was replaced by another process.", "Run the command again.")
    return _allow(session, written)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise AccountError("The working directory does not exist any more.", "Change to another directory.") from error


def _allow(session: Session, file: ContextFile) -> ContextFile:
    if file.name is None:
        raise AccountError(
            f"{printable(file.path)} cannot choose a context, because {file.problem}.",
            "Remove it. To choose a context for this directory, then run:\naz account context pin --name NAME",
        )
    with session.change() as state:
        require_context(state, file.name)
        state.allowed[file.key] = file.name
    return file
