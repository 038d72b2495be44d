"""Which flow `az login` runs for a user, and with which redirect port."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from azext_login.auth.interactive import broker, browser
from azext_login.cli import login
from azext_login.cli.login_options import LoginOptions
from azext_login.system.command_line import AZ_LOGIN
from azext_login.system.terminal.terminal import StandardTerminal


@pytest.fixture
def flow_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that tells the flow of some options ("broker" or the port), where a browser can be opened."""
    monkeypatch.setattr(login, "can_open_browser", lambda: True)
    monkeypatch.setattr(broker, "sign_in_with_broker", lambda application, **options: {"flow": "broker"})
    monkeypatch.setattr(browser, "sign_in_with_browser", lambda application, request: {"flow": request.port})

    def flow_of(options: LoginOptions, *, has_broker: bool = False, is_adfs: bool = False) -> Any:
        flow = login._interactive_flow(options, None, AZ_LOGIN, StandardTerminal())
        applications: Any = SimpleNamespace(is_adfs=is_adfs)
        return flow(applications, SimpleNamespace(_enable_broker=has_broker), [])["flow"]

    return flow_of


def test_without_the_option_the_port_is_any_or_the_one_that_ad_fs_knows(flow_of: Any) -> None:
    assert flow_of(LoginOptions()) == 0
    assert flow_of(LoginOptions(), is_adfs=True) == 8400


def test_a_chosen_port_is_used_for_ad_fs_too(flow_of: Any) -> None:
    assert flow_of(LoginOptions(redirect_port=5000)) == 5000
    assert flow_of(LoginOptions(redirect_port=5000), is_adfs=True) == 5000


def test_a_broker_takes_precedence_over_a_browser_until_an_option_needs_the_browser(flow_of: Any) -> None:
    assert flow_of(LoginOptions(), has_broker=True) == "broker"
    assert flow_of(LoginOptions(redirect_port=5000), has_broker=True) == 5000
    assert flow_of(LoginOptions(no_browser=True), has_broker=True) == 0
