"""What the API returns: immutable records that do not show secrets, and errors that the Azure SDK knows."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
import types
from collections.abc import Callable

import pytest
from azure.cli.core.azclierror import AzCLIError
from azure.core.exceptions import ClientAuthenticationError
from hypothesis import given
from hypothesis import strategies as st

from azext_login import api
from azext_login.api import aio
from azext_login.api.sdk_errors import as_sdk_error
from azext_login.api.tokens import freshness_of
from azext_login.auth.credential import AccessToken

_TIMES = st.integers(0, 10**10)


def _token() -> api.Token:
    return api.Token(
        "a secret", "Bearer", 100, "tenant", None, "alice", api.TokenOrigin.CACHE, api.Freshness.FRESH, None
    )


def test_the_repr_of_a_token_does_not_show_it() -> None:
    assert "secret" not in repr(_token())
    assert "alice" in repr(_token())


@pytest.mark.parametrize(
    "method",
    [api.ClientSecret("app", "a secret"), api.ClientCertificate("app", "file.pfx", passphrase="a secret")],
)
def test_the_repr_of_a_sign_in_method_does_not_show_its_secret(method: object) -> None:
    assert "a secret" not in repr(method)


def test_a_token_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        _token().token = "another"  # type: ignore[misc]


@given(expires_on=_TIMES, refresh_on=st.none() | _TIMES, now=_TIMES, later=st.integers(0, 10**9))
def test_a_token_only_gets_less_fresh(expires_on: int, refresh_on: int | None, now: int, later: int) -> None:
    order = list(api.Freshness)
    before, after = (freshness_of(expires_on, refresh_on, time) for time in (now, now + later))
    assert order.index(before) <= order.index(after)
    assert (before is api.Freshness.EXPIRED) == (expires_on <= now)


@pytest.mark.parametrize(
    "expires_on, refresh_on, expected",
    [
        (1300, None, "fresh"), (1299, None, "due"), (1001, None, "due"), (1000, None, "expired"),
        (9000, 1000, "fresh"), (9000, 999, "due"), (900, 9000, "expired"),
    ],
)  # fmt: skip
def test_freshness_is_what_decides_about_a_renewal(expires_on: int, refresh_on: int | None, expected: str) -> None:
    assert freshness_of(expires_on, refresh_on, 1000).value == expected


@pytest.mark.parametrize("token_source, expected", [("cache", "cache"), ("identity_provider", "job"), (None, "job")])
def test_the_origin_is_the_cache_only_if_msal_reports_it(token_source: str | None, expected: str) -> None:
    result = {"access_token": "x", "expires_in": 60, "refresh_on": 70, "token_source": token_source}
    token = AccessToken.from_result(result, now=10, origin=api.TokenOrigin.JOB)
    assert (token.origin.value, token.refresh_on, token.token_type) == (expected, 70, "Bearer")


def test_copies_of_a_credential_leave_it_unchanged() -> None:
    first = api.get_credential(object(), account="alice", subscription="s", tenant="t")
    before = repr(first)
    copies = [
        first.with_tenant("u"),
        first.with_account("bob"),
        first.with_min_validity(5),
        first.with_auxiliary_tenants("v"),
    ]
    assert repr(first) == before
    assert "'u'" in repr(copies[0])
    assert "'bob'" in repr(copies[1])
    assert all(copy is not first for copy in copies)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first._validity = 3  # type: ignore[misc]
    assert repr(aio.get_credential(object(), account="alice")) == repr(api.get_credential(object(), account="alice"))


def test_arguments_that_make_no_sense_are_refused_before_anything_is_read() -> None:
    credential = api.get_credential(object())
    with pytest.raises(ValueError, match="scope"):
        credential.get_token()
    with pytest.raises(ValueError, match="negative"):
        credential.with_min_validity(-1)
    for claims in ("not JSON", "[]", "bnVsbA=="):
        with pytest.raises(ValueError, match="claims"):
            credential.get_token("scope", claims=claims)


@pytest.mark.parametrize(
    "error",
    [
        api.NotSignedInError("Nobody.", next_step="Run `az login`."),
        api.InteractionRequiredError("Again.", entra_error={"error": "x"}, next_step="Run `az login`."),
        api.AccountError("Which?", "Run `az account set`."),
    ],
)
def test_an_error_keeps_its_class_message_and_next_step_for_the_sdk(error: AzCLIError) -> None:
    made = as_sdk_error(error)
    assert isinstance(made, type(error))
    assert (str(made), made.recommendations) == (str(error), error.recommendations)
    assert isinstance(made, ClientAuthenticationError)
    assert made.message == str(error)
    assert type(made).__name__ == type(error).__name__


def test_an_azure_identity_without_the_expected_class_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", types.ModuleType("azure.identity"))
    assert isinstance(as_sdk_error(api.NotSignedInError("Nobody.")), ClientAuthenticationError)


@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_an_error_can_be_copied_and_passed_to_another_process(copied: Callable[[AzCLIError], AzCLIError]) -> None:
    error = as_sdk_error(api.SignInError("refused", entra_error={"error": "x"}, next_step="az login"))
    same = copied(error)
    assert isinstance(same, api.SignInError)
    assert isinstance(same, ClientAuthenticationError)
    assert str(same) == "refused"
    assert vars(same)["recommendations"] == ["az login"]
    assert vars(same)["msal_error"] == {"error": "x"}
