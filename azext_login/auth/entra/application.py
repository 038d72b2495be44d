"""MSAL's client applications, configured as the host configures them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.entra.errors import unknown_tenant
from azext_login.auth.entra.federation_server import error_of_federation_server
from azext_login.auth.entra.http_client import SIGN_IN_SERVICE
from azext_login.auth.entra.msal_logs import quiet_loggers
from azext_login.auth.input_files import refusal
from azext_login.errors import MalformedAnswerError, ServiceUnreachableError, SignInError, UnexpectedAnswerError
from azext_login.system.command_line import Command
from azext_login.system.http.errors import connection_errors
from azext_login.system.http.json_answers import object_in
from azext_login.system.text import capitalised, printable, shorten

_LONGEST_QUOTE = 1000  # characters

# MSAL's text of a RuntimeError: "The nonce in id token (...) should match our nonce" (msal/oauth2cli/oidc.py).
_FOREIGN_NONCE = "nonce in id token"

HANDED_OVER = "azextLoginHandedOverUntil"
"""The key of an account in MSAL's cache that has only an access token which was handed over: when that expires. MSAL
keeps such keys, and writes the account anew when the user signs in."""


@dataclass(frozen=True)
class ApplicationSettings:
    """The settings that all applications of one command share."""

    authority: str
    """Address of the sign-in service without a tenant."""
    is_adfs: bool
    """Whether the authority is an AD FS server, which has no tenants."""
    instance_discovery: bool
    client_capabilities: Sequence[str]
    broker_switches: Mapping[str, bool]
    """The arguments of PublicClientApplication that turn account brokers on or off."""
    client_id: str = AZURE_CLI_CLIENT_ID
    """Application ID of the public client that users sign in to."""
    again: Command | None = None
    """The `az login` that runs, for the advice; None for another command."""


class ApplicationFactory:
    """Builds applications that share one token cache, one HTTP client and one HTTP cache."""

    def __init__(self, settings: ApplicationSettings, *, token_cache: Any, http_client: Any, http_cache: Any):
        self._settings = settings
        self._token_cache = token_cache
        self._http_client = http_client
        self._http_cache = http_cache
        quiet_loggers()

    @property
    def is_adfs(self) -> bool:
        """Whether the authority is an AD FS server, which has no tenants."""
        return self._settings.is_adfs

    @property
    def client_id(self) -> str:
        """Application ID of the public client that users sign in to."""
        return self._settings.client_id

    def authority_of(self, tenant: str | None) -> str:
        """Return the authority's address for a tenant; None for `organizations`, every work or school account."""
        base = self._settings.authority.rstrip("/").lower()
        return base if self.is_adfs else f"{base}/{tenant or 'organizations'}"

    def build(self, tenant: str | None = None, *, is_named_by_user: bool = False) -> Any:
        """Return a PublicClientApplication for a tenant (GUID or verified domain).

        Requests its discovery document, if that is not known.

        :param is_named_by_user: whether the user named the tenant, so that it may not exist.
        :raises SignInError: there is no such tenant.
        :raises ServiceUnreachableError: the sign-in service did not answer, or not well.
        """
        from msal import PublicClientApplication

        with authority_errors(self._settings.authority, tenant, self._settings.again):
            application = PublicClientApplication(
                self._settings.client_id,
                **self._common(tenant, is_named_by_user=is_named_by_user),
                **self._settings.broker_switches,
                enable_pii_log=True,
            )
        # MSAL may have the document from its cache of HTTP answers.
        self._http_client.learn(self._http_cache)
        return application

    def build_confidential(self, client_id: str, credential: Any, tenant: str | None) -> Any:
        """Return a ConfidentialClientApplication of a service principal. Requests the discovery document.

        :param credential: MSAL's `client_credential`.
        :raises SignInError: there is no such tenant.
        :raises ServiceUnreachableError: the sign-in service did not answer, or not well.
        """
        from msal import ConfidentialClientApplication

        with authority_errors(self._settings.authority, tenant, self._settings.again):
            return ConfidentialClientApplication(
                client_id, client_credential=credential, **self._common(tenant, is_named_by_user=True)
            )

    def keep_token(
        self, client_id: str, tenant: str | None, scopes: Sequence[str], secret: str, expires_on: int, *, now: float
    ) -> None:
        """Store an access token of a service principal that MSAL has not requested, as if it had.

        :param tenant: GUID; None at an AD FS server.
        :param expires_on: POSIX time in seconds, like `now`.
        """
        authority = self.authority_of(tenant)
        self._token_cache.add(
            {
                "client_id": client_id,
                "scope": list(scopes),
                "token_endpoint": authority,
                "environment": urlsplit(authority).hostname,
                "response": {"access_token": secret, "token_type": "Bearer", "expires_in": int(expires_on - now)},
            },
            now=int(now),
        )

    def keep_user_token(
        self,
        username: str,
        home_account_id: str,
        tenant: str,
        scopes: Sequence[str],
        secret: str,
        expires_on: int,
        *,
        now: float,
    ) -> None:
        """Store an access token of a user that MSAL has not requested, and the user, without a refresh token.

        :param home_account_id: MSAL's ID of the user: an object ID and a tenant with a dot between them.
        :param tenant: GUID.
        :param expires_on: POSIX time in seconds, like `now`.
        """
        authority = self.authority_of(tenant)
        object_id, _, home = home_account_id.partition(".")
        client_info = json.dumps({"uid": object_id, "utid": home}).encode("ascii")
        self._token_cache.add(
            {
                "client_id": AZURE_CLI_CLIENT_ID,
                "scope": list(scopes),
                "token_endpoint": authority,
                "environment": urlsplit(authority).hostname,
                "response": {
                    "access_token": secret,
                    "token_type": "Bearer",
                    "expires_in": int(expires_on - now),
                    "client_info": base64.urlsafe_b64encode(client_info).rstrip(b"=").decode("ascii"),
                    "id_token_claims": {"oid": object_id, "sub": object_id, "preferred_username": username},
                },
            },
            now=int(now),
        )
        kind = self._token_cache.CredentialType.ACCOUNT
        for entry in list(self._token_cache.search(kind, query={"home_account_id": home_account_id})):
            self._token_cache.modify(kind, entry, {**entry, HANDED_OVER: expires_on})

    def handed_over_until(self, home_account_id: str) -> int | None:
        """Return until when the access token is valid that a user has handed over (POSIX time in seconds).

        None if the user has signed in in another way.
        """
        kind = self._token_cache.CredentialType.ACCOUNT
        entries = list(self._token_cache.search(kind, query={"home_account_id": home_account_id}))
        times = [entry[HANDED_OVER] for entry in entries if isinstance(entry.get(HANDED_OVER), int)]
        return max(times, default=None)

    def copy_for_home(self, secret: str, home: str) -> bool:
        """Store a copy of a token for any tenant for the home tenant of its user, and tell whether there is one."""
        from azext_login.auth.entra.home_token import copy_for_home

        return not self.is_adfs and copy_for_home(self._token_cache, secret, home)

    def ask_for_realm(self, username: str) -> None:
        """Ask ahead how a user signs in with a password: MSAL does so after it has the discovery document."""
        if not self.is_adfs:
            self._http_client.ask_for_realm(username)

    def _common(self, tenant: str | None, *, is_named_by_user: bool) -> dict[str, Any]:
        return {
            "authority": self.authority_of(tenant),
            "token_cache": self._token_cache,
            "http_client": self._http_client.proving_existence() if is_named_by_user else self._http_client,
            "http_cache": self._http_cache,
            "instance_discovery": self._settings.instance_discovery,
            "client_capabilities": list(self._settings.client_capabilities) or None,
        }


