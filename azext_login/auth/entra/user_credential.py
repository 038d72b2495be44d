"""Access tokens of users who are signed in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from azext_login.auth.credential import AccessToken, TokenOrigin
from azext_login.auth.entra.application import ApplicationFactory, authority_errors
from azext_login.auth.entra.azure_cli import AGENT_SESSION_VARIABLE, AZURE_CLI_CLIENT_ID
from azext_login.auth.entra.errors import Attempt, explain, login_command
from azext_login.auth.entra.handed_over import not_renewed
from azext_login.errors import (
    AccountError,
    MalformedAnswerError,
    NotSignedInError,
    ServiceBusyError,
    ServiceUnreachableError,
)
from azext_login.system.command_line import Command
from azext_login.system.login_command import application_login


class UserCredential:
    """Obtains the tokens of one user without interaction, from the cache or with a refresh token."""

    def __init__(
        self,
        applications: ApplicationFactory,
        username: str,
        *,
        authority: str,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
        on_agent_session: Callable[[], None] = lambda: None,
        command: Command | None = None,
    ):
        """:param command: the `az login` that runs, for the advice; None for another command."""
        client_id = applications.client_id
        self._other_client = client_id if client_id != AZURE_CLI_CLIENT_ID else None
        self._command = command or (application_login(client_id) if self._other_client else None)
        self._applications = applications
        self._username = username
        self._authority = authority
        self._clock = clock
        self._agent_session = environ.get(AGENT_SESSION_VARIABLE) or None
        self._on_agent_session = on_agent_session

    def token(
        self,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        claims_challenge: str | None = None,
        advised_scopes: Sequence[str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> AccessToken:
        """Return a token that is valid for at least five minutes.

        :param tenant: GUID or verified domain; None for the user's home tenant.
        :param claims_challenge: JSON; with one, a cached token is not used.
        :param advised_scopes: scopes to name in the advice if the user has to sign in again.
        :param data: more fields of the request, such as those of an SSH certificate.
        :raises NotSignedInError: the token cache has no tokens of the user.
        :raises SignInError: Entra refused.
        """
        application = self._applications.build(tenant)
        arguments, claims_challenge = self._agent_arguments(application, claims_challenge)
        if data:
            arguments["data"] = {**arguments.get("data", {}), **data}
        attempt = Attempt(
            tenant=tenant,
            username=self._username,
            scopes=advised_scopes,
            claims_challenge=claims_challenge,
            command=self._command,
        )
        again = login_command(attempt)
        with authority_errors(self._authority, tenant, self._command):
            result = application.acquire_token_silent_with_error(
                list(scopes), self._account(application, again), claims_challenge=claims_challenge, **arguments
            )
        if not result:
            self._refuse_handed_over(application, again)
            raise self._not_signed_in(
                f"The token cache has no token of '{self._username}' that can be used or renewed.", again
            )
        if "error" in result:
            raise explain(result, attempt)
        return AccessToken.from_result(result, now=self._clock(), origin=TokenOrigin.REFRESH)

    def _refuse_handed_over(self, application: Any, again: Command) -> None:
        """:raises NotSignedInError: the user has only an access token that was handed over."""
        home = str(self._account(application, again).get("home_account_id"))
        expires_on = self._applications.handed_over_until(home)
        if expires_on is not None:
            raise not_renewed(self._username, expires_on, self._clock())

    def share_with_home(self, scopes: Sequence[str]) -> str | None:
        """Use the user's token for any tenant for the home tenant too, and return that tenant.

        :return: GUID; None if the home tenant has to be asked for a token of its own.
        :raises: what `token` raises.
        """
        try:
            secret = self.token(scopes).secret
        except ServiceBusyError:
            raise
        except (ServiceUnreachableError, MalformedAnswerError):
            # The list of tenants needs the same token, and repeats the request.
            return None
        account = self._account(self._applications.build(), login_command(Attempt(command=self._command)))
        # MSAL makes it from the object ID and the tenant ID (`client_info`), with a dot in between.
        home = str(account.get("home_account_id")).rpartition(".")[2]
        return home if self._applications.copy_for_home(secret, home) else None

    def _account(self, application: Any, again: Command) -> Any:
        """Return MSAL's account of the user.

        :param again: the `az login` for the token, for the advice.
        """
        accounts = application.get_accounts(self._username)
        if not accounts:
            raise self._not_signed_in(f"User '{self._username}' does not exist in MSAL token cache.", again)
        if len(accounts) > 1:
            raise AccountError(
                f"Several accounts with the user name '{self._username}' are signed in.",
                "Sign all of them out, and sign in again:\n"
                f"{Command(('az', 'logout')).with_option('--username', self._username)}\n{again}",
            )
        return accounts[0]

    def _not_signed_in(self, message: str, again: Command) -> NotSignedInError:
        """Return the error about missing tokens.

        :param message: for the Azure CLI's own tokens.
        :param again: the `az login` for the token.
        """
        if self._other_client is None:
            return NotSignedInError(message, next_step=f"To sign in again, run:\n{again}", login=again.options)
        return NotSignedInError(
            f"'{self._username}' has not signed in to application '{self._other_client}'.",
            next_step=f"To sign in to it, run:\n{again}",
            login=again.options,
        )

    def _agent_arguments(self, application: Any, claims: str | None) -> tuple[dict[str, Any], str | None]:
        """Mark the request as one of an agentic session, as the host does."""
        if not self._agent_session:
            return {}, claims
        self._on_agent_session()
        if getattr(application, "_enable_broker", False):
            from azure.cli.core.auth.agentic_session import build_agentic_session_params, merge_access_token_claims

            claims = merge_access_token_claims(claims, build_agentic_session_params()[1])
        session = {"client_session": self._agent_session}
        return {"data": dict(session), "params": dict(session)}, claims
