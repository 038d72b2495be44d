"""A program that gets tokens through azure-identity's AzureCliCredential, from several threads or tasks at once.

Run in an environment where `az` is on PATH. Prints one JSON object per token: what `get_token` returned, or the error.

    python azure_identity_program.py sync|async COUNT SCOPE '{"tenant_id": ...}' '{"claims": ...}'
"""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import AzureCliCredential
from azure.identity.aio import AzureCliCredential as AsyncAzureCliCredential


def _outcome(token: Any) -> dict[str, Any]:
    return {"token": token.token, "expires_on": token.expires_on}


def _error(error: ClientAuthenticationError) -> dict[str, Any]:
    return {"error": type(error).__name__, "message": str(error)}


def _sync(count: int, scope: str, settings: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    credential = AzureCliCredential(**{"process_timeout": 60, **settings})

    def get(_: int) -> dict[str, Any]:
        try:
            return _outcome(credential.get_token(scope, **options))
        except ClientAuthenticationError as error:
            return _error(error)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(get, range(count)))


async def _async(count: int, scope: str, settings: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    async with AsyncAzureCliCredential(**{"process_timeout": 60, **settings}) as credential:

        async def get() -> dict[str, Any]:
            try:
                return _outcome(await credential.get_token(scope, **options))
            except ClientAuthenticationError as error:
                return _error(error)

        return list(await asyncio.gather(*(get() for _ in range(count))))


if __name__ == "__main__":
    kind, number, wanted, made_with, asked_with = sys.argv[1:]
    arguments = (int(number), wanted, json.loads(made_with), json.loads(asked_with))
    print(json.dumps(_sync(*arguments) if kind == "sync" else asyncio.run(_async(*arguments))))
