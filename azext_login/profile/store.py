"""azureProfile.json: read, changed under a lock, replaced in one step, and restored from its last good copy."""

from __future__ import annotations

import codecs
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from azext_login.errors import StoreError
from azext_login.profile.json_text import Fingerprint, copy_json, fingerprint_of, parts_of
from azext_login.profile.last_good import LARGEST_LIST, LastGoodCopy
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
from azext_login.system.directory import Entry, PrivateDirectory
from azext_login.system.files import read_bytes, remove_if_present, remove_leftovers, replace_after
from azext_login.system.links import LINK_ADVICE, UntrustedLinkError
from azext_login.system.log import get_logger

if TYPE_CHECKING:
    from azext_login.profile.recovery import HasCredentials, Recovery
    from azext_login.system.file_lock import FileLock

logger = get_logger(__name__)

_FILE = "azureProfile.json"
_LOCK = "login_profile.lock"

# The host truncates the file and writes it again without a lock, so a torn file may be complete a moment later.
_TORN_RETRIES = 10
_TORN_PAUSE = 0.05


class _Loaded(NamedTuple):
    document: Document
    fingerprint: Fingerprint
    """Of the file's content, to tell whether writing would change it. Empty without a file."""
    note: str = ""
    """What was restored or repaired, for the user."""


