"""Writes, removes and examines launchers."""

from __future__ import annotations

import contextlib
import enum
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from azext_login.errors import AccountError, StoreError
from azext_login.system.command_line import Command
from azext_login.system.directory import Entry, PrivateDirectory
from azext_login.system.entries import open_regular
from azext_login.system.files import read_bytes, write_atomically
from azext_login.system.links import PRIVATE_DIRECTORY, can_be_replaced_in, changeable_by_others
from azext_login.system.posix import this_user
from azext_login.usecases.token_helper.launcher import LARGEST, Launcher, read_script, script_of
from azext_login.usecases.token_helper.places import (
    default_directory,
    file_name,
    is_on_path,
    is_same,
    programs_on_path,
)

_GROUP = ("az", "account", "token-helper")
_EXECUTABLE = 0o755
_OPEN_DIRECTORY = 0o755


class State(enum.Enum):
    """What a program called `az-token` is, and whether it can work."""

    READY = "ready"
    OTHER_INSTALLATION = "other installation"
    """A launcher that works, but starts another Azure CLI or another extension than those that examine it."""
    BROKEN = "broken"
    """A launcher that names a file that is missing."""
    OTHER_PROGRAM = "other program"


@dataclass(frozen=True)
class HelperStatus:
    """A program called `az-token`."""

    path: Path
    launcher: Launcher | None
    """None for a program of another author."""
    state: State
    missing: str | None
    """The path of the file that is missing."""
    is_on_path: bool
    shadowed_by: Path | None
    """The program that the name `az-token` starts in its place."""


def command(verb: str, directory: Path) -> Command:
    """Return the command of the group for a directory."""
    words = Command((*_GROUP, verb))
    return words if directory == default_directory() else words.with_option("--to", str(directory))


def install(directory: Path, launcher: Launcher) -> HelperStatus:
    """Write the launcher, and return what became of it. One that the extension wrote before is replaced.

    :raises AccountError: another program has the name of the launcher, or a user would run files of another one.
    :raises StoreError: the directory or the file cannot be written.
    """
    mode = _OPEN_DIRECTORY if _is_for_all_users(directory) else PRIVATE_DIRECTORY
    entry = PrivateDirectory(directory, mode=mode) / file_name()
    _refuse_other_program(entry, "replaced", "Remove it, or choose another directory with --to.")
    _refuse_files_of_others(entry, launcher)
    try:
        script = script_of(launcher, install=str(command("install", directory)), is_windows=sys.platform == "win32")
    except ValueError:
        raise StoreError(
            "The launcher was not written, because the path of the Azure CLI or of the extension has a character that "
            "a script cannot contain.",
            "Set AZURE_EXTENSION_DIR to another directory, and add the extension there; then run the command again.",
        ) from None
    write_atomically(entry, script, mode=_EXECUTABLE)
    return examine(entry.path, launcher)


def uninstall(directory: Path) -> None:
    """Remove the launcher.

    :raises AccountError: there is none, or the program of this name is of another author.
    :raises StoreError: it cannot be removed.
    """
    entry = PrivateDirectory(directory) / file_name()
    _refuse_other_program(entry, "removed", "If you do not need it, remove it yourself.")
    try:
        entry.unlink()
    except (FileNotFoundError, NotADirectoryError):
        others = [found.path.parent for found in find(()) if found.launcher is not None]
        raise AccountError(
            f"There is no launcher in {directory}. Nothing was removed.",
            f"To remove the one in {others[0]}, run:\n{command('uninstall', others[0])}"
            if others
            else f"If it is in another directory, name that one:\n{Command((*_GROUP, 'uninstall'))} --to DIRECTORY",
        ) from None
    except OSError as error:
        raise StoreError(
            f"{entry} could not be removed: {error.strerror or error}.",
            f"Remove it, or make {directory} writable; then run the command again.",
        ) from error


