"""Which ID tokens are accepted: those of the application that asked, of the issuer that was asked, and not expired.

MSAL for Python checks none of that since release 1.38, and leaves it to the application
(https://github.com/AzureAD/microsoft-authentication-library-for-python/pull/943). Before, it checked the audience.
The rules are those of OpenID Connect Core 1.0, section 3.1.3.7. An ID token that comes from the token endpoint over TLS
needs no check of its signature (rule 6).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from azext_login.auth.entra.documents import is_of_entra
from azext_login.auth.jwt import unverified_claims
from azext_login.auth.token_answers import as_integer
from azext_login.errors import MalformedAnswerError, UnexpectedAnswerError
from azext_login.system.http.json_answers import object_in
from azext_login.system.text import is_id

# Seconds. Entra accepts a difference of five minutes
# (https://learn.microsoft.com/entra/identity-platform/access-tokens#token-lifetime).
_TOLERANCE = 300.0

# What stands for the ID of the user's tenant in the issuer of a document for many tenants.
_ANY_TENANT = "{tenantid}"

_NEXT_STEP = (
    "Something else may have answered in its place. Check its address with `az cloud show`; then run the command again."
)


class Issuers:
    """The issuers of the discovery documents that were read, by token endpoint."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, str] = {}

    def learn(self, content: bytes | str) -> None:
        """Record the issuer of a discovery document. Other content is ignored."""
        document = object_in(content)
        endpoint, issuer = document.get("token_endpoint"), document.get("issuer")
        if isinstance(endpoint, str) and isinstance(issuer, str):
            self._by_endpoint[_compared(endpoint)] = issuer

    def find(self, endpoint: str) -> str | None:
        """Return the issuer of the tokens of an endpoint; None if its document was not read."""
        return self._by_endpoint.get(_compared(endpoint))


def check_id_token(
    token: str,
    answer: requests.Response,
    *,
    client_id: str | None,
    issuer: str | None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Refuse an ID token that is not the answer to the request of this application.

    A token counts as expired by the clock of the service that has just issued it: a sign-in works on a computer whose
    clock is wrong. A token that is not valid yet is accepted, as MSAL does:
    https://github.com/AzureAD/microsoft-authentication-library-for-python/issues/656

    :param answer: the answer of the token endpoint, for the address and the time of the service.
    :param client_id: the application that asked; None if the request does not name it.
    :param issuer: as the discovery document names it; None if the document is unknown.
    :param clock: returns POSIX time in seconds. It counts if the service did not send its time.
    :raises MalformedAnswerError: it is not a JSON Web Token.
    :raises UnexpectedAnswerError: it belongs to another application or issuer, or has expired.
    """
    where = urlsplit(answer.url).netloc
    claims = unverified_claims(token)
    if claims is None:
        raise MalformedAnswerError(
            f"The sign-in service at {where} sent an ID token that is not a JSON Web Token. It was not used.",
            _NEXT_STEP,
        )
    if client_id is not None and not _is_for(claims.get("aud"), client_id):
        raise _refusal(where, "is for another application")
    if not _is_from(claims, answer.url, issuer):
        raise _refusal(where, "is of another issuer")
    expires_on = as_integer(claims.get("exp"))
    if expires_on is None:
        raise _refusal(where, "does not tell when it expires")
    served_at = _time_of(answer)
    if expires_on < (clock() if served_at is None else served_at) - _TOLERANCE:
        raise _refusal(where, "has expired" if served_at else "has expired, or the clock of this computer is wrong")


def _refusal(where: str, problem: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"The sign-in service at {where} sent an ID token that cannot be used: it {problem}. It was not used.",
        _NEXT_STEP,
    )


def _is_for(audience: object, client_id: str) -> bool:
    audiences = audience if isinstance(audience, list) else [audience]
    return any(isinstance(each, str) and each.lower() == client_id.lower() for each in audiences)


def _is_from(claims: Mapping[str, Any], endpoint: str, expected: str | None) -> bool:
    """Tell whether the issuer of a token is the expected one.

    The clouds of Entra have several addresses each, and one issuer: tokens of login.chinacloudapi.cn are issued by
    login.partner.microsoftonline.cn. So there, the path is compared alone.
    """
    issuer, tenant = claims.get("iss"), claims.get("tid")
    if not isinstance(issuer, str) or not _is_address(issuer):
        return False
    if expected is None:
        # MSAL has the document from elsewhere.
        return _is_same_service(issuer, endpoint)
    if _ANY_TENANT in expected:
        if not is_id(tenant):
            return False
        expected = expected.replace(_ANY_TENANT, str(tenant))
    if _compared(issuer) == _compared(expected):
        return True
    if not _is_address(expected) or not all(map(is_of_entra, (issuer, expected, endpoint))):
        return False
    path, expected_path = (_compared(urlsplit(each).path) for each in (issuer, expected))
    return path == expected_path


def _is_address(text: str) -> bool:
    try:
        return bool(urlsplit(text).netloc)
    except ValueError:
        return False


def _is_same_service(issuer: str, endpoint: str) -> bool:
    issuer_host, host = (urlsplit(each).netloc.lower() for each in (issuer, endpoint))
    return issuer_host == host or (is_of_entra(issuer) and is_of_entra(endpoint))


def _compared(address: str) -> str:
    return address.lower().rstrip("/")


def _time_of(answer: requests.Response) -> float | None:
    """Return the time of the service (`Date`, RFC 9110 section 6.6.1), in POSIX seconds; None if it sent none."""
    try:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
