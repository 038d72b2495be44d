"""The local cloud's authorization code flow refuses what Entra refuses."""

from __future__ import annotations

import time

import jwt
import pytest
import requests

from tests.harness.http_user import Answer
from tests.localcloud import NOTES_APP, SAMPLE_APP, LocalCloud
from tests.localcloud.testing import USUAL_SCOPES, TokenClient, Visitor, authorize_url, pkce_pair
from tests.users import ALICE, BOB, NINA

pytest_plugins = ["tests.localcloud.fixtures"]

REDIRECT = "http://localhost:8400"
CONTOSO = "contoso.example"


class Flow:
    """One authorization request with its verifier."""

    def __init__(self, cloud: LocalCloud, visitor: Visitor, client: TokenClient) -> None:
        self.cloud, self.visitor, self.client = cloud, visitor, client
        self.verifier, self.challenge = pkce_pair()

    def url(self, **changes: str | None) -> str:
        return authorize_url(self.cloud, self.challenge, **changes)  # type: ignore[arg-type]

    def refused(self, **changes: str | None) -> dict[str, str]:
        """Open a request that is refused at once; what the application is told."""
        self.visitor.open(self.url(**changes))
        assert self.visitor.answer is not None, self.visitor.page.html
        return self.visitor.answer.parameters

    def code(self, username: str = ALICE, **changes: str | None) -> Answer:
        return self.visitor.sign_in(self.url(**changes), username)

    def consent(self, client_id: str, tenant: str, **changes: str) -> Answer:
        """Sign alice in to an application that asks her for consent, unless she has consented."""
        self.visitor.open(self.url(client_id=client_id, tenant=tenant, **changes))
        self.visitor.identify(ALICE)
        if "accept" in self.visitor.page.buttons:
            self.visitor.press("accept")
        assert self.visitor.answer is not None, self.visitor.page.html
        return self.visitor.answer

    def redeem(self, code: str, tenant: str = "organizations", **changes: str) -> requests.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "scope": USUAL_SCOPES,
            "code_verifier": self.verifier,
            "client_info": "1",
            **changes,
        }
        return self.client.token(tenant, **form)


@pytest.fixture
def flow(fresh_cloud: LocalCloud, visitor: Visitor, client: TokenClient) -> Flow:
    return Flow(fresh_cloud, visitor, client)


def error_code(answer: requests.Response) -> int:
    assert answer.status_code in (400, 401), answer.text
    return int(answer.json()["error_codes"][0])


def test_a_code_gives_tokens_and_carries_state_and_nonce(flow: Flow) -> None:
    called = flow.code()
    assert called.parameters["state"] == "st&te"
    answer = flow.redeem(called.parameters["code"]).json()
    id_token = jwt.decode(answer["id_token"], options={"verify_signature": False})
    assert id_token["nonce"] == "n0nce"
    assert id_token["preferred_username"] == ALICE
    assert answer["foci"] == "1"
    assert "https://management.core.windows.net//.default" in answer["scope"].split()


def test_a_wrong_verifier_is_refused(flow: Flow) -> None:
    other, _ = pkce_pair()
    assert error_code(flow.redeem(flow.code().parameters["code"], code_verifier=other)) == 501481


def test_a_missing_verifier_is_refused(flow: Flow) -> None:
    assert error_code(flow.redeem(flow.code().parameters["code"], code_verifier="")) == 900144


def test_a_failed_redemption_uses_the_code_up(flow: Flow) -> None:
    code = flow.code().parameters["code"]
    flow.redeem(code, code_verifier=pkce_pair()[0])
    assert error_code(flow.redeem(code)) == 54005


def test_a_replayed_code_is_refused_and_ends_what_came_from_it(flow: Flow) -> None:
    code = flow.code().parameters["code"]
    first = flow.redeem(code).json()
    assert flow.client.arm("/subscriptions", first["access_token"]).status_code == 200
    assert error_code(flow.redeem(code)) == 54005
    assert error_code(flow.client.refresh(first["refresh_token"])) == 50173
    assert flow.client.arm("/subscriptions", first["access_token"]).status_code == 401


def test_an_expired_code_is_refused(flow: Flow) -> None:
    code = flow.code().parameters["code"]
    flow.cloud.admin.clock_offset(601)
    assert error_code(flow.redeem(code)) == 70008


def test_an_application_has_redirect_addresses_of_its_own(flow: Flow) -> None:
    flow.visitor.open(flow.url(client_id=SAMPLE_APP))
    assert "AADSTS50011" in flow.visitor.page.text
    called = flow.consent(SAMPLE_APP, "organizations", redirect_uri="http://localhost:8400/callback")
    assert called.parameters["code"]