class ProfileStore:
    """The only code that reads and writes azureProfile.json.

    Every change takes the lock, reads the file again, changes what it read and replaces the file. A reader never
    waits. Top-level keys and row keys that are not ours stay as they were.
    """

    def __init__(
        self,
        config_dir: PrivateDirectory,
        *,
        on_written: Callable[[Document], None] = lambda document: None,
        has_credentials: HasCredentials = lambda row: True,
        new_installation_id: Callable[[], str] | None = None,
        active_cloud: str | None = None,
        host_copy: Callable[[], object] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ):
        """:param on_written: receives exactly what is in the file. The host keeps a copy of the file in memory and may
            write it after our command has finished, so that copy has to be up to date.
        :param has_credentials: tells whether the account of a row can still be used; called before a row is restored.
        :param new_installation_id: returns the `installationId` for a file that has none.
        :param host_copy: returns what the host has read from the file, which the host may have changed since.
        :param sleep: waits for so many seconds, before a torn file is read again.
        """
        self._file = config_dir / _FILE
        self._last_good = LastGoodCopy(config_dir)
        self._lock_file = config_dir / _LOCK
        self._on_written = on_written
        self._has_credentials = has_credentials
        self._new_installation_id = new_installation_id
        self._active_cloud = active_cloud
        self._host_copy = host_copy
        self._sleep = sleep

    @cached_property
    def _lock(self) -> FileLock:
        from azext_login.system.file_lock import FileLock  # readers take no lock

        return FileLock(self._lock_file)

    @cached_property
    def _lock_if_free(self) -> FileLock:
        from azext_login.system.file_lock import FileLock  # readers take no lock

        return FileLock(self._lock_file, timeout=0)

    @property
    def _is_exclusive(self) -> bool:
        """Whether the lock excludes other writers. On a filesystem without locks, it excludes none."""
        return not (self._lock.is_missing or self._lock_if_free.is_missing)

    def read(self, host_document: object) -> ProfileState:
        """Return the state, from the document that the host has already read.

        An outdated or damaged document is repaired first; on the disk too, if the lock is free.
        """
        if isinstance(host_document, dict) and is_current(host_document, self._last_good.generation()):
            return ProfileState.of(host_document)
        try:
            with self._change(self._lock_if_free) as state:
                return state
        except StoreError as error:
            logger.debug("%s is repaired in memory only: %s", self._file, error)
        # The process that holds the lock may have repaired the file since the host read it.
        with suppress(OSError, ValueError, RecursionError):
            document, _ = self._read_file()
            if isinstance(document, dict) and is_current(document, self._last_good.generation()):
                return ProfileState.of(document)
        recovery = self._recover(host_document, self._last_good.read())
        if recovery.note:
            logger.warning("%s The file was not written yet; the next command writes it if it can.", recovery.note)
        return ProfileState.of(recovery.document)

    def change(
        self,
        *,
        always_write: bool = False,
        first: Callable[[], None] = lambda: None,
        then: Callable[[ProfileState], None] = lambda state: None,
    ) -> AbstractContextManager[ProfileState]:
        """Return the state under the lock. If the block changes it, it is written at the end of the block.

        Nothing is written when the block raises.

        :param always_write: write even without a change, so that the last good copy equals the file.
        :param first: called when only the replacement of the file is left to do. If it raises, the file is unchanged.
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
            with _completed_before_ctrl_c():
                self._save(loaded, state, always_write, first)
                if loaded.note:
                    logger.warning("%s", loaded.note)
                then(state)

    def clear(
        self,
        *,
        first: Callable[[], None] = lambda: None,
        then: Callable[[ProfileState], None] = lambda state: None,
    ) -> None:
        """Remove every row, and everything about accounts but contexts, whatever state the file is in.

        :param first: called before anything is removed, under the lock.
        :param then: called when the file is written, still under the lock.
        :raises StoreError: a file cannot be written or deleted.
        """
        with self._lock:
            newer = self._newer_copy()
            first()
            self._last_good.remove()
            with self._change(nullcontext(), always_write=True, then=then) as state:
                state.forget_everything()
                if newer is not None:
                    state.contexts, state.allowed = newer.contexts, newer.allowed
        self._remove_leftovers()
        for quarantined in self._quarantined_files():
            remove_if_present(quarantined)

    def _newer_copy(self) -> ProfileState | None:
        """Return what is in the last good copy, if the file is damaged, or an older one that another program wrote."""
        copy = self._last_good.read()
        if copy is None:
            return None
        with suppress(OSError, ValueError, RecursionError):
            document, _ = self._read_file()
            if isinstance(document, dict) and is_current(document, generation_of(copy)):
                return None
        return ProfileState.of(copy)

    def purge(self, name: str) -> None:
        """Remove an account from the quarantined files, and delete the temporary files of killed processes.

        :raises StoreError: a file cannot be changed or deleted.
        """
        self._remove_leftovers()
        remove_from_quarantined(
            self._quarantined_files(), name, lambda content: _without(content, name), are_secret=False
        )

    def _remove_leftovers(self) -> None:
        with self._lock:
            remove_leftovers(self._file)
            remove_leftovers(self._last_good.file)

    def _quarantined_files(self) -> list[Entry]:
        return find_quarantined(self._file) + find_quarantined(self._last_good.file)

    def _save(self, loaded: _Loaded, state: ProfileState, always_write: bool, first: Callable[[], None]) -> None:
        document = loaded.document
        on_disk = generation_of(document) or 0
        if not always_write and self._is_unchanged(loaded, state):
            first()
            self._on_written(document)
            content = list(parts_of(document)) if on_disk else []
            if on_disk and not self._last_good.is_copy_of(on_disk, content):
                self._write_copy(on_disk, content)
            return
        if self._new_installation_id is not None and not document.get(INSTALLATION_ID):
            document[INSTALLATION_ID] = self._new_installation_id()
        generation = max(on_disk, self._last_good.generation() or 0) + 1
        if not is_generation(generation):
            # Another program wrote the largest valid generation into the file.
            generation = 1
        state.write_to(document, generation)
        content = list(parts_of(document))
        with replace_after(self._file, *content, locked=self._is_exclusive):
            first()
        self._on_written(document)
        self._write_copy(generation, content)

    def _write_copy(self, generation: int, content: list[bytes]) -> None:
        """Write the copy, after the file: a file that is newer than its copy counts as undamaged."""
        try:
            self._last_good.write(generation, content, locked=self._is_exclusive)
        except StoreError as error:
            logger.warning("%s %s itself is up to date.", error, _FILE)

    @staticmethod
    def _is_unchanged(loaded: _Loaded, state: ProfileState) -> bool:
        """Tell whether the state equals the file. A file that we have not written yet does not need our key."""
        document = loaded.document
        generation = generation_of(document)
        state.write_to(document, generation or 0)
        if generation is None and document[OWN_KEY] == {GENERATION: 0}:
            del document[OWN_KEY]
        if not loaded.fingerprint and not state.rows:
            # A command that found no file and added no row creates no file.
            del document[SUBSCRIPTIONS]
            return True
        return fingerprint_of(parts_of(document)) == loaded.fingerprint

    def _load(self) -> _Loaded:
        """Return the content of the file, repaired if necessary."""
        document, fingerprint = self._parse()
        if fingerprint and not (isinstance(document, dict) and isinstance(document.get(SUBSCRIPTIONS) or [], list)):
            _quarantine(self._file, "it does not hold a list of subscriptions")
            kept = document if isinstance(document, dict) else {}
            # The other keys in the file, such as the installation ID, are kept.
            document, fingerprint = {name: kept[name] for name in kept if name != SUBSCRIPTIONS}, b""
        if isinstance(document, dict) and is_current(document, self._last_good.generation()):
            return _Loaded(document, fingerprint)
        last_good = self._last_good.read()
        if last_good is None and self._last_good.file.exists():
            # It may hold something that no other file holds, so it is not overwritten.
            _quarantine(self._last_good.file, "it does not hold a copy of azureProfile.json")
        recovery = self._recover(document, last_good)
        return _Loaded(recovery.document, fingerprint, recovery.note)

    def _recover(self, document: object, last_good: Document | None) -> Recovery:
        from azext_login.profile.recovery import recover

        return recover(document, last_good or {}, self._has_credentials, self._active_cloud)

    def _parse(self) -> tuple[Any, Fingerprint]:
        for attempt in range(_TORN_RETRIES + 1):
            try:
                return self._read_file()
            except FileNotFoundError:
                return None, b""
            except OSError as error:
                advice = LINK_ADVICE if isinstance(error, UntrustedLinkError) else None
                raise StoreError(f"{self._file} could not be read: {error.strerror or error}.", advice) from error
            except (ValueError, RecursionError) as error:
                if attempt == _TORN_RETRIES:
                    _quarantine(self._file, f"it is not valid JSON: {error}")
            self._sleep(_TORN_PAUSE)
        return None, b""

    def _read_file(self) -> tuple[Any, Fingerprint]:
        """Parse the file; or copy the host's parsed document if it is the same, which takes a third of the memory."""
        # The host writes a byte order mark; we read it and never write one.
        content = read_bytes(self._file, limit=LARGEST_LIST).removeprefix(codecs.BOM_UTF8)
        fingerprint = fingerprint_of([content])
        host_copy = self._host_copy()
        if isinstance(host_copy, dict) and fingerprint_of(parts_of(host_copy)) == fingerprint:
            return copy_json(host_copy), fingerprint
        return json.loads(content.decode("utf-8")), fingerprint


@contextmanager
def _completed_before_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C wait until the block has finished, and then tell the user that everything was stored.

    An interruption within the block would leave tokens without rows, or an old copy in the host's memory, which the
    host writes when it exits.
    """
    is_complete = False
    from azext_login.system.signals import defer_signals

    try:
        with defer_signals():
            yield
            is_complete = True
    except KeyboardInterrupt:
        if is_complete:
            logger.warning("Ctrl-C was pressed when everything was stored already. Nothing was undone.")
        raise


def _quarantine(file: Entry, reason: str) -> None:
    logger.warning("%s cannot be used (%s) and was quarantined as %s.", file, reason, quarantine_file(file).name)


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
