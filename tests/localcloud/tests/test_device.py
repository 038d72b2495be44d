"""The local cloud's device code flow: waiting, being too fast, declining, expiring."""

from __future__ import annotations

import time

import pytest

from tests.localcloud.testing import TokenClient, Visitor
from tests.users import ALICE, NINA

pytest_plugins = ["tests.localcloud.fixtures"]


def refusal(client: TokenClient, device_code: str) -> str:
    answer = client.poll(device_code)
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


def test_a_device_code_tells_the_user_what_to_do(client: TokenClient) -> None:
    flow = client.device_code()
    assert flow["user_code"] in flow["message"]
    assert flow["verification_uri"] in flow["message"]
    assert flow["interval"] == 1
    assert len(flow["user_code"]) == 9


def test_an_accepted_device_code_gives_tokens_once(client: TokenClient, visitor: Visitor) -> None:
    flow = client.device_code()
    assert "You have signed in" in visitor.enter_device_code(flow["user_code"].lower(), ALICE).html
    assert "access_token" in client.poll(flow["device_code"]).json()
    assert refusal(client, flow["device_code"]) == "bad_verification_code"


def test_polling_before_the_user_is_done_is_pending(client: TokenClient) -> None:
    flow = client.device_code()
    assert refusal(client, flow["device_code"]) == "authorization_pending"
    assert client.poll(flow["device_code"]).json()["error_codes"] == [70016]


def test_polling_faster_than_the_interval_is_told_to_slow_down(client: TokenClient) -> None:
    flow = client.device_code()
    refusal(client, flow["device_code"])
    assert refusal(client, flow["device_code"]) == "slow_down"
    # From now on the interval is five seconds longer (RFC 8628 3.5).
    client.cloud.admin.clock_offset(3)
    assert refusal(client, flow["device_code"]) == "slow_down"
    client.cloud.admin.clock_offset(3 + 11 + 1)
    assert refusal(client, flow["device_code"]) == "authorization_pending"


def test_polling_at_the_interval_is_fast_enough(client: TokenClient) -> None:
    flow = client.device_code()
    refusal(client, flow["device_code"])
    time.sleep(flow["interval"])
    assert refusal(client, flow["device_code"]) == "authorization_pending"


def test_a_declined_device_code_says_so(client: TokenClient, visitor: Visitor) -> None:
    flow = client.device_code()
    visitor.enter_device_code(flow["user_code"], ALICE, accept=False)
    assert refusal(client, flow["device_code"]) == "authorization_declined"


def test_refused_consent_declines_the_device_code(client: TokenClient, visitor: Visitor) -> None:
    flow = client.device_code()
    page = visitor.enter_device_code(flow["user_code"], NINA)
    assert "Need admin approval" in page.html
    visitor.press("cancel")
    assert refusal(client, flow["device_code"]) == "authorization_declined"


def test_a_device_code_expires(client: TokenClient, visitor: Visitor) -> None:
    client.cloud.admin.device_code(interval=2, expires_in=60)
    flow = client.device_code()
    assert (flow["interval"], flow["expires_in"]) == (2, 60)
    client.cloud.admin.clock_offset(61)
    assert refusal(client, flow["device_code"]) == "expired_token"
    visitor.open(f"{client.cloud.url}/device")
    assert "didn't work" in visitor.press("submit", user_code=flow["user_code"]).text


def test_an_invented_device_code_is_refused(client: TokenClient) -> None:
    assert refusal(client, "invented") == "bad_verification_code"


def test_a_wrong_user_code_stays_on_the_page(visitor: Visitor) -> None:
    visitor.open(f"{visitor.cloud.url}/device")
    page = visitor.press("submit", user_code="NOTACODE")
    assert "didn't work" in page.text
    assert "user-code" in page.inputs


def test_a_device_sign_in_for_a_tenant_that_demands_mfa_asks_for_it(client: TokenClient, visitor: Visitor) -> None:
    flow = client.device_code("woodgrove.example")
    visitor.open(f"{client.cloud.url}/device")
    visitor.press("submit", user_code=flow["user_code"])
    visitor.press("submit", username=ALICE)
    visitor.press("submit", password="alice-local-password")
    assert "mfa-code" in visitor.page.inputs


@pytest.mark.parametrize(
    ("tenant", "form", "code"),
    [
        ("nowhere.example", {}, 90002),
        ("organizations", {"client_id": "x"}, 700016),
        ("organizations", {"scope": "https://nothing.example/.default"}, 500011),
        ("organizations", {"scope": ""}, 900144),
    ],
)
def test_a_bad_device_code_request_is_refused(
    client: TokenClient, tenant: str, form: dict[str, str], code: int
) -> None:
    assert client.device_code(tenant, **form)["error_codes"] == [code]