def test_an_application_asks_each_user_for_consent_to_each_resource(flow: Flow) -> None:
    called = flow.consent(NOTES_APP, CONTOSO)
    answer = flow.redeem(called.parameters["code"], CONTOSO, client_id=NOTES_APP).json()
    assert "foci" not in answer
    again = flow.client.refresh(answer["refresh_token"], CONTOSO, client_id=NOTES_APP)
    assert again.status_code == 200
    vault = "https://vault.azure.net/.default"
    assert error_code(flow.client.refresh(answer["refresh_token"], CONTOSO, client_id=NOTES_APP, scope=vault)) == 65001


def test_an_application_of_one_tenant_is_known_there_only(flow: Flow) -> None:
    for tenant, code in (("organizations", 50194), ("fabrikam.example", 700016)):
        flow.visitor.open(flow.url(client_id=NOTES_APP, tenant=tenant))
        assert f"AADSTS{code}" in flow.visitor.page.text
        refused = flow.client.token(tenant, grant_type="refresh_token", refresh_token="x", client_id=NOTES_APP)
        assert error_code(refused) == code


def test_an_application_without_public_flows_takes_no_password_and_no_device_code(flow: Flow) -> None:
    flow.cloud.admin.consent(NOTES_APP, ALICE)
    assert flow.client.password(ALICE, tenant=CONTOSO, client_id=NOTES_APP).status_code == 200
    flow.cloud.admin.allow_public_flows(NOTES_APP, False)
    assert error_code(flow.client.password(ALICE, tenant=CONTOSO, client_id=NOTES_APP)) == 7000218
    assert flow.consent(NOTES_APP, CONTOSO).parameters["code"]


def test_a_code_is_bound_to_the_redirect_address(flow: Flow) -> None:
    assert error_code(flow.redeem(flow.code().parameters["code"], redirect_uri="http://localhost:8401")) == 500112


def test_a_code_is_bound_to_the_client(flow: Flow) -> None:
    assert error_code(flow.redeem(flow.code().parameters["code"], client_id=SAMPLE_APP)) == 700007


def test_a_code_is_bound_to_the_tenant(flow: Flow) -> None:
    assert error_code(flow.redeem(flow.code().parameters["code"], tenant="fabrikam.example")) == 700005


def test_a_code_for_organizations_may_be_redeemed_at_the_home_tenant(flow: Flow) -> None:
    assert flow.redeem(flow.code().parameters["code"], tenant="contoso.example").status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost/elsewhere",
        "https://localhost:8400",
        "http://localhost.evil.example:8400",
        "http://evil.example",
        "http://localhost:8400?x=1",
        "http://x@localhost:8400",
        "http://[::1]:8400",
        "",
    ],
)
def test_a_wrong_redirect_address_gives_a_page_and_no_redirect(flow: Flow, address: str) -> None:
    page = flow.visitor.open(flow.url(redirect_uri=address))
    assert flow.visitor.answer is None
    assert page.status == 400
    assert "AADSTS50011" in page.html


@pytest.mark.parametrize("address", ["http://localhost:1", "http://localhost:65535/", "http://127.0.0.1:5000"])
def test_the_port_of_a_loopback_redirect_address_does_not_count(flow: Flow, address: str) -> None:
    assert flow.code(redirect_uri=address).url.startswith(address)


def test_form_post_hands_the_code_over_in_a_post_and_not_in_the_address(flow: Flow) -> None:
    called = flow.code(response_mode="form_post")
    assert called.method == "POST"
    assert called.url == REDIRECT
    assert flow.redeem(called.parameters["code"]).status_code == 200


