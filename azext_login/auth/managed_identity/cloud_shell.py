"""Access tokens of the user who opened a Cloud Shell.

Its service uses the protocol of managed identities but issues the user's tokens, so MSAL treats it as a broker
(https://github.com/Azure/azure-cli/pull/29637).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from azext_login.auth.credential import AccessToken, TokenOrigin
from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.auth.managed_identity.sources import (
    CLOUD_SHELL_ADDRESS,
    CLOUD_SHELL_VARIABLE,
    IdentitySource,
    find_cloud_shell_source,
)
from azext_login.errors import SignInError, UnexpectedAnswerError
from azext_login.system.command_line import Command
from azext_login.system.login_command import IDENTITY_LOGIN, another_way


def in_cloud_shell(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this is Cloud Shell, like the host does (azure.cli.core.util.in_cloud_console)."""
    return bool(environ.get("ACC_CLOUD"))


class CloudShellCredential:
    """Tokens of the user who opened this Cloud Shell. The service caches them; here, nothing is stored."""

    def __init__(
        self,
        *,
        http: Any,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        command: Command = IDENTITY_LOGIN,
    ):
        """Create a credential; nothing is sent. The parameters are those of ManagedIdentityCredential."""
        self._command = command
        self._user_agent: str | None = http.headers.get("User-Agent")
        self._environ = environ
        self._clock = clock
        self._sleep = sleep

    def token(
        self,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        claims_challenge: str | None = None,
        advised_scopes: Sequence[str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> AccessToken:
        """Return a token from the service.

        :param tenant: not used: the tokens are for the tenant that the shell was opened in.
        :param claims_challenge: not used: the service does not support it.
        :param advised_scopes: not used: there is no other sign-in to advise.
        :param data: not used: the service issues plain access tokens only.
        :raises SignInError: the service refused, or this is not Cloud Shell.
        :raises ServiceUnreachableError: the service did not answer.
        :raises UnexpectedAnswerError: the answer is not what the protocol allows, or the service stays busy.
        """
        from azext_login.auth.managed_identity.requests import limit_attempt, retry_while_busy

        result = retry_while_busy(
            lambda: limit_attempt(lambda: self._ask(scopes), self._source),
            self._source,
            clock=self._clock,
            sleep=self._sleep,
        )
        return AccessToken.from_result(result, now=self._clock(), origin=TokenOrigin.CLOUD_SHELL)

    @cached_property
    def _source(self) -> IdentitySource:
        if not self._environ.get(CLOUD_SHELL_VARIABLE, "").startswith("cloud-shell"):
            # Without the variable, MSAL opens a browser.
            raise SignInError(
                f"The token service of Cloud Shell is not available: the environment variable {CLOUD_SHELL_VARIABLE} "
                "does not begin with cloud-shell.",
                next_step="If this is Cloud Shell, open a new one. Elsewhere, sign in another way:\n"
                f"{another_way(self._command)}",
            )
        return replace(find_cloud_shell_source(self._environ), command=self._command)

    def _ask(self, scopes: Sequence[str]) -> Mapping[str, Any]:
        from azext_login.auth.managed_identity.requests import translate_errors

        source = self._source
        with translate_errors(source):
            try:
                result: Mapping[str, Any] = self._application.acquire_token_interactive(list(scopes), prompt="none")
            except (AttributeError, KeyError, TypeError) as error:
                # MSAL requires claims of the token (iss, sub, exp, iat), and checks neither them nor their types.
                raise UnexpectedAnswerError(
                    f"The token service of Cloud Shell at {source.place} issued a token without the usual claims.",
                    "Open a new Cloud Shell and run the command again.",
                ) from error
        if "access_token" not in result:
            raise UnexpectedAnswerError(
                f"The token service of Cloud Shell at {source.place} issued no token: {result.get('error')}.",
                "Open a new Cloud Shell and run the command again.",
            )
        return result

    @cached_property
    def _application(self) -> Any:
        from msal import PublicClientApplication

        from azext_login.auth.entra.msal_logs import quiet_loggers
        from azext_login.auth.managed_identity.answers import check_response
        from azext_login.auth.managed_identity.requests import BoundedHttpClient, build_direct_session

        quiet_loggers()
        source, session = self._source, build_direct_session(self._user_agent)

        def check(response: Any, *args: Any, **kwargs: Any) -> None:
            check_response(response, source, AssignedIdentity())

        session.hooks["response"].append(check)
        http = BoundedHttpClient(session, lambda url: source.address if url == CLOUD_SHELL_ADDRESS else url)
        return PublicClientApplication(
            AZURE_CLI_CLIENT_ID, http_client=_WithoutAuthority(http), instance_discovery=False
        )


class _WithoutAuthority:
    """An HTTP client for MSAL that answers requests for the authority's discovery document itself.

    MSAL requires the document to create an application, but then sends requests to Cloud Shell's service only.
    """

    status_code = 200
    headers: Mapping[str, str] = {}

    def __init__(self, http: Any):
        self.post = http.post
        self.text = "{}"

    def get(self, url: str, **kwargs: Any) -> _WithoutAuthority:
        """Return the discovery document (OpenID Connect Discovery 1.0 section 4) of the requested authority."""
        base = url.partition("/v2.0/")[0]
        self.text = json.dumps(
            {"authorization_endpoint": f"{base}/oauth2/v2.0/authorize", "token_endpoint": f"{base}/oauth2/v2.0/token"}
        )
        return self

    def raise_for_status(self) -> None:
        """Do nothing: the status is 200."""

    def close(self) -> None:
        """Do nothing: no connection is open."""
