"""IDs that a service chose stand in files and in commands to paste, and names reach the terminal."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.harness.az import Az, Result
from tests.harness.sign_in import sign_in
from tests.localcloud import LocalCloud
from tests.localcloud.seed import CONTOSO, FABRIKAM
from tests.users import ALICE, CAROL

HOSTILE_IDS = ["$(touch PWN)", "-p", "\x1b]0;PWN\x07", "\u202etxet", ""]

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

_TENANT: dict[str, Any] = {"id": f"/tenants/{CONTOSO.id}", "tenantId": CONTOSO.id, "displayName": "Contoso"}
_SUBSCRIPTION: dict[str, Any] = {
    "id": "/subscriptions/11111111-2222-3333-4444-555555555555",
    "tenantId": CONTOSO.id,
    "displayName": "Contoso",
    "state": "Enabled",
    "managedByTenants": [],
}


# MSAL reads these claims of Cloud Shell's tokens.
_CLAIMS = {"iss": "https://sts.windows.net/x/", "sub": "x", "iat": 1, "exp": 4102444800}


def _token(claims: Mapping[str, Any]) -> str:
    parts = ({"alg": "RS256"}, claims, {"x": "y"})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


@pytest.fixture
def az(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    return make_az(cloud=own_cloud)


def _ids(az: Az) -> list[str]:
    return [row["id"] for row in az.run("account", "list", "--all").json()]


def _words(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON document, and the parts between their slashes."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, str):
        yield from (value, *value.split("/"))


def _assert_refused(az: Az, result: Result, hostile: str) -> None:
    result.failed()
    assert not _OBEYED.search(result.stdout + result.stderr), result
    if hostile:
        for path in az.config_dir.glob("*.json"):
            # A message may quote it.
            assert hostile not in _words(json.loads(path.read_text(encoding="utf-8-sig"))), path


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
def test_an_id_that_cannot_be_one_is_refused_where_it_is_parsed(az: Az, own_cloud: LocalCloud, hostile: str) -> None:
    """Of a tenant, of a subscription, and of the tenant in the token of a managed identity and of Cloud Shell."""
    sign_in(az, own_cloud, ALICE).ok()
    before = _ids(az)
    admin = own_cloud.admin
    lists = [("/tenants?", {**_TENANT, "tenantId": hostile})]
    lists += [("/subscriptions?", {**_SUBSCRIPTION, "id": f"/subscriptions/{hostile}"})]
    for path, row in lists:
        admin.fail_next(re.escape(path), count=None, status=200, body=json.dumps({"value": [row]}))
        _assert_refused(az, az.run("login", "-u", ALICE, "-p=alice-local-password"), hostile)
        refreshed = az.run("account", "list", "--refresh")
        assert not _OBEYED.search(refreshed.stdout + refreshed.stderr), refreshed
        assert _ids(az) == before
        admin.clear_faults()
    answer = {"access_token": _token(_CLAIMS | {"tid": hostile, "unique_name": ALICE}), "expires_in": "3599"}
    for environment in (own_cloud.imds_environment(), own_cloud.cloud_shell_environment()):
        admin.fail_next("token", count=None, status=200, body=json.dumps(answer | {"expires_on": "4102444800"}))
        _assert_refused(az, az.run("login", "--identity", env=environment), hostile)
        admin.clear_faults()
    assert _ids(az) == before


@pytest.mark.parametrize("hostile", ["$(touch PWN)", "\x1b[2J"])
def test_the_issuer_of_a_domain(az: Az, own_cloud: LocalCloud, hostile: str) -> None:
    sign_in(az, own_cloud, ALICE).ok()
    document = {"issuer": f"https://localhost/{hostile}/v2.0"}
    own_cloud.admin.fail_next("fabrikam.*openid-configuration", count=None, status=200, body=json.dumps(document))
    result = az.run("account", "get-access-token", "--tenant", "fabrikam.onmicrosoft.example")
    _assert_refused(az, result, hostile)


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\u202eb", "a\x9b1mb"])
def test_a_name_that_a_terminal_would_obey_is_stored_as_text(az: Az, own_cloud: LocalCloud, name: str) -> None:
    tenant = {**_TENANT, "displayName": name, "defaultDomain": name}
    row = {**_SUBSCRIPTION, "displayName": name, "state": name, "tenantId": name}
    row["managedByTenants"] = [{"tenantId": name}]
    own_cloud.admin.fail_next(r"/tenants\?", count=None, status=200, body=json.dumps({"value": [tenant]}))
    own_cloud.admin.fail_next(r"/subscriptions\?", count=None, status=200, body=json.dumps({"value": [row]}))
    result = sign_in(az, own_cloud, ALICE).ok()
    (stored,) = result.json()
    assert (stored["homeTenantId"], stored["managedByTenants"]) == (None, [{"tenantId": None}])
    for words in (("show",), ("list", "--all"), ("list", "--all", "-o", "table"), ("list", "--all", "-o", "tsv")):
        shown = az.run("account", *words).ok()
        assert "\ufffd" in shown.stdout
        assert not _OBEYED.search(shown.stdout + shown.stderr), shown
    assert not _OBEYED.search(result.stdout + result.stderr), result


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\u202eb", None, ""])
def test_a_user_name_that_a_terminal_would_obey_is_refused(az: Az, own_cloud: LocalCloud, name: object) -> None:
    answer = {"access_token": _token(_CLAIMS | {"tid": CONTOSO.id, "unique_name": name}), "expires_on": "4102444800"}
    own_cloud.admin.fail_next("token", count=None, status=200, body=json.dumps(answer))
    result = az.run("login", "--identity", env=own_cloud.cloud_shell_environment())
    _assert_refused(az, result, "")


@pytest.mark.parametrize("missing", ["iss", "all"])
def test_a_token_of_cloud_shell_without_its_claims(az: Az, own_cloud: LocalCloud, missing: str) -> None:
    claims = {name: value for name, value in _CLAIMS.items() if missing not in (name, "all")}
    answer = {"access_token": _token(claims), "expires_on": "4102444800", "expires_in": "3599"}
    own_cloud.admin.fail_next("token", count=None, status=200, body=json.dumps(answer))
    result = az.run("login", "--identity", env=own_cloud.cloud_shell_environment()).failed()
    assert "without the usual claims" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("account", "show"),
        ("account", "set", "--subscription", "Same"),
        ("account", "set", "--subscription", "nowhere"),
        ("account", "get-access-token"),
        ("account", "get-access-token", "--subscription", "Same"),
        ("account", "export-token", "--subscription", "Same"),
        ("account", "get-access-token", "--tenant", FABRIKAM.id),
        ("account", "list", "--refresh"),
        ("account", "renew", "--tenant", "Same"),
        ("logout",),
    ],
)
def test_no_message_has_what_a_terminal_obeys_whoever_wrote_the_files(
    az: Az, own_cloud: LocalCloud, command: tuple[str, ...]
) -> None:
    """The rows of a profile that another program wrote. As built in, standard output shows them as they are."""
    sign_in(az, own_cloud, CAROL, "--allow-no-subscriptions").ok()
    path = az.config_dir / "azureProfile.json"
    document = json.loads(path.read_text(encoding="utf-8-sig"))
    row = document["subscriptions"][0] | {"isDefault": False, "tenantDisplayName": "Same"}
    bad = "\x1b[31m\u202e\x07"
    for number, default in enumerate((True, False)):
        document["subscriptions"].append(
            row
            | {
                "id": f"{number}{bad}",
                "name": "Same",
                "tenantId": f"{FABRIKAM.id}{bad}{number}",
                "user": {"name": f"u{bad}{number}", "type": "user"},
                "isDefault": default,
            }
        )
    path.write_text(json.dumps(document), encoding="utf-8")
    result = az.run(*command)
    assert not _OBEYED.search(result.stderr), result
    result.assert_clean()
