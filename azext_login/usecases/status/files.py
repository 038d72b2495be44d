"""The files of the config directory: who can read them, which are damaged, and which locks are held."""

from __future__ import annotations

import codecs
import errno
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from azext_login.system.command_line import quote_command
from azext_login.system.directory import Entry, PrivateDirectory, has_access_lists
from azext_login.system.files import read_bytes
from azext_login.system.links import UntrustedLinkError
from azext_login.system.posix import this_user
from azext_login.usecases.status.locks import HOST_LOCK_SUFFIX, check_inner_locks, check_lock
from azext_login.usecases.status.records import FIX, FileStatus, Finding, LockStatus, Outcome
from azext_login.usecases.status.unusable_files import is_no_file, move_away

FILE_MODE, STORE_DAMAGED = "fileMode", "storeDamaged"
"""The codes of findings about files that --fix fixes."""

# What has to be readable for any command that uses an account. The host itself stops without the first.
_STORES = {
    "azureProfile.json": dict,
    "msal_token_cache.json": dict,
    "service_principal_entries.json": list,
    "msal_token_cache.bin": None,
    "service_principal_entries.bin": None,
}

# The host creates it, readable by everyone. It has no secret and names no account.
_MAY_BE_READ = ("clouds.config",)

# Seconds. A temporary file that is older belongs to a process that was killed.
_LEFTOVER_AGE = 600.0

# The host truncates a file before it writes it.
_TORN_RETRIES = 10
_TORN_PAUSE = 0.05


@dataclass(frozen=True)
class CheckedFiles:
    """The state of the files."""

    files: tuple[FileStatus, ...]
    locks: tuple[LockStatus, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Problem:
    code: str
    words: str
    outcome: Outcome = Outcome.GOOD
    is_fixable: bool = False
    command: str | None = None


def check_files(
    config_dir: PrivateDirectory, prefixes: Sequence[str], *, sleep: Callable[[float], None] = time.sleep
) -> CheckedFiles:
    """Return the state of the files that name accounts or hold their secrets. Changes nothing.

    :param prefixes: the beginnings of their names.
    :param sleep: waits for some seconds before a torn file is read again.
    """
    try:
        names = sorted(config_dir.names())
        findings, owners = _check_directory(config_dir), _expected_owners(config_dir)
    except FileNotFoundError:
        return CheckedFiles((), (), ())
    except OSError as error:
        what = f"The directory {config_dir.path} cannot be read: {error.strerror or error}."
        return CheckedFiles((), (), (Finding("storeUnreadable", what, Outcome.STORE_UNUSABLE),))
    own = [name for name in names if name.removeprefix(".").startswith(tuple(prefixes))]
    locks = [name for name in own if name.endswith((".lock", HOST_LOCK_SUFFIX))]
    files = []
    for name in own:
        if name in locks:
            continue
        entry = config_dir / name
        try:
            status = entry.status()
        except OSError:
            # Another process has removed it since.
            continue
        problem = _problem_of(entry, status, owners, sleep)
        mode = None if has_access_lists else f"{stat.S_IMODE(status.st_mode):04o}"
        files.append(FileStatus(name, mode, _owner_of(status), problem.words if problem else None))
        if problem is not None:
            what = f"{entry} {problem.words}."
            command = problem.command or (FIX if problem.is_fixable else None)
            findings.append(Finding(problem.code, what, problem.outcome, command, name, is_fixable=problem.is_fixable))
    checked = [check_lock(config_dir / name) for name in locks]
    checked += check_inner_locks(config_dir)
    findings += [finding for _, finding in checked if finding is not None]
    return CheckedFiles(tuple(files), tuple(lock for lock, _ in checked), tuple(findings))


def _check_directory(config_dir: PrivateDirectory) -> list[Finding]:
    if config_dir.is_private():
        return []
    directory = config_dir.owner()
    if directory is not None and directory.st_uid != this_user():
        owner = _owner_of(directory)
        what = f"The directory {config_dir.path} belongs to another user ({owner}), who can replace the files in it."
        return [Finding("directoryOwner", what)]
    what = f"Other users can write to {config_dir.path}."
    return [Finding("directoryMode", what, command=quote_command("chmod", "go-w", str(config_dir.path)))]


def _expected_owners(config_dir: PrivateDirectory) -> frozenset[int]:
    """Return the IDs of the users whom the files may belong to: the superuser works in the directories of others."""
    if has_access_lists:
        return frozenset()
    directory = config_dir.owner()
    return frozenset({this_user(), 0} | ({directory.st_uid} if directory else set()))


def _problem_of(
    entry: Entry, status: os.stat_result, owners: Collection[int], sleep: Callable[[float], None]
) -> _Problem | None:
    """Return what is wrong with an entry, the worst of it."""
    if entry.name.startswith(".") and entry.name.endswith(".tmp"):
        is_old = time.time() - status.st_mtime > _LEFTOVER_AGE
        return _Problem("leftover", "is the temporary file of a process that was killed") if is_old else None
    if entry.name in _STORES and (problem := _unusable(entry, sleep)) is not None:
        return problem
    if stat.S_ISLNK(status.st_mode):
        return None
    if not has_access_lists and status.st_uid not in owners:
        return _Problem("fileOwner", "belongs to another user")
    if not has_access_lists and status.st_mode & (0o022 if entry.name in _MAY_BE_READ else 0o077):
        return _Problem(FILE_MODE, "is open to other users", is_fixable=status.st_nlink == 1 or _is_directory(status))
    return None


def _is_directory(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode)


def _unusable(entry: Entry, sleep: Callable[[float], None]) -> _Problem | None:
    """Return why a store cannot be used; None if it can."""
    kind = _STORES[entry.name]
    for attempt in range(_TORN_RETRIES + 1):
        try:
            content = read_bytes(entry)
            if kind is None or isinstance(json.loads(content.removeprefix(codecs.BOM_UTF8).decode("utf-8")), kind):
                return None
        except FileNotFoundError:
            return None
        except UntrustedLinkError:
            return _Problem("storeUnreadable", "is a link that another user can change", Outcome.STORE_UNUSABLE)
        except OSError as error:
            words = f"cannot be read: {error.strerror or error}"
            return _Problem("storeUnreadable", words, Outcome.STORE_UNUSABLE, command=_readable_again(entry, error))
        except (ValueError, RecursionError):
            pass
        if attempt < _TORN_RETRIES:
            sleep(_TORN_PAUSE)
    return _Problem(STORE_DAMAGED, "is damaged", Outcome.STORE_UNUSABLE, is_fixable=True)


def _readable_again(entry: Entry, error: OSError) -> str | None:
    """Return the command after which a store can be used again; None if that is not known."""
    if isinstance(error, PermissionError):
        return quote_command("chmod", "u+rw", str(entry.path)) if _is_own(entry) else None
    return move_away(entry) if error.errno == errno.EFBIG or is_no_file(error) else None


def _is_own(entry: Entry) -> bool:
    """Tell whether a file, also behind a link, belongs to this user, who alone can change its mode."""
    try:
        return not has_access_lists and entry.resolved().status().st_uid == this_user()
    except OSError:
        return False


def _owner_of(status: os.stat_result) -> str | None:
    if has_access_lists or sys.platform == "win32":
        return None
    import pwd

    try:
        return pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return str(status.st_uid)