def test_nothing_in_the_form_post_page_hides_the_method_that_its_script_calls(flow: Flow) -> None:
    flow.code(response_mode="form_post")
    page = flow.visitor.page
    assert "document.forms[0].submit()" in page.html
    assert "submit" not in {*page.buttons, *page.inputs, *page.fields}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"scope": "https://nothing.example/.default"}, "invalid_resource"),
        ({"scope": "https://nothing"}, "invalid_scope"),
        ({"claims": "{not json"}, "invalid_request"),
        ({"claims": "[]"}, "invalid_request"),
        ({"prompt": "please"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_bad_request_is_reported_to_the_application(flow: Flow, changes: dict[str, str | None], error: str) -> None:
    told = flow.refused(**changes)
    assert told["error"] == error
    assert told["state"] == "st&te"
    assert told["error_description"].startswith("AADSTS")


def test_errors_come_in_the_response_mode_that_was_asked_for(flow: Flow) -> None:
    flow.refused(response_mode="form_post", prompt="none")
    assert flow.visitor.answer is not None
    assert flow.visitor.answer.method == "POST"


def test_declined_admin_approval_is_access_denied(flow: Flow) -> None:
    flow.visitor.open(flow.url())
    page = flow.visitor.identify(NINA)
    assert "Need admin approval" in page.html
    assert "AADSTS90094" in page.html
    flow.visitor.press("cancel")
    assert flow.visitor.answer is not None
    assert flow.visitor.answer.parameters["error"] == "access_denied"
    assert "AADSTS65004" in flow.visitor.answer.parameters["error_description"]


def test_consent_is_asked_once_for_a_resource_that_needs_it(flow: Flow) -> None:
    scope = "https://needs-consent.localcloud.example/.default openid offline_access"
    flow.visitor.open(flow.url(scope=scope))
    assert "Permissions requested" in flow.visitor.identify(ALICE).html
    flow.visitor.press("accept")
    assert flow.visitor.answer is not None
    flow.visitor.open(flow.url(scope=scope, prompt=None))
    assert flow.visitor.answer is not None


def test_prompt_none_gives_a_code_to_whom_the_browser_knows(flow: Flow) -> None:
    flow.code()
    assert "code" in flow.refused(prompt="none")


def test_prompt_none_at_a_tenant_that_demands_mfa_needs_interaction(flow: Flow) -> None:
    flow.code()
    told = flow.refused(prompt="none", tenant="woodgrove.example")
    assert told["error"] == "interaction_required"
    assert "AADSTS50076" in told["error_description"]


def test_prompt_login_asks_for_the_password_again(flow: Flow) -> None:
    flow.code()
    flow.visitor.open(flow.url(prompt="login", login_hint=ALICE))
    assert "password" in flow.visitor.page.inputs


def test_the_account_picker_offers_whom_the_browser_knows(flow: Flow) -> None:
    flow.code()
    page = flow.visitor.open(flow.url())
    assert ALICE in page.buttons
    flow.visitor.press(ALICE)
    assert flow.visitor.answer is not None


def test_a_wrong_second_factor_is_refused(flow: Flow) -> None:
    flow.visitor.open(flow.url(tenant="woodgrove.example"))
    flow.visitor.press("submit", username=ALICE)
    flow.visitor.press("submit", password="alice-local-password")
    page = flow.visitor.press("submit", mfa_code="x")
    assert "expected verification code" in page.html
    assert flow.visitor.answer is None


def test_a_user_who_is_not_in_the_tenant_sees_why(flow: Flow) -> None:
    flow.visitor.open(flow.url(tenant="contoso.example"))
    assert "AADSTS50020" in flow.visitor.identify(BOB).html
    assert flow.visitor.answer is None


def test_a_form_without_its_token_is_refused(flow: Flow) -> None:
    page = flow.visitor.open(flow.url())
    page.fields["csrf"] = "x"
    assert "AADSTS165000" in flow.visitor.press("submit", username=ALICE).html


def test_a_sign_in_belongs_to_the_browser_that_started_it(flow: Flow) -> None:
    page = flow.visitor.open(flow.url())
    stranger = Visitor(flow.cloud)
    assert "AADSTS165000" in stranger.open(page.url).html


def test_pages_forbid_everything_that_is_not_theirs(flow: Flow) -> None:
    answer = flow.visitor.session.get(flow.url())
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://localhost:8400" in policy
    cookie = answer.history[0].headers["Set-Cookie"]
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Lax"))


def test_the_user_of_a_code_may_have_been_disabled_since(flow: Flow) -> None:
    code = flow.code().parameters["code"]
    flow.cloud.admin.disable_user(ALICE)
    assert error_code(flow.redeem(code)) == 50057


def test_a_revoked_session_has_to_type_the_password_again(flow: Flow) -> None:
    flow.code()
    time.sleep(0.01)
    flow.cloud.admin.revoke(ALICE)
    flow.visitor.open(flow.url())
    flow.visitor.press(ALICE)
    assert "password" in flow.visitor.page.inputs


def test_a_revocation_reaches_a_sign_in_under_way(flow: Flow) -> None:
    flow.visitor.open(flow.url(tenant="woodgrove.example"))
    flow.visitor.press("submit", username=ALICE)
    flow.visitor.press("submit", password="alice-local-password")
    assert "mfa-code" in flow.visitor.page.inputs
    flow.cloud.admin.revoke(ALICE)
    flow.visitor.open(flow.visitor.page.url)
    assert "password" in flow.visitor.page.inputs
