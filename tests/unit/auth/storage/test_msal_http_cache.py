"""Which of MSAL's HTTP answers are stored."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msal.individual_cache import _ExpiringMapping as ExpiringMapping
from msal.throttled_http_client import NormalizedResponse

from azext_login.auth.storage.msal_http_cache import HttpCache
from azext_login.system.directory import PrivateDirectory

DISCOVERY = "GET https://login.example/t/v2.0/.well-known/openid-configuration hash=1 2xx"
REALM = "GET https://login.example/common/userrealm/alice@contoso.example?api-version=1.0 hash=1 2xx"
REFUSAL = "POST https://login.example/t/oauth2/v2.0/token hash=2 400"
OVERLOAD = "POST https://login.example/t/oauth2/v2.0/token client_id=c scope=s hash=3 429/5xx/Retry-After"


def _answer(key: str) -> NormalizedResponse:
    """What MSAL keeps of an answer."""
    return _answer_of(json.dumps({"token_endpoint": key}))


def _answer_of(text: str) -> NormalizedResponse:
    return NormalizedResponse(SimpleNamespace(status_code=200, text=text, headers={}))


def _fill(mapping: dict[str, Any], *keys: str) -> None:
    """Put answers into a mapping the way MSAL does."""
    expiring = ExpiringMapping(mapping=mapping)
    for key in keys:
        expiring.set(key, _answer(key), 3600)


def test_only_discovery_documents_are_stored(tmp_path: Path) -> None:
    cache = HttpCache(PrivateDirectory(tmp_path))
    _fill(cache.load(), DISCOVERY, REALM, REFUSAL, OVERLOAD)
    cache.save()
    content = (tmp_path / "msal_http_cache.bin").read_bytes()
    assert b"alice" not in content
    assert set(pickle.loads(content)) == {DISCOVERY, "_index_"}


def test_a_stored_failure_is_never_answered_again(tmp_path: Path) -> None:
    stored: dict[str, Any] = {}
    _fill(stored, DISCOVERY, REFUSAL, OVERLOAD)
    (tmp_path / "msal_http_cache.bin").write_bytes(pickle.dumps(stored))
    loaded = ExpiringMapping(mapping=HttpCache(PrivateDirectory(tmp_path)).load())
    assert vars(loaded[DISCOVERY]) == vars(_answer(DISCOVERY))
    assert REFUSAL not in loaded
    assert OVERLOAD not in loaded


def test_msal_can_use_what_was_stored(tmp_path: Path) -> None:
    first = HttpCache(PrivateDirectory(tmp_path))
    _fill(first.load(), DISCOVERY)
    first.save()
    second = HttpCache(PrivateDirectory(tmp_path))
    mapping = ExpiringMapping(mapping=second.load())
    assert vars(mapping[DISCOVERY]) == vars(_answer(DISCOVERY))
    mapping.set(DISCOVERY.replace("/t/", "/u/"), _answer("new"), 60)
    second.save()
    assert len(ExpiringMapping(mapping=HttpCache(PrivateDirectory(tmp_path)).load())) == 2


def test_nothing_is_written_without_a_new_document(tmp_path: Path) -> None:
    first = HttpCache(PrivateDirectory(tmp_path))
    _fill(first.load(), DISCOVERY)
    first.save()
    written = (tmp_path / "msal_http_cache.bin").stat().st_mtime_ns
    again = HttpCache(PrivateDirectory(tmp_path))
    _fill(again.load(), REFUSAL)
    again.save()
    assert (tmp_path / "msal_http_cache.bin").stat().st_mtime_ns == written


def test_switched_off_nothing_is_read_or_written(tmp_path: Path) -> None:
    stored: dict[str, Any] = {}
    _fill(stored, DISCOVERY)
    content = pickle.dumps(stored)
    (tmp_path / "msal_http_cache.bin").write_bytes(content)
    cache = HttpCache(PrivateDirectory(tmp_path), enabled=False)
    assert cache.load() == {}
    _fill(cache.answers, DISCOVERY.replace("/t/", "/u/"))
    cache.save()
    assert (tmp_path / "msal_http_cache.bin").read_bytes() == content


@pytest.mark.parametrize("odd", ["soon", None, [], {}])
def test_a_document_without_a_valid_expiry_is_not_used(tmp_path: Path, odd: object) -> None:
    stored: dict[str, Any] = {}
    other = DISCOVERY.replace("/t/", "/u/")
    _fill(stored, DISCOVERY, other)
    stored["_index_"][1][other] = [odd, odd]
    (tmp_path / "msal_http_cache.bin").write_bytes(pickle.dumps(stored))
    assert set(HttpCache(PrivateDirectory(tmp_path)).load()) == {DISCOVERY, "_index_"}
    HttpCache(PrivateDirectory(tmp_path)).purge_names()
    assert set(HttpCache(PrivateDirectory(tmp_path)).load()) == {DISCOVERY, "_index_"}


@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps([1, 2]), pickle.dumps({"_index_": 1, DISCOVERY: 2})])
def test_a_damaged_file_is_an_empty_cache(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "msal_http_cache.bin").write_bytes(content)
    cache = HttpCache(PrivateDirectory(tmp_path))
    assert DISCOVERY not in cache.load()
    _fill(cache.answers, DISCOVERY)
    cache.save()
    assert DISCOVERY in HttpCache(PrivateDirectory(tmp_path)).load()


def test_no_failure_is_answered_again_in_the_same_command(tmp_path: Path) -> None:
    answers = HttpCache(PrivateDirectory(tmp_path)).load()
    _fill(answers, DISCOVERY, REFUSAL, OVERLOAD)
    mapping = ExpiringMapping(mapping=answers)
    assert vars(mapping[DISCOVERY]) == vars(_answer(DISCOVERY))
    for failure in (REFUSAL, OVERLOAD):
        with pytest.raises(KeyError):
            mapping[failure]
    mapping.set(OVERLOAD, SimpleNamespace(status_code=429, headers={"retry-after": "30"}), 30)
    with pytest.raises(KeyError):
        mapping[OVERLOAD]


@pytest.mark.parametrize("text", ['{"value": [{"id": ', "<html>Sign in to the network</html>", "[]", "{}", "null", ""])
def test_an_answer_that_is_not_a_document_is_not_stored(tmp_path: Path, text: str) -> None:
    cache = HttpCache(PrivateDirectory(tmp_path))
    answers = ExpiringMapping(mapping=cache.load())
    answers.set(DISCOVERY, SimpleNamespace(status_code=200, text=text, headers={"retry-after": "9"}), 3600)
    assert DISCOVERY not in answers
    cache.save()
    assert not (tmp_path / "msal_http_cache.bin").exists()


def test_an_unusable_document_that_was_stored_is_not_read_back(tmp_path: Path) -> None:
    stored: dict[str, Any] = {}
    ExpiringMapping(mapping=stored).set(DISCOVERY, SimpleNamespace(text="<html>", headers={}), 3600)
    (tmp_path / "msal_http_cache.bin").write_bytes(pickle.dumps(stored))
    assert DISCOVERY not in HttpCache(PrivateDirectory(tmp_path)).load()


class _Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (_Harmful.folder,)

    folder = ""


def test_a_file_that_another_user_wrote_runs_no_code(tmp_path: Path) -> None:
    _Harmful.folder = str(tmp_path / "created")
    (tmp_path / "msal_http_cache.bin").write_bytes(pickle.dumps({DISCOVERY: _Harmful()}))
    cache = HttpCache(PrivateDirectory(tmp_path))
    assert not cache.load()
    cache.purge_names()
    assert not (tmp_path / "created").exists()
