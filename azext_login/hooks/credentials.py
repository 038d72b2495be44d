"""Gives built-in commands and other extensions the credentials that our own commands have.

The host makes the credentials of users and service principals in one place, `Profile._create_credential`, and those of
managed identities in another, `ManagedIdentityAuth.credential_factory` (azure.cli.core._profile). Each is replaced by a
function that calls it and returns a credential of ours where ours can do more. A host without these functions, or with
other parameters, keeps what it has.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_login.hooks.one_warning import expect_command

if TYPE_CHECKING:
    from azext_login.profile.model import SubscriptionRow
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

# The attribute of the functions that have replaced the host's.
_MARK = "is_of_login_extension"

_PARAMETERS = {
    "_create_credential": ("self", "account", "tenant_id", "client_id"),
    "get_raw_token": ("self", "resource", "scopes", "subscription", "tenant", "credential_out"),
    "credential_factory": ("id_type", "id_value"),
}


def is_needed_early(document: Any) -> bool:
    """Tell whether `serve` has to be called before the command reads the subscriptions, and not when it does.

    `Profile.get_raw_token` itself refuses a tenant that is not that of an active managed identity, after it has read
    them. That is of interest only if another account is signed in.

    :param document: the content of azureProfile.json.
    """
    from azext_login.profile.model import account_of

    rows = [row for row in document.get("subscriptions") or () if isinstance(row, dict)]
    active = next((account_of(row) for row in rows if row.get("isDefault")), None)
    if active is None or not active.keeps_to_its_tenant:
        return False
    return any(account_of(row).key != active.key for row in rows)


def serve() -> None:
    """Replace the host's functions, once per process. Called for each command, before it makes a credential."""
    from azure.cli.core import _profile

    from azext_login.auth.entra.msal_logs import quiet_loggers

    expect_command()
    # The host's own credentials log secrets as well.
    quiet_loggers()
    for owner, name, wrap in (
        ("Profile", "_create_credential", _wrap_create_credential),
        ("Profile", "get_raw_token", _wrap_get_raw_token),
        ("ManagedIdentityAuth", "credential_factory", _wrap_credential_factory),
    ):
        place = getattr(_profile, owner, None)
        function = getattr(place, name, None)
        if hasattr(function, _MARK):
            continue
        parameters = tuple(inspect.signature(function).parameters) if callable(function) else ()
        if parameters != _PARAMETERS[name]:
            logger.debug("This Azure CLI has no %s that is known: %s", name, parameters)
            continue
        wrapped = wrap(function)
        setattr(wrapped, _MARK, True)
        setattr(place, name, staticmethod(wrapped) if parameters[0] != "self" else wrapped)


def _wrap_create_credential(create: Any) -> Any:
    @wraps(create)
    def create_credential(
        self: Any, account: SubscriptionRow, tenant_id: str | None = None, client_id: str | None = None
    ) -> Any:
        if client_id is not None:
            return create(self, account, tenant_id=tenant_id, client_id=client_id)

        def credential_of(row: SubscriptionRow) -> Any:
            def host() -> Any:
                return create(self, row, tenant_id=tenant_id)

            return _own_credential(self.cli_ctx, row, tenant_id, host) or host()

        credential = credential_of(account)
        if not _is_foreign(account, tenant_id):
            return credential
        from azext_login.hooks.tenant_credential import TenantCredential, not_in_tenant

        def find_other() -> Any:
            other = _find_other(self.cli_ctx, account, str(tenant_id), not_in_tenant(account))
            return None if other is None else credential_of(other)

        return TenantCredential(credential, find_other)

    return create_credential


def _wrap_credential_factory(create: Any) -> Any:
    @wraps(create)
    def credential_factory(id_type: str, id_value: str | None) -> Any:
        from azext_login.hooks.identity_credential import IdentityCredential

        # The host refuses a type that it does not know.
        host = create(id_type, id_value)
        return IdentityCredential(f"{id_type}-{id_value}" if id_value else id_type, lambda: host)

    return credential_factory


def _wrap_get_raw_token(get_raw_token: Any) -> Any:
    """Let another account stand in for one that refuses a tenant before a credential is made: a managed identity."""
    signature = inspect.signature(get_raw_token)

    @wraps(get_raw_token)
    def get_token(self: Any, *values: Any, **options: Any) -> Any:
        try:
            return get_raw_token(self, *values, **options)
        except Exception as error:
            arguments = signature.bind(self, *values, **options).arguments
            other = _stand_in(self, error, arguments.get("tenant"), arguments.get("subscription"))
            if other is None:
                raise
        profile = copy.copy(self)
        profile.get_subscription = lambda subscription=None: other
        return get_raw_token(profile, *values, **options)

    return get_token


def _stand_in(profile: Any, error: Exception, tenant: str | None, subscription: str | None) -> SubscriptionRow | None:
    if not tenant or subscription or "for non-current tenants is not supported" not in str(error):
        return None
    from azext_login.profile.model import account_of

    row = profile.get_subscription()
    return _find_other(profile.cli_ctx, row, tenant, f"'{account_of(row).label}' has tokens of its own tenant only")


def _is_foreign(row: SubscriptionRow, tenant: str | None) -> bool:
    """Tell whether a tenant, as the caller spells it, may be another one than that of a row."""
    from azext_login.profile.model import tenant_key, tenant_of

    return bool(tenant) and tenant_key(str(tenant)) != tenant_of(row)


def _own_credential(cli_ctx: Any, row: SubscriptionRow, tenant: str | None, host: Callable[[], Any]) -> Any:
    """Return our credential of a row's account, or None to use the host's."""
    if row["user"]["type"] != "servicePrincipal":
        return None
    try:
        from azext_login.hooks.renewing_credential import find_credential

        return find_credential(cli_ctx, row, tenant, host, partial(_open_session, cli_ctx))
    except Exception as error:  # noqa: BLE001  # fails open
        logger.debug("The credential of the Azure CLI is used: %r", error)
        return None


def _find_other(cli_ctx: Any, row: SubscriptionRow, tenant: str, reason: str) -> SubscriptionRow | None:
    """Return a row of the account to use in place of a row's account, or None."""
    try:
        from azext_login.hooks.tenant_credential import find_other_account

        return find_other_account(_open_session(cli_ctx), row, tenant, reason)
    except Exception as error:  # noqa: BLE001  # fails open
        logger.debug("No other account was looked for: %r", error)
        return None


def _open_session(cli_ctx: Any) -> Session:
    from azext_login.cli.open_session import open_session

    return open_session(cli_ctx, restores_cloud=False)
