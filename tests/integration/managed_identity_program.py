"""A program that gets tokens through azure-identity, as it would in App Service. Prints one JSON object.

python managed_identity_program.py sync|async ManagedIdentityCredential|DefaultAzureCredential SCOPE
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import azure.identity
import azure.identity.aio
from azure.core.exceptions import ClientAuthenticationError


def _sync(name: str, scope: str) -> Any:
    return getattr(azure.identity, name)().get_token(scope)


async def _async(name: str, scope: str) -> Any:
    async with getattr(azure.identity.aio, name)() as credential:
        return await credential.get_token(scope)


def main(kind: str, name: str, scope: str) -> None:
    """Print the token, or the error."""
    try:
        token = _sync(name, scope) if kind == "sync" else asyncio.run(_async(name, scope))
        print(json.dumps({"token": token.token, "expires_on": token.expires_on}))
    except ClientAuthenticationError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
