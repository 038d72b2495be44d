"""The shared token cache and the service principal entries, on a real disk."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
from azext_login.auth.storage.token_cache import TokenCache, only_identity, without_identity
from azext_login.errors import StoreError
from azext_login.system.directory import PrivateDirectory
from azext_login.system.file_lock import FileLock
from tests.unit.windows import file_system as file_system
from tests.users import ALICE, BOB, CAROL


def _cache_of(*users: str, secret: str = "one") -> dict[str, Any]:
    sections: dict[str, Any] = {"AccessToken": {}, "RefreshToken": {}, "IdToken": {}, "Account": {}, "AppMetadata": {}}
    for user in users:
        home = f"{user}-oid.{user}-tid"
        for section in ("AccessToken", "RefreshToken", "IdToken"):
            sections[section][f"{home}-{section}"] = {"home_account_id": home, "secret": f"{user} {section} {secret}"}
        sections["Account"][home] = {"home_account_id": home, "username": user}
    sections["AppMetadata"]["app"] = {"family_id": "1"}
    return sections


@pytest.fixture
def cache(tmp_path: Path) -> TokenCache:
    return TokenCache(PrivateDirectory(tmp_path), encrypt=False, sleep=lambda seconds: None)


def test_entries_that_another_process_has_added_survive_a_commit(cache: TokenCache) -> None:
    before = cache.read()
    cache.commit({}, _cache_of(BOB))
    cache.commit(before, _cache_of(ALICE))
    assert cache.user_names() == {ALICE, BOB}


def test_a_dropped_entry_stays_if_another_process_has_renewed_it(cache: TokenCache) -> None:
    cache.commit({}, _cache_of(ALICE))
    before = cache.read()
    cache.commit(before, _cache_of(ALICE, secret="renewed by another process"))
    cache.commit(before, {**_cache_of(BOB), "Account": {**_cache_of(BOB)["Account"]}})
    secrets = [entry["secret"] for entry in cache.read()["RefreshToken"].values()]
    assert f"{ALICE} RefreshToken renewed by another process" in secrets


def test_only_dropping_expired_tokens_is_not_worth_a_write(cache: TokenCache, tmp_path: Path) -> None:
    cache.commit({}, _cache_of(ALICE))
    before = cache.read()
    written = (tmp_path / "msal_token_cache.json").stat().st_mtime_ns
    cache.commit(before, {**before, "AccessToken": {}})
    assert (tmp_path / "msal_token_cache.json").stat().st_mtime_ns == written


@pytest.mark.parametrize("spelling", [ALICE, ALICE.upper()])
def test_forgetting_a_user_removes_their_tokens_and_no_others(cache: TokenCache, spelling: str) -> None:
    cache.commit({}, _cache_of(ALICE, BOB))
    assert cache.forget(spelling)
    assert "alice" not in json.dumps(cache.read())
    assert cache.read() == _cache_of(BOB)
    assert not cache.forget(spelling)


@pytest.mark.parametrize("accounts", [None, [], {"x": None}, {"x": {"username": BOB.upper()}}])
def test_signing_out_removes_the_tokens_of_one_user_from_a_cache_with_damaged_accounts(
    cache: TokenCache, tmp_path: Path, accounts: object
) -> None:
    sections = _cache_of(ALICE, BOB)
    for token in sections["IdToken"].values():
        user = token["secret"].partition(" ")[0]
        token["secret"] = jwt.encode({"preferred_username": user.title()}, "k" * 32)
    (tmp_path / "msal_token_cache.json").write_text(json.dumps({**sections, "Account": accounts}), encoding="utf-8")
    assert cache.forget(BOB)
    left = cache.read()
    assert BOB not in json.dumps(left).casefold()
    for section in ("AccessToken", "RefreshToken", "IdToken"):
        assert {entry["home_account_id"] for entry in left[section].values()} == {f"{ALICE}-oid.{ALICE}-tid"}
    assert not cache.forget(BOB)


def test_forgetting_an_application_removes_its_tokens_in_any_case(cache: TokenCache) -> None:
    sections = _cache_of(ALICE)
    sections["AccessToken"]["app-token"] = {"home_account_id": None, "client_id": "0AB1", "secret": "app secret"}
    sections["AppMetadata"]["of-the-app"] = {"client_id": "0AB1", "environment": "login.example"}
    cache.commit({}, sections)
    assert cache.forget("0ab1")
    assert cache.read() == _cache_of(ALICE)


@pytest.mark.parametrize(("signed_in", "is_kept"), [({"0ab1"}, True), (None, True), ({"other"}, False), (set(), False)])
def test_a_token_of_an_application_is_kept_only_while_the_application_is_signed_in(
    cache: TokenCache, signed_in: set[str] | None, is_kept: bool
) -> None:
    cache.commit({}, _cache_of(ALICE))
    before = cache.read()
    after = _cache_of(ALICE, BOB)
    after["AccessToken"]["app-token"] = {"home_account_id": None, "client_id": "0AB1", "secret": "app secret"}
    after["AppMetadata"]["of-the-app"] = {"client_id": "0AB1", "environment": "login.example"}
    cache.commit(before, after, applications=lambda: None if signed_in is None else frozenset(signed_in))
    assert cache.user_names() == {ALICE, BOB}
    assert cache.read() == (after if is_kept else _cache_of(ALICE, BOB))


@given(st.sets(st.sampled_from([ALICE, BOB, CAROL])), st.sampled_from([ALICE, BOB]))
def test_without_identity_keeps_exactly_the_others(users: set[str], gone: str) -> None:
    assert without_identity(_cache_of(*users), gone) == _cache_of(*(users - {gone}))


@pytest.mark.parametrize("content", ["{", "\x00\x01", "not json", '{"AccessToken": '])
def test_a_damaged_cache_is_quarantined_and_counts_as_empty(
    cache: TokenCache, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "msal_token_cache.json").write_text(content, encoding="utf-8")
    assert cache.read() == {}
    (quarantined,) = tmp_path.glob("msal_token_cache.json.damaged-*")
    assert quarantined.read_text(encoding="utf-8") == content
    assert "Sign in again" in caplog.text


@pytest.mark.parametrize("content", ["[]", "null", '"text"', '{"AccessToken": [], "Account": {"a": 1}}', "  "])
def test_a_cache_of_another_shape_counts_as_empty(cache: TokenCache, tmp_path: Path, content: str) -> None:
    (tmp_path / "msal_token_cache.json").write_text(content, encoding="utf-8")
    assert not any(cache.read().values())


def test_clearing_also_removes_quarantined_files(cache: TokenCache, tmp_path: Path) -> None:
    (tmp_path / "msal_token_cache.json").write_text("{", encoding="utf-8")
    cache.read()
    (tmp_path / "msal_token_cache.bin").write_bytes(b"encrypted")
    cache.clear()
    assert not list(tmp_path.glob("msal_token_cache*"))


def _token_of(user: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"upn": user, "oid": "1"}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.signature"


@pytest.mark.parametrize(
    ("quarantined", "left"),
    [
        (json.dumps(_cache_of(ALICE, BOB)), _cache_of(BOB)),
        (json.dumps({**_cache_of(ALICE, BOB), "IdToken": [ALICE]}), {**_cache_of(BOB), "IdToken": ...}),
        (json.dumps({**_cache_of(BOB), "IdToken": [BOB]}), {**_cache_of(BOB), "IdToken": [BOB]}),
        (json.dumps(_cache_of(ALICE))[:-9], None),
        ('{"AccessToken": {"x": {"secret": "' + _token_of(ALICE.upper()) + '"}, "y": {"sec', None),
        ('{"RefreshToken": {"uid.utid-refreshtoken": {"secret": "of an unknown user"}, "y": {"sec', None),
        ('{"AccessToken": {"x": {"secret": "eyJhbGciOi.eyJ\u00e9\u00e9\u00e9"}, "y": {"sec', None),
        (json.dumps({"RefreshToken": {"x": {"home_account_id": "uid.utid", "secret": "x"}}}), {"RefreshToken": {}}),
        (json.dumps({"IdToken": {"x": {"home_account_id": ["x"], "secret": "x"}}}), {"IdToken": {}}),
        (json.dumps({**_cache_of(BOB), "Note": f"m{ALICE}"}), {**_cache_of(BOB), "Note": f"m{ALICE}"}),
    ],
    ids=[
        "both", "an odd section", "another user's odd section", "torn", "in a token", "torn, of an unknown user",
        "a torn token", "of an unknown user", "an odd home", "a longer name",
    ],
)  # fmt: skip
def test_signing_out_removes_one_account_from_a_quarantined_file(
    cache: TokenCache, tmp_path: Path, quarantined: str, left: Any
) -> None:
    path = tmp_path / "msal_token_cache.json.damaged-20260101-000000-1"
    path.write_text(quarantined, encoding="utf-8")
    cache.forget(ALICE)
    if left is None:
        assert not path.exists()
    else:
        expected = {section: entries for section, entries in left.items() if entries is not ...}
        assert json.loads(path.read_text(encoding="utf-8")) == expected


@pytest.mark.parametrize("name", ["msal_token_cache.json", "service_principal_entries.json"])
def test_a_file_that_is_torn_for_a_moment_is_read_when_it_is_complete(tmp_path: Path, name: str) -> None:
    """The host writes in place, and our readers take no lock."""
    pauses: list[float] = []

    def go_on_writing(seconds: float) -> None:
        pauses.append(seconds)
        (tmp_path / name).write_text(whole if len(pauses) == 3 else whole[:-7], encoding="utf-8")

    store = (TokenCache if name.startswith("msal") else ServicePrincipalEntries)(
        PrivateDirectory(tmp_path), encrypt=False, sleep=go_on_writing
    )
    whole = json.dumps(_cache_of(ALICE) if name.startswith("msal") else [{"client_id": "0ab1", "tenant": "t-1"}])
    (tmp_path / name).write_text(whole[:-7], encoding="utf-8")
    found = store.user_names() if isinstance(store, TokenCache) else store.client_ids()
    assert 0.1 < sum(pauses) < 1
    assert found == ({ALICE} if name.startswith("msal") else {"0ab1"})
    assert not list(tmp_path.glob("*.damaged-*"))


def test_the_entries_of_an_application_are_removed_and_others_kept(tmp_path: Path) -> None:
    path = tmp_path / "service_principal_entries.json"
    entries = [
        {"client_id": "0AB1", "tenant": "t-1", "client_secret": "s"},
        {"client_id": "0ab1", "tenant": "t-2", "client_secret": "s"},
        {"client_id": "other", "tenant": "t-1", "client_secret": "s", "x-key": 1},
    ]
    path.write_text(json.dumps(entries), encoding="utf-8")
    store = ServicePrincipalEntries(PrivateDirectory(tmp_path), encrypt=False)
    assert store.forget("0AB1")
    assert json.loads(path.read_text(encoding="utf-8")) == [entries[2]]
    assert not store.forget("0AB1")


@pytest.mark.parametrize("name", ["service_principal_entries.json", "service_principal_entries.json.damaged-1"])
@pytest.mark.parametrize("gone", ["0ab1", ALICE])
def test_signing_out_removes_secrets_without_a_client_id(tmp_path: Path, name: str, gone: str) -> None:
    others = [{"client_id": "other", "tenant": "t-1", "client_secret": "s", "x-key": 1}, {"client_id": "no tenant"}]
    unnamed = {"tenant": "t-1", "client_secret": "of the application"}
    (tmp_path / name).write_text(json.dumps([None, "text", unnamed, *others]), encoding="utf-8")
    assert not ServicePrincipalEntries(PrivateDirectory(tmp_path), encrypt=False).forget(gone)
    assert json.loads((tmp_path / name).read_text(encoding="utf-8")) == others


_ENTRY, _ODD = {"client_id": "0ab1", "tenant": "t-1", "client_secret": "s"}, {"odd": 1}


def test_an_entry_that_is_stored_while_an_odd_one_is_quarantined_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "service_principal_entries.json"
    path.write_text(json.dumps([_ENTRY, _ODD]), encoding="utf-8")
    store = ServicePrincipalEntries(PrivateDirectory(tmp_path), encrypt=False)
    other = {**_ENTRY, "client_id": "other"}
    with FileLock(PrivateDirectory(tmp_path) / "login_service_principal_entries.lock"):
        reader = threading.Thread(target=store.require, args=("0ab1", "t-1"))
        reader.start()
        time.sleep(0.3)  # it has read, and waits
        path.write_text(json.dumps([_ENTRY, _ODD, other]), encoding="utf-8")
    reader.join()
    assert json.loads(path.read_text(encoding="utf-8")) == [_ENTRY, other]


@pytest.mark.parametrize("name", ["msal_token_cache.json", "service_principal_entries.json"])
def test_a_partly_usable_file_exists_until_that_part_is_written(
    cache: TokenCache, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = json.dumps({**_cache_of(ALICE), "IdToken": []} if name.startswith("msal") else [_ENTRY, _ODD])
    (tmp_path / name).write_text(odd, encoding="utf-8")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    entries = ServicePrincipalEntries(PrivateDirectory(tmp_path), encrypt=False)
    change: dict[str, Callable[[], None]] = {
        "msal_token_cache.json": lambda: cache.commit({}, _cache_of(BOB)),
        "service_principal_entries.json": lambda: entries.require("0ab1", "t-1"),
    }
    with pytest.raises(StoreError):
        change[name]()
    assert (tmp_path / name).read_text(encoding="utf-8") == odd


@pytest.mark.parametrize("key", ["home_account_id", "environment", "username", "authority_type"])
@pytest.mark.parametrize("value", [None, 7, "absent"])
def test_an_account_on_which_msal_would_fail_is_hidden_from_it(cache: TokenCache, key: str, value: object) -> None:
    """MSAL takes these four keys for granted in every account."""
    good = {"home_account_id": "h", "environment": "e", "username": BOB, "authority_type": "MSSTS"}
    bad: dict[str, Any] = {**good, key: value}
    if value == "absent":
        del bad[key]
    cache.commit({}, {"Account": {"good": dict(good), "bad": bad}})
    assert cache.usable()["Account"] == {"good": good}


def test_a_client_id_that_is_not_text_does_not_affect_the_other_entries_of_a_user() -> None:
    sections = _cache_of(ALICE)
    values: tuple[Any, ...] = ({"a": 1}, [], 7)
    for odd in values:
        sections["IdToken"][str(odd)] = {"home_account_id": f"{ALICE}-oid.{ALICE}-tid", "client_id": odd}
    assert only_identity(sections, ALICE)["IdToken"] == sections["IdToken"]