def find(directories: tuple[Path, ...], current: Launcher | None = None) -> list[HelperStatus]:
    """Return every program called `az-token`: in the usual directory, in the given ones, and on PATH.

    :param current: what a launcher of the running Azure CLI names, if that is known.
    """
    paths: list[Path] = []
    candidates = (*programs_on_path(), *(each / file_name() for each in (default_directory(), *directories)))
    for path in candidates:
        if os.path.lexists(path) and not any(is_same(path.parent, known.parent) for known in paths):
            paths.append(path)
    return [examine(path, current) for path in paths]


def examine(path: Path, current: Launcher | None) -> HelperStatus:
    """Return what a program is, whether it can work, and whether its name starts it."""
    launcher = _read(path)
    missing = launcher.missing() if launcher is not None else None
    on_path = is_on_path(path.parent)
    first = next(programs_on_path(), None) if on_path else None
    if launcher is None:
        state = State.OTHER_PROGRAM
    elif missing is not None:
        state = State.BROKEN
    elif current is not None and not launcher.starts_as(current):
        state = State.OTHER_INSTALLATION
    else:
        state = State.READY
    shadowed_by = None if first is None or is_same(first, path) else first
    return HelperStatus(path, launcher, state, missing, on_path, shadowed_by)


def is_open_to_others(directory: Path) -> bool:
    """Tell whether other users can put another program in the place of one in this directory."""
    with contextlib.suppress(OSError):
        opened = PrivateDirectory(directory)
        descriptor = opened.descriptor()
        return descriptor is not None and can_be_replaced_in(descriptor)
    return False


def _read(path: Path) -> Launcher | None:
    """Return the launcher that a path leads to, also through links; None for everything else."""
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY, limit=LARGEST), "rb") as stream:
            return read_script(stream.read())
    except OSError:
        return None


def _refuse_other_program(entry: Entry, verb: str, advice: str) -> None:
    """:raises AccountError: the name stands for something that the extension did not write."""
    try:
        mode = entry.status().st_mode
    except OSError:
        return  # Nothing is there, or writing will report why it cannot be seen.
    if stat.S_ISREG(mode):
        try:
            if read_script(read_bytes(entry, limit=LARGEST)) is not None:
                return
            reason = "it was not written by this extension"
        except OSError as error:
            reason = f"it could not be read ({error.strerror or error})"
    else:
        reason = "it is not a regular file"
    raise AccountError(f"{entry} was not {verb}, because {reason}. Nothing was changed.", advice)


def _refuse_files_of_others(entry: Entry, launcher: Launcher) -> None:
    """As the superuser, write no launcher for all users whose files another user can change.

    :raises AccountError: that is the case.
    """
    if sys.platform == "win32" or this_user() != 0:
        return
    trusted = {0, _owner_of(entry.directory.path)}
    for path in (launcher.program, launcher.interpreter):
        try:
            changeable = changeable_by_others(Path(path), trusted)
        except OSError as error:
            raise AccountError(
                f"{entry} was not written, because {path} could not be examined: {error.strerror or error}. Nothing "
                "was changed.",
                "Run the command again with an Azure CLI and an extension that every user can read.",
            ) from error
        if changeable is not None:
            raise AccountError(
                f"{entry} was not written, because {changeable} belongs to another user or can be written to by one, "
                "who could change what all users of this directory run. Nothing was changed.",
                "Run the command as that user and without --to, or install the Azure CLI and the extension for all "
                "users: in directories that belong to the superuser, and that no other user can write to. "
                "AZURE_EXTENSION_DIR names the one for extensions.",
            )


def _is_for_all_users(directory: Path) -> bool:
    """Tell whether the superuser installs for others: into a directory of the superuser, but not into the usual one."""
    if sys.platform == "win32" or this_user() != 0:
        return False
    return directory != default_directory() and _owner_of(directory) == 0


def _owner_of(directory: Path) -> int:
    """Return the owner of a directory, or of the nearest one above it that exists."""
    for path in (directory, *directory.parents):
        with contextlib.suppress(OSError):
            return path.stat().st_uid
    return 0
