"""What a service repeats of a request is neither printed, with --debug or without, nor stored."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import let_tokens_age
from tests.localcloud import CI_APP, LocalCloud
from tests.users import ALICE

STORES = ("msal_token_cache.json", "service_principal_entries.json")
SECRET = "canary~of/a+client.secret=0123456789"


@pytest.fixture
def az(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    return make_az(cloud=own_cloud)


def _assert_nowhere(az: Az, secret: str, *texts: str) -> None:
    assert not [text for text in texts if secret[:12] in text or secret[-12:] in text]
    for path in az.config_dir.rglob("*"):
        if path.is_file() and path.name not in STORES:
            assert secret[:12].encode() not in path.read_bytes(), path


def test_a_refresh_token(az: Az, own_cloud: LocalCloud) -> None:
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    document = json.loads((az.config_dir / STORES[0]).read_text(encoding="utf-8"))
    (secret,) = {entry["secret"] for entry in document["RefreshToken"].values()}
    body = {"error": "invalid_grant", "error_codes": [70000], "error_description": f"AADSTS70000: '{secret}' is bad."}
    own_cloud.admin.fail_next("/token$", count=None, status=400, body=json.dumps(body))
    for options in ((), ("--debug",)):
        result = az.run("account", "get-access-token", *options)
        assert result.exit_code == 1
        assert "AADSTS70000: '***' is bad." in result.stderr
        _assert_nowhere(az, secret, result.stdout, result.stderr)
    assert list((az.config_dir / "login_requests").glob("*.json")), "the failure is stored for other processes"


@pytest.mark.parametrize("status", [400, 401, 503])
def test_a_client_secret(az: Az, own_cloud: LocalCloud, status: int) -> None:
    description = f"AADSTS7000215: Invalid client secret provided: {SECRET}\r\nTrace ID: {SECRET[:-3]}..."
    body = {"error": "invalid_client", "error_codes": [7000215], "error_description": description}
    own_cloud.admin.fail_next(
        "/token$", count=None, status=status, body=json.dumps(body), headers={"Retry-After": "99"}
    )
    words = ("login", "--service-principal", "-u", CI_APP, "--password=@-", "--tenant", "contoso.example", "--debug")
    result = az.run(*words, input=SECRET)
    assert result.exit_code == 1
    assert status == 503 or "Invalid client secret provided: ***" in result.stderr
    _assert_nowhere(az, SECRET, result.stdout, result.stderr)
