"""azureProfile.json and its last good copy: read, changed under a lock, replaced in one step, and brought back."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from knack.log import get_logger

from azext_login.errors import StoreError
from azext_login.profile.state import (
    GENERATION,
    INSTALLATION_ID,
    OWN_KEY,
    SUBSCRIPTIONS,
    Document,
    ProfileState,
    generation_of,
    is_current,
    is_generation,
)
from azext_login.profile.subscriptions import remove_account
from azext_login.system.damaged_files import find_quarantined, quarantine_file, remove_from_quarantined
from azext_login.system.file_lock import FileLock
from azext_login.system.files import (
    open_regular,
    remove_if_present,
    remove_leftovers,
    replace_after,
    write_atomically,
)
from azext_login.system.signals import defer_signals

if TYPE_CHECKING:
    from azext_login.profile.recovery import HasCredentials, Recovery

logger = get_logger(__name__)

_FILE = "azureProfile.json"
_LOCK = "login_profile.lock"
_LAST_GOOD = "login_last_good.json"

# The copy begins with its generation, so that a command that only reads need not parse the rest.
_LAST_GOOD_HEAD = re.compile(rb'^\{"generation": (\d{1,15}), "profile": ')
_HEAD_LENGTH = 64
_TAIL = b"}"

# The host truncates the file and writes it again without a lock, so a torn file may be a whole one in a moment.
_TORN_RETRIES = 10
_TORN_PAUSE = 0.05


# Rows that are put into their JSON form at once. All of ten thousand at once take several times the file's size.
_ROWS_AT_ONCE = 200

_Fingerprint = bytes
"""Digest of what is in the file, to tell whether writing would change it. Empty without a file."""


class _Loaded(NamedTuple):
    document: Document
    fingerprint: _Fingerprint
    note: str = ""
    """What was put right, for the person."""


class ProfileStore:
    """The one owner of azureProfile.json.

    Every change takes the lock, reads the file again, changes what it read and replaces the file; a reader never
    waits. Top-level keys and row keys that are not ours come back as they were.
    """

    def __init__(
        self,
        config_dir: Path,
        *,
        on_written: Callable[[Document], None] = lambda document: None,
        has_credentials: HasCredentials = lambda row: True,
        new_installation_id: Callable[[], str] | None = None,
        active_cloud: str | None = None,
        host_copy: Callable[[], object] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ):
        """:param on_written: gets exactly what is in the file. The host keeps a copy of the file in memory and may
            write it after our command has ended, so that copy has to follow.
        :param has_credentials: asked when rows are brought back, whether their account can still be used.
        :param new_installation_id: makes the `installationId` of a file that has none.
        :param host_copy: gives what the host has read from the file, which it may have changed or not.
        :param sleep: waits for so many seconds, before a torn file is read again.
        """
        self._path = config_dir / _FILE
        self._last_good = config_dir / _LAST_GOOD
        self._lock = FileLock(config_dir / _LOCK)
        self._lock_if_free = FileLock(config_dir / _LOCK, timeout=0)
        self._on_written = on_written
        self._has_credentials = has_credentials
        self._new_installation_id = new_installation_id
        self._active_cloud = active_cloud
        self._host_copy = host_copy
        self._sleep = sleep

    @property
    def _is_alone(self) -> bool:
        """Whether whoever has the lock is the only one that writes. A filesystem without locks keeps nobody out."""
        return not (self._lock.is_missing or self._lock_if_free.is_missing)

    def read(self, host_document: object) -> ProfileState:
        """Return the state, from the document that the host has already read.

        A document that is not the latest is put right first; on the disk as well, where that is possible at once.
        """
        if isinstance(host_document, dict) and is_current(host_document, self._last_good_generation()):
            return ProfileState.of(host_document)
        try:
            with self._change(self._lock_if_free) as state:
                return state
        except StoreError as error:
            logger.debug("%s is put right in memory alone: %s", self._path, error)
        # Whoever has the lock may have put it right since the host has read it.
        with suppress(OSError, ValueError, RecursionError):
            document, _ = self._read_file()
            if isinstance(document, dict) and is_current(document, self._last_good_generation()):
                return ProfileState.of(document)
        recovery = self._recovered(host_document, self._copy_of_last_good())
        if recovery.note:
            logger.warning("%s The file has yet to be written, which the next command does if it can.", recovery.note)
        return ProfileState.of(recovery.document)

    def change(
        self,
        *,
        always_write: bool = False,
        first: Callable[[], None] = lambda: None,
        then: Callable[[ProfileState], None] = lambda state: None,
    ) -> AbstractContextManager[ProfileState]:
        """Return the state under the lock, to be written at the end of the block if it was changed.

        Nothing is written when the block raises.

        :param always_write: write even without a change, so that the last good copy is what the file is.
        :param first: called when nothing but replacing the file is left to do; if it raises, the file stays as it is.
        :param then: called when the file is written, still under the lock.
        :raises StoreError: the file cannot be read or written, or another process holds the lock too long.
        """
        return self._change(self._lock, always_write, first, then)

    @contextmanager
    def _change(
        self,
        lock: AbstractContextManager[object],
        always_write: bool = False,
        first: Callable[[], None] = lambda: None,
        then: Callable[[ProfileState], None] = lambda state: None,
    ) -> Iterator[ProfileState]:
        with lock:
            loaded = self._load()
            state = ProfileState.of(loaded.document)
            yield state
            # Whoever is interrupted between two of these steps finds tokens without rows, or the host writes its old
            # copy when it ends.
            is_done = False
            try:
                with defer_signals():
                    self._save(loaded, state, always_write, first)
                    if loaded.note:
                        logger.warning("%s", loaded.note)
                    then(state)
                    is_done = True
            except KeyboardInterrupt:
                if is_done:
                    logger.warning("Ctrl-C came when everything was stored already, and nothing was taken back.")
                raise

    def clear(
        self,
        *,
        first: Callable[[], None] = lambda: None,
        then: Callable[[ProfileState], None] = lambda state: None,
    ) -> None:
        """Remove every row and every trace of one, whatever state the file is in.

        :param first: called before anything is removed, under the lock.
        :param then: called when the file is written, still under the lock.
        :raises StoreError: a file cannot be written or deleted.
        """
        with self._lock:
            first()
            remove_if_present(self._last_good)
            with self._change(nullcontext(), always_write=True, then=then) as state:
                state.forget_everything()
        self._sweep()
        for aside in self._quarantined_files():
            remove_if_present(aside)

    def purge(self, name: str) -> None:
        """Take an account out of what was set aside of both files, and delete what killed writers left behind.

        :raises StoreError: a file cannot be changed or deleted.
        """
        self._sweep()
        remove_from_quarantined(
            self._quarantined_files(), name, lambda content: _without(content, name), are_secret=False
        )

    def _sweep(self) -> None:
        with self._lock:
            remove_leftovers(self._path)
            remove_leftovers(self._last_good)

    def _quarantined_files(self) -> list[Path]:
        return find_quarantined(self._path) + find_quarantined(self._last_good)

    def _save(self, loaded: _Loaded, state: ProfileState, always_write: bool, first: Callable[[], None]) -> None:
        document = loaded.document
        on_disk = generation_of(document) or 0
        last_good = self._last_good_generation()
        if not always_write and self._is_unchanged(loaded, state):
            first()
            self._on_written(document)
            if on_disk:
                self._keep_if_outdated(on_disk, list(_parts_of(document)))
            return
        if self._new_installation_id is not None and not document.get(INSTALLATION_ID):
            document[INSTALLATION_ID] = self._new_installation_id()
        generation = max(on_disk, last_good or 0) + 1
        if not is_generation(generation):
            # Somebody wrote the last one that counts into the file.
            generation = 1
        state.write_to(document, generation)
        content = list(_parts_of(document))
        with replace_after(self._path, *content, locked=self._is_alone):
            first()
        self._on_written(document)
        self._keep(generation, content)

    def _keep(self, generation: int, content: list[bytes]) -> None:
        """Write the copy, after the file: a file that is newer than its copy is no damage."""
        try:
            write_atomically(self._last_good, _head(generation), *content, _TAIL, locked=self._is_alone)
        except StoreError as error:
            logger.warning("%s %s itself is up to date.", error, _FILE)

    def _keep_if_outdated(self, generation: int, content: list[bytes]) -> None:
        """Write the copy if it is not one of this content.

        A process may have been killed between the file and its copy, and built-in commands write the file alone.
        """
        try:
            size = self._last_good.stat().st_size
        except OSError:
            size = -1
        expected = len(_head(generation)) + sum(map(len, content)) + len(_TAIL)
        if size != expected or self._last_good_generation() != generation:
            self._keep(generation, content)

    @staticmethod
    def _is_unchanged(loaded: _Loaded, state: ProfileState) -> bool:
        """Tell whether the state is what is in the file. A file that we have not written yet need not have our key."""
        document = loaded.document
        generation = generation_of(document)
        state.write_to(document, generation or 0)
        if generation is None and document[OWN_KEY] == {GENERATION: 0}:
            del document[OWN_KEY]
        if not loaded.fingerprint and not state.rows:
            # A command that found nothing and added nothing leaves no file behind.
            del document[SUBSCRIPTIONS]
            return True
        return _fingerprint(_parts_of(document)) == loaded.fingerprint

    def _load(self) -> _Loaded:
        """Return what is in the file, put right if necessary."""
        document, fingerprint = self._parse()
        if fingerprint and not (isinstance(document, dict) and isinstance(document.get(SUBSCRIPTIONS) or [], list)):
            self._set_aside(self._path, "it does not hold a list of subscriptions")
            kept = document if isinstance(document, dict) else {}
            # What else is in the file, such as the installation ID, is not at fault.
            document, fingerprint = {name: kept[name] for name in kept if name != SUBSCRIPTIONS}, b""
        if isinstance(document, dict) and is_current(document, self._last_good_generation()):
            return _Loaded(document, fingerprint)
        recovery = self._recovered(document, self._read_last_good())
        return _Loaded(recovery.document, fingerprint, recovery.note)

    def _recovered(self, document: object, last_good: Document | None) -> Recovery:
        from azext_login.profile.recovery import recover

        return recover(document, last_good or {}, self._has_credentials, self._active_cloud)

    def _parse(self) -> tuple[Any, _Fingerprint]:
        for attempt in range(_TORN_RETRIES + 1):
            try:
                return self._read_file()
            except FileNotFoundError:
                return None, b""
            except OSError as error:
                raise StoreError(f"{self._path} could not be read: {error.strerror or error}.") from error
            except (ValueError, RecursionError) as error:
                if attempt == _TORN_RETRIES:
                    self._set_aside(self._path, f"it is not valid JSON: {error}")
            self._sleep(_TORN_PAUSE)
        return None, b""

    def _read_file(self) -> tuple[Any, _Fingerprint]:
        """Parse the file; or copy what the host has made of it, which takes a third of the memory."""
        # The host writes a byte order mark; we read it and never write one.
        content = self._path.read_bytes().removeprefix(codecs.BOM_UTF8)
        fingerprint = _fingerprint([content])
        host_copy = self._host_copy()
        if isinstance(host_copy, dict) and _fingerprint(_parts_of(host_copy)) == fingerprint:
            return _copied(host_copy), fingerprint
        return json.loads(content.decode("utf-8")), fingerprint

    @staticmethod
    def _set_aside(path: Path, reason: str) -> None:
        logger.warning("%s cannot be used (%s) and was set aside as %s.", path, reason, quarantine_file(path).name)

    def _last_good_generation(self) -> int | None:
        """Return the generation of the copy, or None without one.

        It is 0, less than any of ours, if it cannot be read: the copy may be a good one all the same, which somebody
        has written in another layout, and has to be looked at before a file without a generation replaces it.
        """
        try:
            with open(self._last_good, "rb", opener=open_regular) as stream:
                match = _LAST_GOOD_HEAD.match(stream.read(_HEAD_LENGTH))
        except FileNotFoundError:
            return None
        except OSError:
            return 0
        generation = int(match[1]) if match else 0
        return generation if is_generation(generation) else 0

    def _read_last_good(self) -> Document | None:
        """Return the copy. What is no copy may hold what nothing else does, so it is set aside, not written over."""
        profile = self._copy_of_last_good()
        if profile is None and self._last_good.exists():
            self._set_aside(self._last_good, "it does not hold a copy of azureProfile.json")
        return profile

    def _copy_of_last_good(self) -> Document | None:
        try:
            with open(self._last_good, "rb", opener=open_regular) as stream:
                profile = json.loads(stream.read())["profile"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return profile if isinstance(profile, dict) else None


def _without(content: Any, name: str) -> Any:
    """Return a parsed profile, or a copy of one, without an account."""
    if not isinstance(content, dict) or not isinstance(content.get(SUBSCRIPTIONS, []), list):
        return content
    if isinstance(content.get("profile"), dict):
        return {**content, "profile": _without(content["profile"], name)}
    state = ProfileState.of(content)
    remove_account(state, name)
    document = dict(content)
    state.write_to(document, generation_of(content) or 0)
    return document


def _head(generation: int) -> bytes:
    return f'{{"generation": {generation}, "profile": '.encode("ascii")


def _copied(value: Any) -> Any:
    """Return a copy of a JSON value that shares nothing that can be changed."""
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


def _fingerprint(parts: Iterable[bytes]) -> _Fingerprint:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.digest()


def _parts_of(document: Document) -> Iterator[bytes]:
    """Return a document as the JSON text that json.dumps makes of it, in parts. All ASCII.

    The host writes the same layout, so an unchanged file is recognised whoever wrote it.
    """
    separator = b"{"
    for name, value in document.items():
        yield separator + json.dumps(name).encode("ascii") + b": "
        if isinstance(value, list):
            yield from _parts_of_rows(value)
        else:
            yield json.dumps(value).encode("ascii")
        separator = b", "
    yield b"}" if document else b"{}"


def _parts_of_rows(rows: list[Any]) -> Iterator[bytes]:
    yield b"["
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = json.dumps(rows[start : start + _ROWS_AT_ONCE]).encode("ascii")[1:-1]
        yield b", " + some if start else some
    yield b"]"
