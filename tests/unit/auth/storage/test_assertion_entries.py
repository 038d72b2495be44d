"""Where an entry has its federated token: in every form that this extension and the host store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.sources.federated_tokens import BuildAssertion, CommandAssertion, GitHubAssertion
from azext_login.auth.storage.assertion_entries import OWN_KEY, assertion_of, names_build_system, with_assertion
from azext_login.auth.workload import service_principal
from azext_login.auth.workload.service_principal import FEDERATED_TOKEN, ServicePrincipal

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
OTHER = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJvdGhlciJ9.c2lnbmF0dXJl"
APP = {"client_id": "app", "tenant": "contoso"}
GITHUB = {OWN_KEY: {"assertionSource": {"type": "github", "audience": "api://x"}}}
OF_HOST = [
    {"client_assertion_callback": "get-token --audience x"},
    {"client_assertion_callback": "get-token", "client_assertion": TOKEN},
    {"client_assertion": "FEDERATED_IDENTITY"},
    {"client_assertion": "<federated identity>"},
    {"client_assertion": "azure.federated.identity"},
]
"""What azure-cli#33989 stores. The text of its mark is not known."""


@given(st.sampled_from(OF_HOST), st.dictionaries(st.text(), st.integers()), st.dictionaries(st.text(), st.integers()))
def test_a_token_beside_what_the_host_stores_changes_nothing_of_it(
    form: dict[str, Any], others: dict[str, int], own: dict[str, int]
) -> None:
    entry = {**others, **APP, **form, OWN_KEY: own}
    before = {**entry, OWN_KEY: dict(own)}
    renewed = with_assertion(entry, OTHER)
    assert entry == before
    assert assertion_of(renewed) == OTHER
    assert {**renewed, OWN_KEY: None} == {**entry, OWN_KEY: None}
    assert {name: renewed[OWN_KEY][name] for name in own if name != "assertion"} == {
        name: value for name, value in own.items() if name != "assertion"
    }


@pytest.mark.parametrize("form", OF_HOST)
def test_the_mark_of_a_build_is_not_a_token(form: dict[str, Any]) -> None:
    assert assertion_of({**APP, **form}) is None
    principal = ServicePrincipal.from_entry({**APP, **form})
    assert (principal.kind, principal.assertion) == (FEDERATED_TOKEN, None)
    command = form.get("client_assertion_callback")
    assert principal.source == (CommandAssertion(command) if command else BuildAssertion())


@pytest.mark.parametrize("form", [{"client_assertion": TOKEN}, {"client_assertion": TOKEN, **GITHUB}])
def test_a_token_takes_the_place_of_a_token(form: dict[str, Any]) -> None:
    assert with_assertion({**APP, **form}, OTHER) == {**APP, **form, "client_assertion": OTHER}


@pytest.mark.parametrize("form", [GITHUB, {"client_secret": "x"}, {"client_assertion_callback": ""}, {}])
def test_a_token_that_is_not_stored_stays_so(form: dict[str, Any]) -> None:
    assert with_assertion({**APP, **form}, OTHER) == {**APP, **form}


@pytest.mark.parametrize(
    "form",
    [
        {"client_assertion": TOKEN},
        {"client_assertion": TOKEN[:50]},
        {"client_assertion": "x" * 101},
        {"client_assertion": "x", **GITHUB},
        {"client_assertion": ""},
        {"client_assertion": ["x"]},
        {"client_assertion": "x", "client_assertion_callback": "get-token"},
    ],
)
def test_a_token_a_damaged_one_and_a_source_of_ours_are_no_mark(form: dict[str, Any]) -> None:
    assert not names_build_system({**APP, **form})


def test_a_secret_and_a_certificate_take_precedence() -> None:
    for credential in ({"client_secret": "x"}, {"certificate": "/x.pem"}):
        principal = ServicePrincipal.from_entry({**APP, **credential, "client_assertion_callback": "get-token"})
        assert principal.source is None
        assert principal.kind != FEDERATED_TOKEN


PIPELINES = {"SYSTEM_OIDCREQUESTURI": "https://a"}
CONNECTION = {"ARM_OIDC_AZURE_SERVICE_CONNECTION_ID": "c"}


@pytest.mark.parametrize(
    "source, environ, host, advice",
    [
        (CommandAssertion("get-token 'x y'"), {}, True, """--federated-token-callback "get-token 'x y'\""""),
        (CommandAssertion("get-token"), {}, False, "--federated-token=@FILE"),
        (BuildAssertion(), {}, True, "--federated-identity"),
        (BuildAssertion(), {}, False, "--federated-token-source github"),
        (
            BuildAssertion(),
            {**PIPELINES, **CONNECTION},
            False,
            "--federated-token-source azure-pipelines --service-connection-id c",
        ),
        (BuildAssertion(), PIPELINES, False, "--federated-token-source azure-pipelines --service-connection-id ID"),
        (GitHubAssertion("x"), PIPELINES, True, "--federated-token-source github"),
    ],
)
def test_the_advised_sign_in_has_the_options_of_this_host(
    monkeypatch: pytest.MonkeyPatch, source: Any, environ: dict[str, str], host: bool, advice: str
) -> None:
    of_host = {"federated_identity": None, "federated_token_callback": None} if host else {}
    monkeypatch.setattr(service_principal, "host_signature", lambda command: of_host)
    monkeypatch.delenv("PSModulePath", raising=False)
    principal = ServicePrincipal("app", "contoso", FEDERATED_TOKEN, source=source)
    shown = str(principal.login_command(environ))
    assert shown == f"az login --service-principal --username app {advice}"
