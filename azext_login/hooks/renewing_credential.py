"""Service principals whose credential built-in commands cannot use or renew: the tokens come from us, or from the host.

The host's credentials have one method, `acquire_token`, which returns MSAL's result
(azure.cli.core.auth.msal_credentials). It is called before each request while the token is about to expire, also by
threads that wait for a long-running operation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azext_login.errors import NotSignedInError, first_line
from azext_login.hooks.one_warning import work_of_hook
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.directory import PrivateDirectory
from azext_login.system.log import get_logger

if TYPE_CHECKING:
    from azext_login.auth.credential import AccessToken
    from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
    from azext_login.usecases.session import Session

logger = get_logger(__name__)


def find_credential(
    cli_ctx: Any, row: SubscriptionRow, tenant: str | None, host: Callable[[], Any], open_session: Callable[[], Session]
) -> RenewingCredential | None:
    """Return our credential of a row's account; None if the host's own credential does all that ours does.

    Most entries are the host's own, which shows before more of this extension is loaded.

    :param tenant: the tenant of the tokens, if it is not the row's.
    :param host: returns the host's credential.
    :param open_session: returns the session of the command.
    :raises NotSignedInError: the service principal has no stored entry.
    :raises StoreError: the entries cannot be read.
    """
    account = account_of(row)
    if account.is_user or account.is_managed_identity:
        return None
    with work_of_hook():
        entry = _stored_entries(cli_ctx).find(account.name, str(row["tenantId"]), asked=tenant)
    from azext_login.auth.storage.assertion_entries import is_plain

    if is_plain(entry):
        return None
    from azext_login.auth.workload.service_principal import needs_extension

    return RenewingCredential(open_session(), row, tenant, host) if needs_extension(entry, _host_renews) else None


def _stored_entries(cli_ctx: Any) -> ServicePrincipalEntries:
    from azure.cli.core.api import get_config_dir
    from azure.cli.core.util import should_encrypt_token_cache

    from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries

    directory = PrivateDirectory(Path(get_config_dir()))
    return ServicePrincipalEntries(directory, encrypt=bool(should_encrypt_token_cache(cli_ctx)))


def _host_renews() -> bool:
    """Tell whether this host fetches federated tokens itself, for the entries that it has written (azure-cli#33989)."""
    from azure.cli.core.auth import identity

    return hasattr(identity, "FEDERATED_IDENTITY")


class RenewingCredential:
    """Tokens of a service principal: as `az account get-access-token` obtains them, or else as the host does."""

    def __init__(self, session: Session, row: SubscriptionRow, tenant: str | None, host: Callable[[], Any]):
        """:param tenant: the tenant of the tokens, if it is not the row's.
        :param host: returns the host's credential, with what is stored now.
        """
        self._session = session
        self._row = row
        self._tenant = tenant
        self._host = host

    def acquire_token(
        self, scopes: Sequence[str], claims_challenge: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """Return MSAL's result. If we cannot obtain a token, the host's result or error is that of the command.

        :param claims_challenge: JSON.
        :param options: more arguments for MSAL, such as `data` for an SSH certificate. The host obtains such a token,
            with the federated token that we have renewed; but it cannot read our certificates.
        """
        if claims_challenge is not None:
            options["claims_challenge"] = claims_challenge
        try:
            with ExitStack() as afterwards, work_of_hook(), self._session.hold_events(afterwards):
                if not options.keys() - {"claims_challenge"}:
                    return msal_result(self._token(scopes, claims_challenge))
                found = self._special_token(scopes, options)
            if found is not None:
                return found
        except Exception as error:  # noqa: BLE001  # fails open: the host decides
            self._report(error)
        result: dict[str, Any] = self._host().acquire_token(scopes, **options)
        return result

    def _token(self, scopes: Sequence[str], claims_challenge: str | None) -> AccessToken:
        from azext_login.usecases.get_token import TokenRequest, get_token, report_stale_token

        request = TokenRequest(list(scopes), tenant=self._tenant, claims_challenge=claims_challenge)
        outcome = get_token(self._session, self._row, request)
        report_stale_token(outcome)
        return outcome.token

    def _special_token(self, scopes: Sequence[str], options: dict[str, Any]) -> dict[str, Any] | None:
        """Return MSAL's result; None for the host to obtain it, with a federated token that is valid now."""
        clients = self._session.clients
        with clients.stored_tokens() as applications:
            principal = clients.stored_principal(self._row, self._tenant)
            credential = clients.service_principal_credential(principal, applications)
            if principal.certificate:
                return credential.msal_result(scopes, tenant=self._tenant or str(self._row["tenantId"]), **options)
            credential.check()
        return None

    def _report(self, error: Exception) -> None:
        from azext_login.usecases.choose_account import is_not_in_tenant

        if self._tenant is not None and is_not_in_tenant(error):
            # Another account may be.
            logger.info("%s", error)
            return
        lines = [first_line(error) or type(error).__name__]
        if isinstance(error, NotSignedInError):
            # The host cannot name the variable that a certificate needs.
            lines += [str(step) for step in error.recommendations]
        with work_of_hook():
            logger.warning(
                "The token of service principal '%s' could not be renewed, so the command goes on as without this "
                "extension: %s",
                account_of(self._row).name,
                "\n".join(lines),
            )
        logger.debug("The failure of the renewal:", exc_info=error)


def msal_result(token: AccessToken) -> dict[str, Any]:
    """Return a token as MSAL's result, whose `expires_in` counts seconds from now."""
    return {
        "access_token": token.secret,
        "token_type": "Bearer",
        "expires_in": max(0, int(token.expires_on - time.time())),
    }
