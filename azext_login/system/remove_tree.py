"""Removes a directory with everything in it, while other processes may still be using it.

Nothing outside is removed: links are removed themselves, and the content of a mounted file system stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azext_login.system.directory import Entry
from azext_login.system.entries import NOT_THROUGH_LINKS
from azext_login.system.links import HAS_DESCRIPTORS, PRIVATE_DIRECTORY
from azext_login.system.posix import change_mode

# How often the directory is emptied again because another process has written to it.
_ROUNDS = 100

# Directories that are further down are moved to the first one: each level needs an open file, and space on the stack.
_DEPTH = 50

_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)


def remove_tree(directory: Entry) -> None:
    """Remove a directory with everything in it, if it exists. A link in its place is removed itself.

    :raises OSError: something cannot be removed. Everything else has been.
    """
    parent = directory.directory.descriptor()
    if parent is None or not HAS_DESCRIPTORS:
        _remove_by_path(directory.path)
        return
    if _remove_unless_full(directory.name, parent):
        return
    descriptor = _open_directory(directory.name, parent)
    try:
        for _ in range(_ROUNDS):
            _Emptied(descriptor).run()
            if _remove_unless_full(directory.name, parent):
                return
    finally:
        os.close(descriptor)
    raise OSError(errno.ENOTEMPTY, "Another process keeps writing to it")


def _remove_unless_full(name: str, parent: int) -> bool:
    """Remove what has this name, if anything has. Return False for a directory that is not empty, which stays.

    :raises OSError: it cannot be removed. That is also so if a file system is mounted on it: it is busy.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            try:
                os.rmdir(name, dir_fd=parent)
            except NotADirectoryError:
                os.unlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise OSError(errno.EBUSY, "A file system is mounted in it, which has to be unmounted first") from error
        if error.errno not in _NOT_EMPTY:
            raise
        return False
    return True


def _open_directory(name: str, parent: int) -> int:
    """Open a directory after making it one that this user may change."""
    flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NOT_THROUGH_LINKS
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except PermissionError:
        # A directory that this user may not list. The superuser, whose directories other users could replace by links,
        # has no such directory.
        os.chmod(name, PRIVATE_DIRECTORY, dir_fd=parent)
        descriptor = os.open(name, flags, dir_fd=parent)
    try:
        if os.fstat(descriptor).st_mode & PRIVATE_DIRECTORY != PRIVATE_DIRECTORY:
            change_mode(descriptor, PRIVATE_DIRECTORY)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class _Emptied:
    """One attempt to remove everything in a directory."""

    def __init__(self, top: int):
        """:param top: the open directory."""
        self._top = top
        self._kept: set[str] = set()
        self._has_moved = False
        self._problem: OSError | None = None

    def run(self) -> None:
        """:raises OSError: the first problem. Everything else has been removed."""
        self._empty(self._top, 0)
        while self._has_moved:
            self._has_moved = False
            self._empty(self._top, 0)
        if self._problem is not None:
            raise self._problem

    def _empty(self, directory: int, depth: int) -> None:
        for name in os.listdir(directory):
            # What has a problem is not tried again.
            if depth or name not in self._kept:
                try:
                    self._remove(name, directory, depth)
                except FileNotFoundError:
                    pass
                except OSError as error:
                    self._problem = self._problem or error
                    if not depth:
                        self._kept.add(name)

    def _remove(self, name: str, directory: int, depth: int) -> None:
        if _remove_unless_full(name, directory):
            return
        descriptor = _open_directory(name, directory)
        try:
            if depth < _DEPTH:
                self._empty(descriptor, depth + 1)
        finally:
            os.close(descriptor)
        if depth < _DEPTH:
            # If another process has written to it, or something in it has a problem, it stays.
            _remove_unless_full(name, directory)
        else:
            os.rename(name, os.urandom(16).hex(), src_dir_fd=directory, dst_dir_fd=self._top)
            self._has_moved = True


def _remove_by_path(path: Path) -> None:
    def make_writable(function: Callable[..., Any], name: str, error: Any) -> None:
        if not os.path.lexists(name):
            return
        os.chmod(name, stat.S_IWRITE)
        function(name)

    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=make_writable)
    else:
        shutil.rmtree(path, onerror=make_writable)
