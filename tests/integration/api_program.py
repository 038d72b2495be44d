"""A program that uses `azext_login.api` with azure-identity, which is not a part of the Azure CLI.

    python api_program.py MODE SCOPE

Prints JSON. It runs in the environment of an `az`, with the packages of the checkout.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
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


async def own_application(cli_ctx: Any, scope: str, client_id: str) -> dict[str, Any]:
    """Sign a user in to an application of one's own, and get its tokens in each way."""

    def show(message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    account = api.sign_in(cli_ctx, api.DeviceCode(show), client_id=client_id)
    async with aio.get_credential(cli_ctx, client_id=client_id) as credential:
        found = [(await credential.get_token(scope)).token]
    found.append(api.get_credential(cli_ctx, client_id=client_id.upper()).with_tenant(None).get_token(scope).token)
    found.append(api.get_token(cli_ctx, scopes=[scope], client_id=client_id).token)
    return {"account": account.name, "tokens": found, "usual": api.get_token(cli_ctx, scopes=[scope]).token}


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


_CLAIMS = '{"access_token": {"nbf": {"essential": true}}}'


def forks(cli_ctx: Any, scope: str) -> dict[str, Any]:
    """Ask in several processes at once that share a credential with an open connection, some while it is in use."""
    credential = api.get_credential(cli_ctx)
    credential.get_token(scope, claims=_CLAIMS)
    with ThreadPoolExecutor(2) as pool:
        in_use = [pool.submit(credential.get_token, scope, claims=_CLAIMS) for _ in range(20)]
        children = [_fork(credential, scope) for _ in range(8)]
        found = [each.result().token[:3] for each in in_use]
    for child, answer in children:
        with open(answer, encoding="utf-8") as stream:
            found.append(stream.read())
        os.waitpid(child, 0)
    return {"found": found}


def _fork(credential: api.Credential, scope: str) -> tuple[int, int]:
    """Return the ID of a child that asks several times, and the pipe with the start of its last token."""
    if sys.platform == "win32":
        raise NotImplementedError
    answer, out = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(60)
            tokens = [credential.get_token(scope, claims=_CLAIMS).token[:3] for _ in range(4)]
            os.write(out, tokens[-1].encode())
        except BaseException as error:  # noqa: BLE001  # the parent reports it
            os.write(out, repr(error).encode())
        os._exit(0)
    os.close(out)
    return child, answer


class SpeechlessError(Exception):
    """Has no message."""

    def __str__(self) -> str:
        raise RuntimeError("no message")


def listeners(cli_ctx: Any, scope: str) -> dict[str, Any]:
    """Return where new tokens come from while listeners fail in every way."""
    found = []
    for error in (SpeechlessError(), GeneratorExit(), asyncio.CancelledError()):

        def fail(cli_ctx: Any, error: BaseException = error, **_: Any) -> None:
            raise error

        cli_ctx.register_event("azext_login.TokenRefreshed", fail)
        found.append(api.get_token(cli_ctx, scopes=[scope], force_refresh=True).origin.value)
        cli_ctx.unregister_event("azext_login.TokenRefreshed", fail)
    return {"origins": found}


def waiting_listener(cli_ctx: Any, scope: str) -> dict[str, Any]:
    """Return the token that a listener gets in another thread, from the credential that has just obtained one."""
    credential = api.get_credential(cli_ctx)
    found = []

    def wait(cli_ctx: Any, **_: Any) -> None:
        thread = threading.Thread(target=lambda: found.append(credential.get_token(scope).token), daemon=True)
        thread.start()
        thread.join(20)

    cli_ctx.register_event("azext_login.TokenRefreshed", wait)
    token = credential.get_token(scope, claims=_CLAIMS).token
    return {"isTheSame": found == [token]}


def connections(cli_ctx: Any, scope: str) -> dict[str, Any]:
    """Return how many connections are open after a program has requested many tokens."""
    gc.disable()
    for _ in range(5):
        api.get_token(cli_ctx, scopes=[scope], force_refresh=True)
    return {"open": sum(Path(each).is_socket() for each in Path("/proc/self/fd").iterdir())}


def callbacks(cli_ctx: Any, scope: str) -> dict[str, Any]:
    """Return the errors of a function that was to show a device code."""
    found = []
    for error in (TypeError("mine"), KeyError("mine"), ValueError("mine"), OSError("mine")):

        def show(message: str, error: Exception = error) -> None:
            raise error

        try:
            api.sign_in(cli_ctx, api.DeviceCode(show))
        except Exception as caught:  # noqa: BLE001  # the test looks at it
            found.append(caught is error)
    return {"areTheSame": found}


if __name__ == "__main__":
    mode, wanted, *rest = sys.argv[1:]
    context = get_default_cli()
    if mode == "own_application":
        result = asyncio.run(own_application(context, wanted, *rest))
    elif mode in ("async_chain", "tasks"):
        result = asyncio.run(globals()[mode](context, wanted))
    elif mode == "chain":
        result = chain(context, wanted, rest[0] if rest else None)
    else:
        result = globals()[mode](context, wanted)
    print(json.dumps(result))
