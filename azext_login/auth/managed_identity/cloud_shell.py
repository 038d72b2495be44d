"""Access tokens of the person who opened a Cloud Shell.

Its service speaks the protocol of managed identities and gives the person's tokens, so MSAL treats it as a broker
(https://github.com/Azure/azure-cli/pull/29637).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from azext_login.auth.credential import AccessToken
from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.auth.managed_identity.sources import (
    CLOUD_SHELL_ADDRESS,
    CLOUD_SHELL_VARIABLE,
    IdentitySource,
    cloud_shell_source,
)
from azext_login.errors import SignInError, UnexpectedAnswerError


def in_cloud_shell(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this is Cloud Shell, as the host tells it (azure.cli.core.util.in_cloud_console)."""
    return bool(environ.get("ACC_CLOUD"))


class CloudShellCredential:
    """Tokens of the person whose Cloud Shell this is. The service keeps them, nothing is kept here."""

    def __init__(
        self,
        *,
        http: Any,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ):
        """Make a credential; nothing is sent. The parameters are those of ManagedIdentityCredential."""
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
    ) -> AccessToken:
        """Return a token, always from the service.

        :param tenant: not used: the service knows the tenant that the shell was opened in.
        :param claims_challenge: not used: the service takes none.
        :param advised_scopes: not used: nobody can sign in differently here.
        :raises SignInError: the service refuses, or this is no Cloud Shell.
        :raises ServiceUnreachableError: the service did not answer.
        :raises UnexpectedAnswerError: the answer is not what the protocol allows, or the service stays busy.
        """
        from azext_login.auth.managed_identity.requests import asked_while_busy, within_bounds

        result = asked_while_busy(
            lambda: within_bounds(lambda: self._ask(scopes), self._source), clock=self._clock, sleep=self._sleep
        )
        return AccessToken.from_result(result, now=self._clock())

    @cached_property
    def _source(self) -> IdentitySource:
        if not self._environ.get(CLOUD_SHELL_VARIABLE, "").startswith("cloud-shell"):
            # MSAL would open a browser instead.
            raise SignInError(
                f"The token service of Cloud Shell is not here: the environment variable {CLOUD_SHELL_VARIABLE} does "
                "not say so.",
                next_step="If this is Cloud Shell, open a new one. Elsewhere, sign in another way:\naz login",
            )
        return cloud_shell_source(self._environ)

    def _ask(self, scopes: Sequence[str]) -> Mapping[str, Any]:
        from azext_login.auth.managed_identity.requests import reaching

        source = self._source
        with reaching(source):
            result: Mapping[str, Any] = self._application.acquire_token_interactive(list(scopes), prompt="none")
        if "access_token" not in result:
            raise UnexpectedAnswerError(
                f"The token service of Cloud Shell at {source.place} gave no token: {result.get('error')}.",
                "Open a new Cloud Shell and run the command again.",
            )
        return result

    @cached_property
    def _application(self) -> Any:
        from msal import PublicClientApplication

        from azext_login.auth.managed_identity.answers import check_answer
        from azext_login.auth.managed_identity.requests import BoundedHttp, direct_session

        source, session = self._source, direct_session(self._user_agent)

        def check(response: Any, *args: Any, **kwargs: Any) -> None:
            check_answer(response, source, AssignedIdentity())

        session.hooks["response"].append(check)
        http = BoundedHttp(session, lambda url: source.address if url == CLOUD_SHELL_ADDRESS else url)
        return PublicClientApplication(
            AZURE_CLI_CLIENT_ID, http_client=_WithoutAuthority(http), instance_discovery=False
        )


class _WithoutAuthority:
    """MSAL's HTTP client, which answers the look-up of the authority itself.

    MSAL makes no application without a discovery document, although here it only ever asks Cloud Shell's service.
    """

    status_code = 200
    headers: Mapping[str, str] = {}

    def __init__(self, http: Any):
        self.post = http.post
        self.text = "{}"

    def get(self, url: str, **kwargs: Any) -> _WithoutAuthority:
        """Return the discovery document (OpenID Connect Discovery 1.0 section 4) of the authority that is asked for."""
        base = url.partition("/v2.0/")[0]
        self.text = json.dumps(
            {"authorization_endpoint": f"{base}/oauth2/v2.0/authorize", "token_endpoint": f"{base}/oauth2/v2.0/token"}
        )
        return self

    def raise_for_status(self) -> None:
        """Nothing: it is 200."""

    def close(self) -> None:
        """Nothing is open."""
