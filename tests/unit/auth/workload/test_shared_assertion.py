"""The federated token that all processes of a config directory share."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.storage.single_flight import SingleFlight
from azext_login.auth.workload.shared_assertion import SharedAssertion, is_due
from azext_login.errors import ServiceUnreachableError, SignInError
from azext_login.system.directory import PrivateDirectory

NOW = 1_777_636_800.0


def assertion(**claims: Any) -> str:
    """Return a token with these claims, and a signature that cannot be verified."""
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, b"signature"))


@pytest.mark.parametrize(
    ("lifetime", "left", "due"),
    [(300, 61, False), (300, 59, True), (60, 16, False), (60, 14, True), (3600, 61, False), (3600, 0, True)],
)
def test_a_token_is_due_a_minute_before_it_expires_or_after_three_quarters_of_a_short_lifetime(
    lifetime: int, left: int, due: bool
) -> None:
    assert is_due(assertion(exp=NOW + left, iat=NOW + left - lifetime), NOW) is due


@pytest.mark.parametrize("claims", [{}, {"exp": "soon"}, {"exp": True}, {"iat": NOW}])
def test_a_token_that_does_not_contain_when_it_expires_is_due(claims: dict[str, Any]) -> None:
    assert is_due(assertion(**claims), NOW)
    assert is_due("no token", NOW)


def test_without_the_time_of_its_issue_a_token_is_due_a_minute_before_it_expires() -> None:
    assert not is_due(assertion(exp=NOW + 61), NOW)
    assert is_due(assertion(exp=NOW + 59), NOW)


@given(left=st.floats(-1e6, 0), age=st.floats(-1e6, 1e6))
def test_an_expired_token_is_always_due_whenever_it_was_issued(left: float, age: float) -> None:
    assert is_due(assertion(exp=NOW + left, iat=NOW - age), NOW)


@dataclass
class Store:
    """A stored token, and a source that counts its requests."""

    folder: Path
    stored: str | None = None
    fetched: int = 0
    fail: Exception | None = None
    before_answer: Callable[[], object] = field(default=lambda: None)

    def shared(self) -> SharedAssertion:
        """Return what one process has of it."""
        directory = PrivateDirectory(self.folder)
        return SharedAssertion(lambda: self.stored, lambda: SingleFlight(directory, "key"))

    def fetch(self) -> str:
        """Return a token that is valid for long, and store it."""
        self.fetched += 1
        self.before_answer()
        if self.fail:
            raise self.fail
        self.stored = assertion(exp=4e9, number=self.fetched)
        return self.stored


def test_processes_that_need_a_token_at_the_same_time_share_one_request(tmp_path: Path) -> None:
    store, together = Store(tmp_path), Barrier(8)

    def renew(_: int) -> str:
        together.wait()
        return store.shared().renew(store.fetch)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(renew, range(8))) == {store.stored}
    assert store.fetched == 1


@pytest.mark.parametrize(
    ("failure", "requests"), [(ServiceUnreachableError("down"), 1), (SignInError("a variable is missing"), 8)]
)
def test_a_failure_of_the_service_is_shared_and_a_refusal_is_not(
    tmp_path: Path, failure: Exception, requests: int
) -> None:
    together = Barrier(8)
    # The request takes until all others wait.
    store = Store(tmp_path, fail=failure, before_answer=partial(time.sleep, 0.2))

    def renew(_: int) -> str:
        together.wait()
        with pytest.raises(type(failure)) as raised:
            store.shared().renew(store.fetch)
        return str(raised.value)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(renew, range(8))) == {str(failure)}
    assert store.fetched == requests


def test_a_token_that_was_refused_is_replaced_even_if_it_is_not_due(tmp_path: Path) -> None:
    refused = assertion(exp=4e9)
    store = Store(tmp_path, stored=refused)
    assert store.shared().find() == refused
    assert store.shared().find(refused=refused) is None
    renewed = store.shared().renew(store.fetch, refused=refused)
    assert renewed == store.stored != refused
    # Another process, whose token was refused as well, uses the new one.
    assert store.shared().renew(store.fetch, refused=refused) == renewed
    assert store.fetched == 1
