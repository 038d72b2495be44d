"""A program that uses `azext_login.api` with azure-identity, which is not a part of the Azure CLI.

    python api_program.py MODE SCOPE

Prints JSON. It runs in the environment of an `az`, with the packages of the checkout.
"""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from azure.cli.core import get_default_cli

from azext_login import api
from azext_login.api import aio


class Fallback:
    """The next credential of a chain."""

    def get_token(self, *scopes: str, **_: Any) -> Any:
        """Return a token that tells where it comes from."""
        from azure.core.credentials import AccessToken

        return AccessToken("of the fallback", 2**31)


class AsyncFallback(Fallback):
    """The next credential of an asynchronous chain."""

    async def get_token(self, *scopes: str, **_: Any) -> Any:
        """Return a token that tells where it comes from."""
        return super().get_token(*scopes)

    async def close(self) -> None:
        """Do nothing."""

    async def __aenter__(self) -> AsyncFallback:
        return self

    async def __aexit__(self, *_: Any) -> None:
        """Do nothing."""


def chain(cli_ctx: Any, scope: str, account: str | None) -> dict[str, Any]:
    """Ask a chain of ours and another credential."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ChainedTokenCredential

    chained = ChainedTokenCredential(api.get_credential(cli_ctx, account=account), Fallback())
    try:
        return {"token": chained.get_token(scope).token}
    except ClientAuthenticationError as error:
        return {"error": str(error)}


async def async_chain(cli_ctx: Any, scope: str) -> dict[str, Any]:
    """Do the same with the asynchronous twins."""
    from azure.identity.aio import ChainedTokenCredential

    async with aio.get_credential(cli_ctx) as ours:
        chained = ChainedTokenCredential(ours, AsyncFallback())
        return {"token": (await chained.get_token(scope)).token}


def threads(cli_ctx: Any, scope: str) -> dict[str, Any]:
    """Ask one credential, and another one, from many threads at once."""
    credentials = [api.get_credential(cli_ctx), api.get_credential(cli_ctx).with_min_validity(60)] * 6
    with ThreadPoolExecutor(len(credentials)) as pool:
        return {"tokens": list(pool.map(lambda each: each.get_token(scope).token, credentials))}


async def tasks(cli_ctx: Any, scope: str) -> dict[str, Any]:
    """Ask one credential from many tasks at once."""
    async with aio.get_credential(cli_ctx) as credential:
        found = await asyncio.gather(*(credential.get_token(scope) for _ in range(12)))
        info = await credential.get_token_info(scope)
    return {"tokens": [token.token for token in found], "infoIsTheSame": info.token == found[0].token}


def errors(cli_ctx: Any, scope: str) -> dict[str, Any]:
    """Return the classes of the error about a missing sign-in, before and after azure-identity is loaded."""
    found = []
    for is_loaded in (False, True):
        if is_loaded:
            import azure.identity  # noqa: F401
        try:
            api.get_credential(cli_ctx).get_token(scope)
        except api.NotSignedInError as error:
            found.append({"classes": [kind.__name__ for kind in type(error).__mro__], "next": str(error)})
    return {"errors": found}


if __name__ == "__main__":
    mode, wanted, *rest = sys.argv[1:]
    context = get_default_cli()
    if mode in ("async_chain", "tasks"):
        result = asyncio.run(globals()[mode](context, wanted))
    elif mode == "chain":
        result = chain(context, wanted, rest[0] if rest else None)
    else:
        result = globals()[mode](context, wanted)
    print(json.dumps(result))
