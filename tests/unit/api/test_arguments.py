"""What the API refuses before it reads or sends anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from azext_login import api

_NOTHING: Any = None
"""A context that no call reaches."""

_CREDENTIAL = api.get_credential(_NOTHING)

_CALLS: dict[str, Callable[[Any], object]] = {
    "get_credential account": lambda value: api.get_credential(_NOTHING, account=value),
    "get_credential subscription": lambda value: api.get_credential(_NOTHING, subscription=value),
    "get_credential tenant": lambda value: api.get_credential(_NOTHING, tenant=value),
    "with_tenant": lambda value: _CREDENTIAL.with_tenant(value),
    "with_account": lambda value: _CREDENTIAL.with_account(value),
    "scope": lambda value: _CREDENTIAL.get_token(value),
    "second scope": lambda value: _CREDENTIAL.get_token("https://a.example/.default", value),
    "get_token resource": lambda value: api.get_token(_NOTHING, resource=value),
    "get_token scope": lambda value: api.get_token(_NOTHING, scopes=[value]),
    "get_token account": lambda value: api.get_token(_NOTHING, account=value),
    "select": lambda value: api.select(_NOTHING, value),
    "select account": lambda value: api.select(_NOTHING, "subscription", account=value),
    "select tenant": lambda value: api.select(_NOTHING, "subscription", tenant=value),
    "sign_out": lambda value: api.sign_out(_NOTHING, value),
    "sign_in tenant": lambda value: api.sign_in(_NOTHING, api.Browser(), tenant=value),
    "sign_in subscription": lambda value: api.sign_in(_NOTHING, api.Browser(), subscription=value),
    "sign_in client_id": lambda value: api.sign_in(_NOTHING, api.ClientSecret(value, "secret")),
    "sign_in path": lambda value: api.sign_in(_NOTHING, api.FederatedTokenFile("app", value)),
    "sign_in certificate": lambda value: api.sign_in(_NOTHING, api.ClientCertificate("app", value)),
    "sign_in identity": lambda value: api.sign_in(_NOTHING, api.ManagedIdentity(client_id=value)),
}


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS)
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_text_is_refused_and_does_not_mean_the_default(call: Callable[[Any], object], value: str) -> None:
    with pytest.raises(ValueError, match="is empty"):
        call(value)


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS)
@pytest.mark.parametrize("value", [b"secret", 5, ["secret"]], ids=["bytes", "int", "list"])
def test_another_type_is_refused_without_its_value(call: Callable[[Any], object], value: object) -> None:
    with pytest.raises(TypeError, match="must be a text, not") as caught:
        call(value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_validity_that_no_token_can_have_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="validity"):
        api.get_token(_NOTHING, min_validity=seconds)
    with pytest.raises(ValueError, match="validity"):
        _CREDENTIAL.with_min_validity(seconds)


@pytest.mark.parametrize("claims", ["x", "[]", '{"access_token": null}'])
def test_claims_that_cannot_be_sent_are_refused(claims: str) -> None:
    with pytest.raises(ValueError, match="claims"):
        _CREDENTIAL.get_token("https://a.example/.default", claims=claims)


@pytest.mark.parametrize("method", [None, "browser", api.DeviceCode(_NOTHING)])
def test_what_is_no_way_to_sign_in_is_refused(method: Any) -> None:
    with pytest.raises(TypeError):
        api.sign_in(_NOTHING, method)
