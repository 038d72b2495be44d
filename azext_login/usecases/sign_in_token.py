"""Signing in with a finished access token that the user hands over. Nothing renews it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azext_login.auth.credential import AccessToken
from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.sources.access_token import HandedToken, is_one_of
from azext_login.auth.workload.service_principal import ACCESS_TOKEN, ServicePrincipal
from azext_login.errors import AccountError, SignInError
from azext_login.profile.model import Account
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.usecases.sign_in import SignInOutcome, SignInRequest, complete

if TYPE_CHECKING:
    from azext_login.resource_manager.resources import Subscription
    from azext_login.usecases.session import Session


@dataclass(frozen=True)
class _TheToken:
    """The credential of a sign-in that has one token, for Resource Manager in one tenant."""

    handed: HandedToken

    def token(
        self,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        claims_challenge: str | None = None,
        advised_scopes: Sequence[str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> AccessToken:
        """Return the token. See `Credential.token`."""
        if claims_challenge is not None:
            raise SignInError(
                f"Azure Resource Manager does not accept the access token of '{self.handed.name}': it demands another "
                "sign-in (a claims challenge). Nothing was stored.",
                next_step="Get a token that fulfils the policies of the tenant; then run the command again.",
            )
        return AccessToken(self.handed.secret, self.handed.expires_on)


def sign_in_with_token(session: Session, request: SignInRequest, token: HandedToken) -> SignInOutcome:
    """Sign in the account of an access token, find its subscriptions, and store the token where MSAL stores tokens.

    :raises AccountError: the account is signed in and renews its tokens, or the token is not for Resource Manager and
        subscriptions are to be found.
    :raises SignInError: Resource Manager refused, or no subscriptions were found. Nothing is stored then.
    """
    clients, settings = session.clients, session.settings
    again = request.again or AZ_LOGIN
    is_for_manager = token.is_for_resource_manager or is_one_of(
        token.audience, (settings.resource_manager_audience, settings.resource_manager)
    )
    if not is_for_manager:
        request = _without_search(request, token, again)
    _refuse_renewable(session, token)
    staged = clients.staged_tokens()
    scopes = list(settings.arm_scopes) if is_for_manager else [token.scope]
    if token.is_user:
        # The host refuses a user name with two IDs. A guest has another object ID in each tenant.
        home = clients.token_cache.home_account_of(token.name) or f"{token.object_id}.{token.tenant}"
        staged.applications.keep_user_token(
            token.name, home, token.tenant, scopes, token.secret, token.expires_on, now=time.time()
        )
    else:
        staged.applications.keep_token(
            token.name, token.tenant, scopes, token.secret, token.expires_on, now=time.time()
        )

    def keep(found: Sequence[Subscription]) -> None:
        with ExitStack() as undo_on_failure:
            if not token.is_user:
                principal = ServicePrincipal(token.name, token.tenant, ACCESS_TOKEN, expires_on=token.expires_on)
                undo_on_failure.enter_context(clients.service_principals.saving(principal.to_entry()))
            staged.keep()

    account = Account(token.name, "user" if token.is_user else "servicePrincipal")
    return complete(session, dataclasses.replace(request, tenant=token.tenant), account, _TheToken(token), keep)


def _without_search(request: SignInRequest, token: HandedToken, again: Command) -> SignInRequest:
    """Return the request of a token that cannot find subscriptions.

    :raises AccountError: the user wants to find them.
    """
    if request.subscription or not (request.allow_no_subscriptions or request.skip_subscription_discovery):
        command = again.without("--subscription").with_option("--allow-no-subscriptions")
        raise AccountError(
            f"The access token is for {token.audience}, and not for Azure Resource Manager. It cannot find "
            "subscriptions. Nothing was stored.",
            f"To use it for that resource only, run:\n{command}",
        )
    return dataclasses.replace(request, skip_subscription_discovery=True)


def _refuse_renewable(session: Session, token: HandedToken) -> None:
    """:raises AccountError: the account is signed in with a credential, which the token would take the place of."""
    clients = session.clients
    if token.is_user:
        renews = clients.token_cache.can_renew(token.name, client_id=AZURE_CLI_CLIENT_ID)
    else:
        renews = clients.service_principals.has_credential(token.name, token.tenant)
    if renews:
        logout = Command(("az", "logout")).with_option("--username", token.name)
        raise AccountError(
            f"'{token.name}' is signed in already, with a credential that renews its tokens. That was kept, and the "
            "access token was not stored.",
            f"To use the access token instead, sign the account out first:\n{logout}",
        )
