"""Makes the file system behave like that of Windows, as far as the extension can notice.

* A file that any process has open is neither replaced nor deleted: PermissionError.
* A file that is being replaced cannot be opened: PermissionError.
* Locks are those of `msvcrt`: on a byte, and mandatory.
* Names cannot be used relative to an open directory, and there is no O_NOFOLLOW.

`install` does so in this process, and with the variable LOGIN_WINDOWS_FILES in those that import this module.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

VARIABLE = "LOGIN_WINDOWS_FILES"

# Seconds for which a replacement takes, and after which the marker of one belongs to a killed process.
_REPLACING = 0.002
_ABANDONED = 0.5

_DENIED = "The process cannot access the file because it is being used by another process"

_open, _replace, _unlink = os.open, os.replace, os.unlink
_MARKERS = Path(tempfile.gettempdir()) / "login-windows-files"


def install(patch: Callable[[object, str, object], None] = setattr) -> None:
    """Behave like Windows from now on.

    patch: sets an attribute; `monkeypatch.setattr` restores it at the end of a test.
    """
    from azext_login.system import directory, entries, file_lock

    _MARKERS.mkdir(exist_ok=True)
    patch(directory, "HAS_DESCRIPTORS", False)
    patch(directory, "NOT_THROUGH_LINKS", 0)
    patch(entries, "refuses_open_files", True)
    patch(file_lock, "lock_calls", file_lock.WINDOWS_LOCKS)
    patch(os, "open", _open_like_windows)
    patch(os, "replace", _replace_like_windows)
    patch(os, "unlink", _unlink_like_windows)
    sys.modules["msvcrt"] = cast(ModuleType, SimpleNamespace(locking=_locking, LK_NBLCK=2, LK_UNLCK=0))


def uninstall() -> None:
    """Remove what `monkeypatch` does not restore."""
    sys.modules.pop("msvcrt", None)


def _locking(descriptor: int, mode: int, length: int) -> None:
    """Lock or unlock bytes at the position of the file (docs.python.org/3/library/msvcrt.html).

    The locks of Linux that belong to an open file, and not to a process, are the ones that are alike.
    """
    if sys.platform == "win32":
        raise NotImplementedError
    if mode == 0:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return
    assert os.lseek(descriptor, 0, os.SEEK_CUR) > 1_000_000, "readers of the file would fail"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PermissionError(errno.EACCES, "Permission denied") from error


def _marker_of(path: Any) -> Path:
    name = hashlib.sha256(os.path.abspath(os.fsdecode(path)).encode("utf-8", "surrogateescape")).hexdigest()
    return _MARKERS / name[:32]


def _open_like_windows(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    assert dir_fd is None, "Windows has no such parameter"
    try:
        is_being_replaced = time.time() - os.stat(_marker_of(path)).st_mtime < _ABANDONED
    except FileNotFoundError:
        is_being_replaced = False
    if is_being_replaced:
        raise PermissionError(errno.EACCES, _DENIED, path)
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return _open(path, flags, mode)


def _replace_like_windows(
    source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
) -> None:
    assert (src_dir_fd, dst_dir_fd) == (None, None), "Windows has no such parameters"
    _refuse_if_open(source)
    marker = _marker_of(target)
    try:
        os.close(_open(marker, os.O_CREAT | os.O_WRONLY))
        os.utime(marker)
        _refuse_if_open(target)
        time.sleep(_REPLACING)
        _replace(source, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            _unlink(marker)


def _unlink_like_windows(path: Any, *, dir_fd: int | None = None) -> None:
    assert dir_fd is None, "Windows has no such parameter"
    _refuse_if_open(path)
    if os.path.isdir(path) and not os.path.islink(path):
        raise PermissionError(errno.EACCES, "Access is denied", path)
    _unlink(path)


def _refuse_if_open(path: Any) -> None:
    try:
        status = os.stat(path)
    except OSError:
        return
    if any(os.path.samestat(status, opened) for opened in _open_files()):
        raise PermissionError(errno.EACCES, _DENIED, path)


def _open_files() -> Iterator[os.stat_result]:
    """Return what the processes of this test have open: they are those of the same group of processes."""
    if sys.platform == "win32":
        raise NotImplementedError
    group = os.getpgid(0)
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(process)) != group:
                continue
            descriptors = os.listdir(f"/proc/{process}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                yield os.stat(f"/proc/{process}/fd/{descriptor}")
            except OSError:
                continue


if os.environ.get(VARIABLE):
    install()