@contextmanager
def authority_errors(authority: str, tenant: str | None = None, again: Command | None = None) -> Iterator[None]:
    """Turn the errors that MSAL raises for an authority, or for its answers, into one error with a next step.

    :param again: the `az login` that runs, for the advice; None for another command.
    """
    from msal.exceptions import MsalServiceError

    address = printable(f"{urlsplit(authority).scheme}://{urlsplit(authority).netloc}")
    with connection_errors(SIGN_IN_SERVICE, address):
        try:
            yield
        except requests.exceptions.InvalidHeader:
            # It is a ValueError as well, and quotes the header. `connection_errors` handles it.
            raise
        except ValueError as error:
            # MSAL raises ValueError for a refused discovery document and for an answer that is not JSON.
            if isinstance(error, UnicodeEncodeError):
                # The error contains all the text, which may be a secret.
                raise refusal(
                    "The request would contain bytes that are not UTF-8.",
                    "Look for them in the options of the command; then run it again.",
                ) from None
            if isinstance(error, UnicodeDecodeError) or _is_json_error(error):
                raise MalformedAnswerError(
                    f"{capitalised(SIGN_IN_SERVICE)} at {address} answered something other than JSON.",
                    "A proxy or a captive portal may have answered in its place. Check the network, and the address "
                    "with `az cloud show`; then run the command again.",
                ) from error
            if "Unable to get authority configuration" in str(error):
                raise unknown_tenant(tenant or "organizations", address, _discovery_refusal(error), again) from error
            if "scope value that is reserved" in str(error):
                raise SignInError(
                    "openid, profile and offline_access cannot be requested: every sign-in includes them.",
                    next_step="Name a resource in --scope, for example https://vault.azure.net/.default.",
                ) from error
            raise UnexpectedAnswerError(
                f"{capitalised(SIGN_IN_SERVICE)} at {address} cannot be used: {_shown(error)}",
                "Check its address with `az cloud show`. The option --debug shows where it failed.",
            ) from error
        except (MsalServiceError, RuntimeError, SyntaxError) as error:
            if isinstance(error, (RuntimeError, SyntaxError)):
                of_federation_server = error_of_federation_server(error, address, again)
                if of_federation_server is not None:
                    raise of_federation_server from None
            if _FOREIGN_NONCE in str(error):
                raise UnexpectedAnswerError(
                    f"{capitalised(SIGN_IN_SERVICE)} at {address} sent an ID token that cannot be used: it is of "
                    "another sign-in (its nonce is another one). It was not used.",
                    "Run the command again. If that does not help, check the address with `az cloud show`.",
                ) from error
            raise ServiceUnreachableError(
                f"{capitalised(SIGN_IN_SERVICE)} at {address} failed: {_shown(error)}.",
                "Run the command again in a minute.",
            ) from error
        except (LookupError, ArithmeticError, AttributeError, TypeError, AssertionError) as error:
            # MSAL does not check the structure of an answer.
            raise UnexpectedAnswerError(
                f"{capitalised(SIGN_IN_SERVICE)} at {address} answered JSON with an unexpected structure: "
                f"{_shown(error) or type(error).__name__}.",
                "Check its address with `az cloud show`. The option --debug shows where it failed.",
            ) from error


def _shown(error: Exception) -> str:
    """Return the text of MSAL's error, which may quote the whole answer."""
    return shorten(printable(error), _LONGEST_QUOTE)


def _discovery_refusal(error: ValueError) -> Mapping[str, Any]:
    """Return the authority's refusal of a discovery document. MSAL's first error quotes it, and its second does not.

    "OIDC Discovery failed on ... Error: <answer>" (msal/authority.py, `tenant_discovery`)
    """
    return object_in(str(error.__context__ or "").partition("Error: ")[2])


def _is_json_error(error: BaseException | None) -> bool:
    """Tell whether a JSON parser's error caused this one; MSAL wraps it."""
    import json

    while error is not None:
        if isinstance(error, json.JSONDecodeError):
            return True
        error = error.__cause__ or error.__context__
    return False
