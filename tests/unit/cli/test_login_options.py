"""The rules between the options of `az login`, and the values that are refused before anything is sent."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from azure.cli.core.azclierror import InvalidArgumentValueError

from azext_login.auth.entra.claims_challenge import decode_claims_challenge
from azext_login.cli.login_options import LoginOptions
from azext_login.cli.login_usage import check_usage, ignored_options
from azext_login.errors import AccountError

GUID = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "options",
    [
        {"identity": True, "tenant": "t"},
        {"identity": True, "password": "p"},
        {"identity": True, "username": "u"},
        {"use_device_code": True, "username": "u"},
        {"use_device_code": True, "service_principal": True},
        {"use_cert_sn_issuer": True, "username": "u"},
        {"service_principal": True},
        {"skip_subscription_discovery": True},
        {"skip_subscription_discovery": True, "tenant": "t", "subscription": "My name"},
        {"no_browser": True, "use_device_code": True},
        {"no_browser": True, "username": "u"},
        {"redirect_port": 8400, "use_device_code": True},
        {"redirect_port": 8400, "username": "u"},
        {"redirect_port": 8400, "service_principal": True, "username": "u"},
        {"redirect_port": 8400, "identity": True},
        {"redirect_port": 8400, "from_env": True},
        {"app_client_id": GUID, "identity": True},
        {"app_client_id": GUID, "from_env": True},
        {"app_client_id": GUID, "skip_subscription_discovery": True, "tenant": "t"},
        {"app_client_id": GUID, "access_token": "x"},
        {"federated_token_file": "f"},
        {"identity": True, "federated_token_source": "github"},
        {"certificate": "f", "store_decrypted_key": True},
        {"service_principal": True, "username": "u", "store_decrypted_key": True},
        {"identity": True, "client_id": "p\udce4ss"},
        {"access_token": "a", "username": "u"},
        {"access_token": "a", "service_principal": True, "username": "u"},
        {"access_token": "a", "scopes": ["s"]},
        {"access_token": "a", "from_env": True},
        {"credential_source": "command"},
        {"service_principal": True, "username": "u", "credential_source": "command", "password": "p"},
        {"service_principal": True, "username": "u", "source_arguments": ["a=b"]},
    ],
)
def test_options_that_contradict_each_other_or_cannot_be_sent_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(AccountError):
        check_usage(LoginOptions(**options))


def test_an_option_of_service_principals_is_refused_in_the_built_ins_words() -> None:
    with pytest.raises(AccountError, match="usage error: '--use-sn-issuer' is only applicable with a service"):
        check_usage(LoginOptions(username="u", use_cert_sn_issuer=True))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tenant": "t", "scopes": ["s"]},
        {"username": "u", "password": "p", "tenant": "t"},
        {"use_device_code": True, "tenant": "t"},
        {"no_browser": True, "tenant": "t"},
        {"no_browser": True, "redirect_port": 8400},
        {"identity": True, "client_id": "c", "allow_no_subscriptions": True},
        {"service_principal": True, "username": "u", "use_cert_sn_issuer": True},
        {"skip_subscription_discovery": True, "tenant": "t", "subscription": GUID},
        {"skip_subscription_discovery": True, "tenant": "t"},
        # More than one ID is refused where IDs count, which they do not in Cloud Shell.
        {"identity": True, "client_id": "c", "object_id": "o"},
        {"service_principal": True, "username": "u", "certificate": "f", "store_decrypted_key": True},
        {"certificate": "f"},
        {"identity": True, "client_assertion": "a"},
        {"client_id": "c", "object_id": "o"},
        {"access_token": "a", "tenant": "t", "allow_no_subscriptions": True, "subscription": "s"},
        {"service_principal": True, "username": "u", "credential_source": "command", "source_arguments": ["a=b"]},
    ],
)
def test_options_that_go_together_are_accepted(options: dict[str, Any]) -> None:
    check_usage(LoginOptions(**options))


@pytest.mark.parametrize(
    "options, ignored",
    [
        (
            {"certificate": "f", "client_id": "c"},
            [("--certificate", "--service-principal"), ("--client-id", "--identity")],
        ),
        ({"identity": True, "client_id": "c", "client_assertion": "a"}, [("--federated-token", "--service-principal")]),
        ({"service_principal": True, "certificate": "f", "resource_id": "r"}, [("--resource-id", "--identity")]),
        ({"service_principal": True, "certificate": "f", "client_assertion": "a"}, []),
        ({"identity": True, "object_id": "o", "certificate": ""}, []),
    ],
)
def test_options_of_another_way_to_sign_in_are_named(options: dict[str, Any], ignored: list[tuple[str, str]]) -> None:
    assert ignored_options(LoginOptions(**options)) == ignored


def test_secrets_are_not_in_the_representation_of_the_options() -> None:
    assert "hunter2" not in repr(LoginOptions(password="hunter2", client_assertion="hunter2", access_token="hunter2"))


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_claims_challenge_is_decoded_in_both_alphabets_with_and_without_padding(encode: Any) -> None:
    claims = '{"access_token": {"x": {"value": "~~??>>ü"}}}'
    encoded = encode(claims.encode()).decode()
    assert decode_claims_challenge(encoded) == claims
    assert decode_claims_challenge(encoded.rstrip("=")) == claims


@pytest.mark.parametrize("value", ["abc", "%%%", "bm90IGpzb24=", base64.b64encode(b"[1]").decode(), "é"])
def test_what_is_no_claims_challenge_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgumentValueError):
        decode_claims_challenge(value)
