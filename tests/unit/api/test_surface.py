"""The public surface is what is committed, cheap to import, and usable by a caller with strict types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.api.surface import FILE, surface

_SLOW = ("msal", "requests", "azure.core", "azure.identity", "cryptography", "asyncio")

_CONSUMER = """
from azure.core.credentials import SupportsTokenInfo, TokenCredential
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential

from azext_login import api
from azext_login.api import aio


def use(cli_ctx: object) -> None:
    credential = api.get_credential(cli_ctx, account="a", subscription="s", tenant="t")
    plain: TokenCredential = credential
    info: SupportsTokenInfo = credential.with_tenant(None).with_account("b").with_min_validity(60)
    twin = aio.get_credential(cli_ctx)
    async_plain: AsyncTokenCredential = twin
    async_info: AsyncSupportsTokenInfo = twin.with_auxiliary_tenants("t")
    print(plain.get_token("scope").expires_on, info.get_token_info("scope").refresh_on, async_plain, async_info)
    token: api.Token = api.get_token(cli_ctx, resource="https://vault.azure.net", min_validity=60)
    if token.freshness is api.Freshness.FRESH and token.origin is api.TokenOrigin.CACHE:
        print(token.token, token.expires_on + 1)
    active = api.current(cli_ctx)
    if active is not None:
        print(active.subscription.id, active.reason is api.ActiveReason.STORED)
    for account in api.accounts(cli_ctx):
        print(account.name.upper(), [subscription.name for subscription in account.subscriptions])
    print(api.select(cli_ctx, "s").id, api.sign_out(cli_ctx, "a") is True, api.SignedIn.name)
    method: api.SignInMethod = api.ClientSecret("app", "secret")
    print(api.sign_in(cli_ctx, method, tenant="t").kind is api.AccountKind.SERVICE_PRINCIPAL)
    api.sign_in(cli_ctx, api.DeviceCode(print))
    # An ignored error that does not occur is an error: the types are known, and not `Any`.
    wrong: int = api.get_token(cli_ctx).token  # type: ignore[assignment]
    print(wrong)
"""


def test_the_surface_is_the_committed_one() -> None:
    assert surface() == FILE.read_text(encoding="utf-8"), "run: python -m tests.unit.api.surface"


def test_every_public_name_is_documented() -> None:
    from azext_login import api, testing
    from azext_login.api import aio

    public = [
        getattr(module, name) for module in (api, aio, testing) for name in module.__all__ if name != "API_VERSION"
    ]
    members = [
        member for each in public if isinstance(each, type) for name, member in vars(each).items() if name[0] != "_"
    ]
    assert [each for each in (*public, *members) if callable(each) and not each.__doc__] == []


def test_importing_it_loads_nothing_slow() -> None:
    program = f"""
import azure.cli.core, sys
before = set(sys.modules)
import azext_login.api
print([name for name in {_SLOW!r} if name in set(sys.modules) - before])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_caller_passes_strict_type_checks(tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(_CONSUMER, encoding="utf-8")
    # The package is checked as an installed one: by its own annotations, and because of its py.typed.
    words = [
        "--strict",
        "--no-incremental",
        "--config-file=",
        "--follow-untyped-imports",
        str(tmp_path / "consumer.py"),
    ]
    done = subprocess.run([sys.executable, "-m", "mypy", *words], capture_output=True, text=True, check=False)
    problems = [line for line in done.stdout.splitlines() if line.startswith(str(tmp_path))]
    assert problems == [], done.stdout
    assert done.returncode in (0, 1), done.stdout + done.stderr
