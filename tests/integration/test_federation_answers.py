"""What a federation server answers is not logged: it has received the password, and it answers with an assertion."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness.az import Az
from tests.localcloud import LocalCloud
from tests.users import ALICE

PASSWORD = "canary+of/a-password~4711"
# No filter finds a secret in every form in which a server may send it.
REVERSED = PASSWORD[::-1]
ASSERTION = "canary-of-an-assertion-0815"

MALFORMED = f"<metadata><password>{REVERSED}"
FAULT = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault>'
    "<s:Code><s:Subcode><s:Value>a:FailedAuthentication</s:Value></s:Subcode></s:Code>"
    f"<s:Reason><s:Text>ID3242: The token cannot be authenticated.</s:Text></s:Reason><s:Detail>{REVERSED}</s:Detail>"
    "</s:Fault></s:Body></s:Envelope>"
)
UNKNOWN = f"<x><TokenType>unknown</TokenType><RequestedSecurityToken>{ASSERTION}</RequestedSecurityToken></x>"
KNOWN_TYPE = "urn:oasis:names:tc:SAML:1.0:assertion"
NO_TOKEN = f"<x><TokenType>{KNOWN_TYPE}</TokenType><y>{ASSERTION} {REVERSED}</y></x>"


@pytest.fixture
def az(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    az = make_az(cloud=own_cloud)
    # The host's log file.
    return az.with_env(AZURE_LOGGING_ENABLE_LOG_FILE="yes")


def _refer_to(cloud: LocalCloud, *, metadata: bool) -> None:
    """Make the user a federated one, whose server is part of the local cloud."""
    server = f"{cloud.url}/adfs/services/trust"
    realm = {
        "account_type": "Federated",
        "federation_protocol": "WSTrust",
        "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        "federation_metadata_url": f"{server}/mex" if metadata else "",
        "federation_active_auth_url": f"{server}/13/usernamemixed",
    }
    cloud.admin.fail_next("/common/userrealm/", count=None, status=200, body=json.dumps(realm))


def _sign_in(az: Az) -> str:
    """Sign in with everything logged, and return what the error is."""
    result = az.run("login", "--username", ALICE, "--password=@-", "--debug", input=PASSWORD)
    assert result.exit_code == 1
    for canary in (PASSWORD, REVERSED, ASSERTION):
        assert canary not in result.stdout + result.stderr
        for path in az.config_dir.rglob("*"):
            assert not path.is_file() or canary.encode() not in path.read_bytes(), path
    return result.stderr


def test_metadata_that_is_not_xml(az: Az, own_cloud: LocalCloud) -> None:
    _refer_to(own_cloud, metadata=True)
    own_cloud.admin.fail_next("/mex$", count=None, status=200, body=MALFORMED)
    assert "something other than XML" in _sign_in(az)


@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_refused_password(az: Az, own_cloud: LocalCloud, status: int) -> None:
    _refer_to(own_cloud, metadata=False)
    own_cloud.admin.fail_next("/usernamemixed$", count=None, status=status, body=FAULT)
    assert "ID3242: The token cannot be authenticated." in _sign_in(az)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("body", [UNKNOWN, NO_TOKEN, f"{REVERSED} {ASSERTION}"], ids=["unknown", "no token", "no XML"])
def test_an_answer_that_msal_cannot_use(az: Az, own_cloud: LocalCloud, body: str, status: int) -> None:
    _refer_to(own_cloud, metadata=False)
    own_cloud.admin.fail_next("/usernamemixed$", count=None, status=status, body=body)
    assert "federation server" in _sign_in(az)
