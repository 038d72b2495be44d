"""A credential for the clients of the Azure SDK."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from azext_login.api.arguments import check_optional, check_scopes, check_validity, own_application
from azext_login.api.connection import TokenSource, Wanted, checked_claims
from azext_login.errors import AccountError
from azext_login.host_errors import AuthenticationError
from azext_login.profile.model import account_of

if TYPE_CHECKING:
    from types import TracebackType

    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

    from azext_login.auth.credential import AccessToken as OwnToken


def get_credential(
    cli_ctx: Any,
    *,
    account: str | None = None,
    subscription: str | None = None,
    tenant: str | None = None,
    client_id: str | None = None,
) -> Credential:
    """Return a credential for the clients of the Azure SDK.

    Nothing is read or requested before the first token. Pass it to any client of azure-mgmt, to the host's
    `get_mgmt_service_client(..., credential=..., subscription_id=...)`, or to
    `azure.identity.ChainedTokenCredential`. Example::

        from azure.mgmt.resource.resources import ResourceManagementClient

        endpoints = cmd.cli_ctx.cloud.endpoints
        with api.get_credential(cmd.cli_ctx) as credential:
            client = ResourceManagementClient(
                credential,
                credential.subscription,
                base_url=endpoints.resource_manager,
                credential_scopes=[endpoints.active_directory_resource_id + "/.default"],
            )
            names = [group.name for group in client.resource_groups.list()]

    :param cli_ctx: the context of the command that runs.
    :param account: a user name, an application ID, or the label of a managed identity; None for the account of the
        subscription.
    :param subscription: ID or name; None for the default of this process.
    :param tenant: GUID or domain; None for the tenant of the subscription.
    :param client_id: application ID (GUID) of a public client of one's own, to which the user has signed in (`sign_in`,
        or `az login --app-client-id`); None for the Azure CLI.
    :raises ValueError: an argument is empty, or `client_id` is not a GUID.
    """
    return Credential(TokenSource(cli_ctx, Wanted(account, subscription, tenant, own_application(client_id))))


@dataclass(frozen=True, repr=False, eq=False)
class Credential:
    """Tokens of one account, as `az account get-access-token` obtains them. Made by `get_credential`.

    It fulfils `azure.core.credentials.TokenCredential` and `SupportsTokenInfo`. It is immutable: the methods `with_...`
    return copies. Threads and forked processes may share it. The account is chosen at the first token, and kept.

    All methods that return tokens raise the errors of the package. Those about an account are instances of
    `azure.core.exceptions.ClientAuthenticationError` too, and `NotSignedInError` is one of
    `azure.identity.CredentialUnavailableError` if the caller uses azure-identity.
    """

    _source: TokenSource
    _validity: float = 0.0
    _auxiliary: tuple[str, ...] = ()

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        data: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> AccessToken:
        """Return an access token (`azure.core.credentials.AccessToken`; `expires_on` is POSIX time in seconds).

        :param scopes: scopes of one resource, at least one.
        :param claims: a claims challenge, as decoded JSON text. A cached token is not used then.
        :param tenant_id: GUID or domain; takes precedence over the tenant of the credential.
        :param enable_cae: not used: the Azure CLI declares for all of its tokens that it handles claims challenges.
        :param data: more fields of the request to the sign-in service, such as those of an SSH certificate.
        :param kwargs: not used; SDKs of later versions may pass more.
        :raises ValueError: there is no scope, one is empty, or `claims` is not a JSON object.
        :raises NotSignedInError: no account is signed in, or its tokens are no longer stored.
        :raises AccountError: there is no such account or subscription, or there are several.
        :raises SignInError: the sign-in service refused.
        :raises ServiceUnreachableError: a service did not answer, and no cached token will do.
        :raises UnexpectedAnswerError: something else answered in its place.
        """
        token = self._token(scopes, claims, tenant_id, data)
        from azure.core.credentials import AccessToken

        return AccessToken(token.secret, token.expires_on)

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return an access token with its type and the time from which it is due for renewal.

        :param scopes: scopes of one resource, at least one.
        :param options: `claims`, `tenant_id`, `enable_cae` and `data`, as for `get_token`.
        :raises: what `get_token` raises.
        """
        given: Mapping[str, Any] = options or {}
        token = self._token(scopes, given.get("claims"), given.get("tenant_id"), given.get("data"))
        from azure.core.credentials import AccessTokenInfo

        return AccessTokenInfo(token.secret, token.expires_on, token_type=token.token_type, refresh_on=token.refresh_on)

    def get_auxiliary_tokens(self, *scopes: str, **kwargs: Any) -> list[AccessToken]:
        """Return a token of each auxiliary tenant, for a request that concerns several tenants.

        https://learn.microsoft.com/azure/azure-resource-manager/management/authenticate-multi-tenant

        :param scopes: scopes of one resource, at least one.
        :param kwargs: as for `get_token`.
        :raises: what `get_token` raises.
        """
        return [self.get_token(*scopes, **{**kwargs, "tenant_id": tenant}) for tenant in self._auxiliary]

    @property
    def subscription(self) -> str:
        """ID (GUID) of the subscription that the account was chosen for, for a client of it. Needs no network.

        :raises: what `get_token` raises about the account.
        """
        return str(self._row()["id"])

    @property
    def tenant(self) -> str:
        """The tenant of the tokens: GUID; as it was given if a tenant was named.

        :raises: what `get_token` raises about the account.
        """
        return self._source.wanted.tenant or str(self._row()["tenantId"])

    @property
    def account(self) -> str:
        """A user name, an application ID, or the label of a managed identity.

        :raises: what `get_token` raises about the account.
        """
        return account_of(self._row()).label

    def with_tenant(self, tenant: str | None) -> Credential:
        """Return a copy whose tokens are of another tenant.

        :param tenant: GUID or domain; None for the tenant of the subscription.
        """
        return self._with(replace(self._source.wanted, tenant=tenant))

    def with_account(self, account: str | None) -> Credential:
        """Return a copy whose tokens are of another account. The subscription and the tenant stay the same.

        :param account: a user name, an application ID, or the label of a managed identity; None for the account of the
            subscription.
        """
        return self._with(replace(self._source.wanted, account=account))

    def with_min_validity(self, seconds: float) -> Credential:
        """Return a copy whose tokens are still valid for at least so many seconds when they are returned.

        :raises ValueError: it is negative, or not a number (NaN).
        """
        check_validity(seconds)
        return replace(self, _validity=seconds)

    def with_auxiliary_tenants(self, *tenants: str) -> Credential:
        """Return a copy with other tenants for `get_auxiliary_tokens`.

        :param tenants: GUIDs or domains; none to have no auxiliary tokens.
        """
        return replace(self, _auxiliary=tenants)

    def close(self) -> None:
        """Close the connections. The credential can still be used, and opens new ones."""
        self._source.close()

    def __enter__(self) -> Credential:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        wanted = self._source.wanted
        return f"Credential(account={wanted.account!r}, subscription={wanted.subscription!r}, tenant={wanted.tenant!r})"

    def _with(self, wanted: Wanted) -> Credential:
        return replace(self, _source=TokenSource(self._source.cli_ctx, wanted))

    def _row(self) -> Mapping[str, Any]:
        with _errors_of_sdk():
            return self._source.row(self._source.wanted.tenant)

    def _token(
        self,
        scopes: tuple[str, ...],
        claims: str | None,
        tenant: str | None,
        data: Mapping[str, str] | None,
    ) -> OwnToken:
        from azext_login.usecases.get_token import TokenRequest

        check_scopes(scopes)
        check_optional(tenant_id=tenant or None)
        request = TokenRequest(
            scopes=scopes,
            tenant=tenant or self._source.wanted.tenant,
            validity=self._validity,
            claims_challenge=checked_claims(claims),
            advised_scopes=scopes,
            client_id=self._source.wanted.client_id,
            data=data,
        )
        with _errors_of_sdk():
            return self._source.token(request).token


@contextmanager
def _errors_of_sdk() -> Iterator[None]:
    """Let errors about accounts be errors of the Azure SDK too."""
    try:
        yield
    except (AuthenticationError, AccountError) as error:
        from azext_login.api.sdk_errors import as_sdk_error

        raise as_sdk_error(error) from error.__cause__
