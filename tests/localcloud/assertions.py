"""Client assertions at the token endpoint (RFC 7523 section 3): signature, audience, time, single use.

An assertion whose `iss` is an address comes from another issuer (federation.py). The application made the others
itself, and signed them with its certificate (certificates.py).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import jwt

from tests.localcloud.certificates import invalid_signature, signing_key
from tests.localcloud.directory import Application
from tests.localcloud.errors import EntraError, invalid_client
from tests.localcloud.federation import Fetch, audiences_of, federated_key, find_credential
from tests.localcloud.state import State


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


class AssertionCheck:
    """Checks assertions for one token endpoint; `fetch` gets the documents of other issuers."""

    def __init__(self, state: State, fetch: Fetch) -> None:
        self._state = state
        self._fetch = fetch

    def check(self, app: Application, assertion: str, audiences: list[str], algorithms: tuple[str, ...]) -> None:
        """EntraError for the first thing that is wrong. `audiences`, `algorithms`: what the application may use."""
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError as exc:
            raise invalid_client(50027, "JWT token is invalid or malformed.") from exc
        if "://" in str(claims.get("iss")):
            self._check_federated(app, assertion, header, claims)
        else:
            self._check_own(app, assertion, header, claims, audiences, algorithms)

    def _check_own(
        self,
        app: Application,
        assertion: str,
        header: dict[str, Any],
        claims: dict[str, Any],
        audiences: list[str],
        algorithms: tuple[str, ...],
    ) -> None:
        key = signing_key(app, header, self._state.now())
        if claims.get("iss") != app.app_id or claims.get("sub") != app.app_id:
            raise invalid_client(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
        try:
            self._verify(assertion, key, audiences, algorithms)
        except jwt.InvalidAudienceError as exc:
            raise invalid_client(700023, "Client assertion audience claim does not match Realm issuer.") from exc
        except jwt.InvalidTokenError as exc:
            reason = "Key was found, but use of the key to verify the signature failed."
            raise invalid_signature(app, reason, "", None) from exc
        self._check_time(claims)
        if "jti" not in claims:
            raise invalid_client(50027, "JWT token is invalid or malformed: 'jti' is missing.")
        with self._state.lock:
            # RFC 7523 3 (7): an assertion must not be used twice.
            if claims["jti"] in self._state.seen_assertions:
                raise invalid_client(700030, "The client assertion was used before.")
            self._state.seen_assertions[claims["jti"]] = self._state.now()

    def _check_federated(
        self, app: Application, assertion: str, header: dict[str, Any], claims: dict[str, Any]
    ) -> None:
        credential = find_credential(app, claims)
        key = federated_key(credential, header, self._fetch)
        try:
            self._verify(assertion, key, audiences_of(credential), ("RS256",))
        except jwt.InvalidTokenError as exc:
            raise invalid_client(
                50013,
                "Assertion failed signature validation. [Reason - The provided signature value did not match the "
                f"expected signature value., Thumbprint of key used by client: '{header.get('kid')}'].",
            ) from exc
        self._check_time(claims)

    @staticmethod
    def _verify(assertion: str, key: Any, audiences: list[str], algorithms: tuple[str, ...]) -> None:
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp"]}
        jwt.decode(assertion, key, algorithms=list(algorithms), audience=audiences, options=options)

    def _check_time(self, claims: dict[str, Any]) -> None:
        now, tolerance = self._state.now(), self._state.settings.assertion_tolerance
        start, end = claims.get("nbf", 0), claims["exp"]
        if not all(isinstance(moment, (int, float)) for moment in (start, end)):
            raise _not_in_time(now, 0, 0)
        # Entra tolerates a difference between its clock and the client's (five minutes).
        if not start - tolerance <= now < end + tolerance:
            raise _not_in_time(now, start, end)


def _not_in_time(now: float, start: float, end: float) -> EntraError:
    return invalid_client(
        700024,
        f"Client assertion is not within its valid time range. Current time: {_stamp(now)}, assertion valid from "
        f"{_stamp(start)}, expiry time of assertion {_stamp(end)}. Review the documentation at "
        "https://learn.microsoft.com/entra/identity-platform/certificate-credentials",
    )
