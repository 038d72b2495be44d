"""The credential for asynchronous clients of the Azure SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azext_login.api import credential as sync

if TYPE_CHECKING:
    from types import TracebackType

    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

__all__ = ["Credential", "get_credential"]


def get_credential(
    cli_ctx: Any,
    *,
    account: str | None = None,
    subscription: str | None = None,
    tenant: str | None = None,
    client_id: str | None = None,
) -> Credential:
    """Return a credential for asynchronous clients. The arguments are those of `azext_login.api.get_credential`.

    Example::

        import asyncio
        from azext_login.api import aio

        async def get_expiry():
            async with aio.get_credential(cmd.cli_ctx) as credential:
                token = await credential.get_token("https://vault.azure.net/.default")
                return token.expires_on

        expires_on = asyncio.run(get_expiry())
    """
    made = sync.get_credential(cli_ctx, account=account, subscription=subscription, tenant=tenant, client_id=client_id)
    return Credential(made)


@dataclass(frozen=True, repr=False, eq=False)
class Credential:
    """The asynchronous twin of `azext_login.api.Credential`. Made by `get_credential`.

    It fulfils `azure.core.credentials_async.AsyncTokenCredential` and `AsyncSupportsTokenInfo`. Each request runs in a
    thread of the event loop's executor. One that is cancelled runs to its end there, and its token is stored.
    """

    _sync: sync.Credential

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        data: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> AccessToken:
        """Return an access token. Arguments and errors are those of `azext_login.api.Credential.get_token`."""
        return await asyncio.to_thread(
            self._sync.get_token,
            *scopes,
            claims=claims,
            tenant_id=tenant_id,
            enable_cae=enable_cae,
            data=data,
            **kwargs,
        )

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return an access token. Arguments and errors are those of `azext_login.api.Credential.get_token_info`."""
        return await asyncio.to_thread(self._sync.get_token_info, *scopes, options=options)

    async def get_auxiliary_tokens(self, *scopes: str, **kwargs: Any) -> list[AccessToken]:
        """Return a token of each auxiliary tenant, as `azext_login.api.Credential.get_auxiliary_tokens` does."""
        return await asyncio.to_thread(self._sync.get_auxiliary_tokens, *scopes, **kwargs)

    def with_tenant(self, tenant: str | None) -> Credential:
        """Return a copy, as `azext_login.api.Credential.with_tenant` does."""
        return Credential(self._sync.with_tenant(tenant))

    def with_account(self, account: str | None) -> Credential:
        """Return a copy, as `azext_login.api.Credential.with_account` does."""
        return Credential(self._sync.with_account(account))

    def with_min_validity(self, seconds: float) -> Credential:
        """Return a copy, as `azext_login.api.Credential.with_min_validity` does."""
        return Credential(self._sync.with_min_validity(seconds))

    def with_auxiliary_tenants(self, *tenants: str) -> Credential:
        """Return a copy, as `azext_login.api.Credential.with_auxiliary_tenants` does."""
        return Credential(self._sync.with_auxiliary_tenants(*tenants))

    async def close(self) -> None:
        """Close the connections. The credential can still be used, and opens new ones."""
        await asyncio.to_thread(self._sync.close)

    async def __aenter__(self) -> Credential:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return repr(self._sync)
