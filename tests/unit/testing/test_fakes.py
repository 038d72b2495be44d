"""What takes the place of the time, of an issuer and of a command in tests of other extensions."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from knack.cli import CLI

from azext_login.api import SignedIn
from azext_login.auth.jwt import expiry_of, is_assertion
from azext_login.testing import FakeCliContext, FakeClock, FakeIssuer

pytest_plugins = ["azext_login.testing.fixtures"]

_CONSUMER = """
import pytest

from azext_login.testing import CredentialSourceContract, FakeCliContext, FakeClock, FakeIssuer, SourceBackend


class Vault(SourceBackend):
    def __init__(self, issuer: FakeIssuer) -> None:
        self.issuer = issuer

    @property
    def arguments(self) -> dict[str, str]:
        return {"url": "x"}

    def renew(self) -> None: ...
    def expire(self) -> None: ...
    def fail(self) -> None: ...


class TestVault(CredentialSourceContract):
    module = "azext_vaultlogin.login_plugin"
    name = "vault"
    required_arguments = ("url",)
    longest_wait = 5.0

    @pytest.fixture
    def backend(self, issuer: FakeIssuer) -> SourceBackend:
        return Vault(issuer)


clock = FakeClock(1.5)
clock.advance(2)
print(FakeIssuer(clock).issue("me", lifetime=5).upper(), FakeCliContext().data)
"""


def test_the_clock_stands_still_until_it_is_advanced(fake_clock: FakeClock) -> None:
    before = time.time()
    assert time.time() == before == fake_clock()
    fake_clock.advance(90)
    assert time.time() == before + 90
    with pytest.raises(ValueError, match="backwards"):
        fake_clock.advance(-1)


def test_an_issued_token_is_a_federated_token_that_is_marked_as_a_fake(
    fake_clock: FakeClock, fake_issuer: FakeIssuer
) -> None:
    token = fake_issuer.issue("pod", audience="api://x", lifetime=60)
    assert is_assertion(token)
    assert expiry_of(token) == int(fake_clock() + 60)
    claims = fake_issuer.claims_of(token)
    assert (claims["sub"], claims["aud"], claims["iss"]) == ("pod", "api://x", "https://issuer.example")
    assert fake_issuer.issue("pod") != fake_issuer.issue("pod")
    assert fake_issuer.issued[0] == token
    for other in (token[:-2], token.replace(".", "", 1), "x", ""):
        with pytest.raises(ValueError, match="not one of this issuer"):
            fake_issuer.claims_of(other)


def test_an_expired_token_was_issued_before_it_expired(fake_clock: FakeClock, fake_issuer: FakeIssuer) -> None:
    claims = fake_issuer.claims_of(fake_issuer.issue(lifetime=-60))
    assert claims["iat"] <= claims["exp"] < fake_clock()


@pytest.mark.parametrize("make", [FakeCliContext, lambda: CLI(cli_name="x")], ids=["fake", "real"])
def test_a_listener_is_called_as_in_the_azure_cli(make: Any) -> None:
    cli_ctx = make()
    heard: list[Any] = []

    def listen(cli_ctx: Any, payload: Any, **_: Any) -> None:
        heard.append((cli_ctx, payload.account))

    cli_ctx.unregister_event(SignedIn.name, listen)
    cli_ctx.register_event(SignedIn.name, listen)
    cli_ctx.raise_event(SignedIn.name, payload=SignedIn("AzureCloud", "alice@contoso.com"))
    cli_ctx.unregister_event(SignedIn.name, listen)
    cli_ctx.raise_event(SignedIn.name, payload=SignedIn("AzureCloud", "bob@contoso.com"))
    assert heard == [(cli_ctx, "alice@contoso.com")]


def test_an_author_passes_strict_type_checks(tmp_path: Path) -> None:
    consumer = tmp_path / "test_source.py"
    consumer.write_text(_CONSUMER, encoding="utf-8")
    words = ["--strict", "--no-incremental", "--config-file=", "--follow-untyped-imports", str(consumer)]
    done = subprocess.run([sys.executable, "-m", "mypy", *words], capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if line.startswith(str(tmp_path))] == [], done.stdout
    assert done.returncode in (0, 1), done.stdout + done.stderr


def test_it_needs_nothing_but_pytest_and_the_azure_cli() -> None:
    program = (
        "import sys; import azext_login, azure.cli.core.azclierror, pytest; before = set(sys.modules); "
        "import azext_login.testing.fixtures; "
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}"
        " - set(sys.stdlib_module_names) - {'azext_login', 'pytest', '_pytest', 'azure', 'knack'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
