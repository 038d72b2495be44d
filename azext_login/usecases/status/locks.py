"""The locks of the config directory: which processes hold them, and which were left by processes that were killed."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

from azext_login.auth.storage.single_flight import PATIENCE, REQUESTS
from azext_login.system.command_line import Command
from azext_login.system.directory import Entry, PrivateDirectory
from azext_login.system.file_lock import LockHolder, find_holder, held_if_free
from azext_login.usecases.isolated_run import RUNS
from azext_login.usecases.status.records import FIX, Finding, LockStatus, Outcome
from azext_login.usecases.status.unusable_files import is_no_file, move_away

HOST_LOCK_SUFFIX = ".lockfile"
"""The host's locks. Unlike ours, they are deleted on release, and the host waits five seconds for one that is left."""

LOCK_LEFT = "lockLeft"
"""The code of the finding that --fix fixes."""

_SUFFIX = ".lock"

# Seconds for which another command may hold a lock without being worth a report.
_PATIENCE = 2.0

# Beside what is no file: of a lock file that is protected, or that is the name of another file too, a new one is made.
_REPLACEABLE = (errno.EACCES, errno.EPERM, errno.EMLINK)

_Checked = tuple[LockStatus, Finding | None]


def check_lock(file: Entry) -> _Checked:
    """Return the state of a lock of a store, and what is wrong with it."""
    try:
        holder = find_holder(file, patience=_PATIENCE)
    except FileNotFoundError:
        return LockStatus(file.name, False), None
    except OSError as error:
        # Tokens can be obtained all the same. They cannot be stored.
        is_protected = error.errno in (errno.EROFS, errno.EACCES, errno.EPERM)
        outcome = Outcome.GOOD if is_protected else Outcome.STORE_UNUSABLE
        what = (
            f"The lock file {file} cannot be used: {error.strerror or error}. Nothing that it protects can be stored."
        )
        command = move_away(file) if error.errno in _REPLACEABLE or is_no_file(error) else None
        return LockStatus(file.name, False), Finding("lockUnusable", what, outcome, command, file.name)
    if holder is None:
        left = None
        if file.name.endswith(HOST_LOCK_SUFFIX) and file.exists():
            what = f"No process holds {file}, so it was left by one that was killed. It delays built-in commands."
            left = Finding(LOCK_LEFT, what, command=FIX, file=file.name, is_fixable=True)
        return LockStatus(file.name, False), left
    what = f"Another process{_number_of(holder)} holds {file}. Wait for it to finish, or end it."
    return (
        LockStatus(file.name, True, holder.process_id),
        Finding("storeLocked", what, Outcome.STORE_UNUSABLE, file=file.name),
    )


def check_inner_locks(config_dir: PrivateDirectory, *, clock: Callable[[], float] = time.time) -> list[_Checked]:
    """Return the locks of token requests and of isolated runs, which are in directories of their own.

    A held lock is normal: a command requests a token, or a run is not over. Locks of token requests that are not held
    are left out, since they are never deleted.

    :param clock: returns POSIX time in seconds.
    """
    requests = [_check_request(file, clock) for file in _locks_in(config_dir, REQUESTS)]
    return [each for each in requests if each is not None] + _check_runs(config_dir)


def _locks_in(config_dir: PrivateDirectory, name: str) -> list[Entry]:
    folder = config_dir.subdirectory(name)
    try:
        return [folder / each for each in sorted(folder.names()) if each.endswith(_SUFFIX)]
    except OSError:
        # The files check reports a directory that is not usable, and commands work without these locks.
        return []


def _check_request(file: Entry, clock: Callable[[], float]) -> _Checked | None:
    """Return the state of the lock of a token request; None if no process holds it."""
    name = f"{REQUESTS}/{file.name}"
    try:
        holder, since = find_holder(file), file.status().st_mtime
    except OSError:
        return None
    if holder is None:
        return None
    seconds = clock() - since
    left = None
    if seconds > PATIENCE:
        what = (
            f"Another process{_number_of(holder)} has been requesting a token for {seconds:.0f} seconds. Commands that "
            f"need the same token wait {PATIENCE:.0f} seconds for it. Wait for it to finish, or end it."
        )
        left = Finding("requestHeld", what, file=name)
    return LockStatus(name, True, holder.process_id), left


def _check_runs(config_dir: PrivateDirectory) -> list[_Checked]:
    """Return the locks of isolated runs; none while another process creates or examines directories of runs.

    At that time, a lock file may exist that is not locked yet.
    """
    if not _locks_in(config_dir, RUNS):
        return []
    with held_if_free(config_dir / f"{RUNS}{_SUFFIX}") as is_free:
        return [_check_run(file) for file in _locks_in(config_dir, RUNS)] if is_free else []


def _check_run(file: Entry) -> _Checked:
    """Return the state of the lock of an isolated run. It is removed after the run, with the directory beside it."""
    name = f"{RUNS}/{file.name}"
    try:
        holder = find_holder(file)
    except OSError:
        return LockStatus(name, False), None
    if holder is not None:
        return LockStatus(name, True, holder.process_id), None
    directory = file.with_name(file.name.removesuffix(_SUFFIX))
    if not directory.exists():
        # The run has ended since, or was killed before it had a directory.
        return LockStatus(name, False), None
    what = (
        f"No process holds {file}, so the isolated run was killed. {directory} was left, and may have tokens in it. "
        "The next isolated run removes both."
    )
    command = Command(("az", "account", "context", "run")).with_option("--isolated")
    return LockStatus(name, False), Finding("runLeft", what, command=f"{command} -- az version", file=name)


def _number_of(holder: LockHolder) -> str:
    return f" (PID {holder.process_id})" if holder.process_id else ""
