"""Encrypted secrets in files, as on Windows: what readers find at each moment, and what stays of killed processes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.cli.core.auth import persistence as host

from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
from azext_login.auth.storage.token_cache import TokenCache
from azext_login.errors import EncryptionError, StoreError
from azext_login.system.directory import PrivateDirectory
from tests.harness.later_persistence import SealedFile

_ENTRY = {"client_id": "app", "tenant": "contoso", "client_secret": "the secret of app"}


def _tokens(user: str) -> dict[str, Any]:
    return {"Account": {user: {"home_account_id": user, "username": user}}}


class _Stores:
    """The two stores, each in a change to make, and what another process finds."""

    def __init__(self, folder: Path, store: str):
        self.path = folder / f"{store}.bin"
        self._folder = folder
        self._store = store

    def store(self, user: str, sleep: Callable[[float], None] = lambda seconds: None) -> None:
        if self._store == "msal_token_cache":
            TokenCache(PrivateDirectory(self._folder), encrypt=True, sleep=sleep).commit({}, _tokens(user))
        else:
            with self._entries(sleep).saving({**_ENTRY, "client_id": user}):
                pass

    def users(self, sleep: Callable[[float], None] = lambda seconds: None) -> set[str]:
        if self._store == "msal_token_cache":
            return set(TokenCache(PrivateDirectory(self._folder), encrypt=True, sleep=sleep).user_names())
        return set(self._entries(sleep).client_ids())

    def clear(self) -> None:
        if self._store == "msal_token_cache":
            TokenCache(PrivateDirectory(self._folder), encrypt=True).clear()
        else:
            self._entries(lambda seconds: None).clear()

    def _entries(self, sleep: Callable[[float], None]) -> ServicePrincipalEntries:
        return ServicePrincipalEntries(PrivateDirectory(self._folder), encrypt=True, sleep=sleep)

    def others(self) -> set[str]:
        """Return the files beside the store, apart from our lock."""
        return {path.name for path in self._folder.iterdir()} - {self.path.name, f"login_{self._store}.lock"}


@pytest.fixture
def file_class(monkeypatch: pytest.MonkeyPatch) -> type[SealedFile]:
    """The class of encrypted files that the host uses in this test."""

    class File(SealedFile):
        pass

    monkeypatch.setattr(host, "build_persistence", lambda location, encrypt: File(location + ".bin"))
    return File


@pytest.fixture(params=["msal_token_cache", "service_principal_entries"])
def stores(tmp_path: Path, request: pytest.FixtureRequest, file_class: type[SealedFile]) -> _Stores:
    return _Stores(tmp_path, request.param)


def test_the_host_can_read_what_is_stored_and_only_the_owner_can_read_the_file(stores: _Stores) -> None:
    stores.store("alice")
    assert "alice" in json.dumps(json.loads(SealedFile(str(stores.path)).load()))
    assert stores.users() == {"alice"}
    assert stores.others() == set()
    if sys.platform != "win32":
        assert stores.path.stat().st_mode & 0o777 == 0o600


def test_a_process_that_reads_during_a_write_finds_the_whole_file(
    stores: _Stores, file_class: type[SealedFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.store("alice")
    found = []

    def save(self: SealedFile, content: str) -> None:
        Path(self.get_location()).write_bytes(b"sealed:half")
        found.append(SealedFile(str(stores.path)).load())
        SealedFile.save(self, content)

    monkeypatch.setattr(file_class, "save", save)
    stores.store("bob")
    assert len(found) == 1
    assert "alice" in found[0]
    assert stores.users() == {"alice", "bob"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_process_that_is_killed_while_it_encrypts_leaves_the_old_file_and_the_next_write_removes_its_own(
    stores: _Stores, file_class: type[SealedFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    stores.store("alice")
    child = os.fork()
    if not child:

        def die(self: SealedFile, content: str) -> None:
            Path(self.get_location()).write_bytes(b"sealed:half")
            os._exit(9)

        file_class.save = die  # type: ignore[method-assign, unused-ignore]  # not checked for Windows
        try:
            stores.store("bob")
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9
    assert stores.users() == {"alice"}
    assert stores.others(), "the process was killed while it wrote"
    for name in stores.others():
        if name.endswith(".lockfile"):  # The host's own lock file stays as well; its lock does not.
            (stores.path.parent / name).unlink()
    stores.store("carol")
    assert stores.users() == {"alice", "carol"}
    assert stores.others() == set()


def test_a_failure_to_encrypt_leaves_the_old_file_and_nothing_beside_it(
    stores: _Stores, file_class: type[SealedFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.store("alice")

    def fail(self: SealedFile, content: str) -> None:
        Path(self.get_location()).write_bytes(b"sealed:half")
        raise OSError(13, "Encryption failed")

    with monkeypatch.context() as patch:
        patch.setattr(file_class, "save", fail)
        with pytest.raises(EncryptionError, match="Encryption failed"):
            stores.store("bob")
    assert stores.users() == {"alice"}
    assert stores.others() == set()


@pytest.mark.parametrize("torn", [b"", b"sealed:", b"sealed:aGFsZg=="], ids=["empty", "begun", "half"])
def test_a_torn_file_is_read_again_until_it_is_complete(stores: _Stores, torn: bytes) -> None:
    stores.store("alice")
    complete = stores.path.read_bytes()
    stores.path.write_bytes(torn)
    pauses = []

    def go_on_writing(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            stores.path.write_bytes(complete)

    assert stores.users(go_on_writing) == {"alice"}
    assert len(pauses) == 3


def test_a_file_that_another_process_replaces_is_read_again(
    stores: _Stores, file_class: type[SealedFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, a file cannot be opened while it is being replaced."""
    stores.store("alice")
    left = [2]

    def load(self: SealedFile) -> str:
        if left[0]:
            left[0] -= 1
            raise PermissionError(13, "The process cannot access the file")
        return SealedFile.load(self)

    monkeypatch.setattr(file_class, "load", load)
    assert stores.users() == {"alice"}


def test_a_file_that_stays_damaged_is_an_error_that_says_how_to_remove_it(stores: _Stores) -> None:
    stores.store("alice")
    stores.path.write_bytes(b"sealed:half")
    with pytest.raises(StoreError) as raised:
        stores.users()
    assert "damaged" in str(raised.value)
    assert "az account clear" in str(raised.value.recommendations)
    assert stores.path.read_bytes() == b"sealed:half"
    stores.clear()
    assert not stores.path.exists()
    assert stores.users() == set()
