"""What takes the place of the time, of an issuer of federated tokens and of a running command in tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_ALGORITHM = "HS256"
_AUDIENCE = "api://AzureADTokenExchange"


class FakeClock:
    """A clock that stands still until it is advanced. Call it for the time, as `time.time`.

    Example::

        clock = FakeClock(1_800_000_000)
        clock.advance(90)
        assert clock() == 1_800_000_090
    """

    def __init__(self, now: float | None = None) -> None:
        """:param now: POSIX time in seconds; None for the time of this computer."""
        self._now = time.time() if now is None else now

    def __call__(self) -> float:
        """Return POSIX time in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass.

        :raises ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("A clock does not run backwards.")
        self._now += seconds


class FakeIssuer:
    """An issuer of federated tokens that no service trusts.

    The tokens are JSON Web Tokens (RFC 7519), signed with HS256 and a key that is public. Their header has
    `"kid": "azext_login.testing"`. Every token differs from all others. Threads may share an issuer. Example::

        issuer = FakeIssuer(FakeClock(1_800_000_000))
        token = issuer.issue("deploy", lifetime=60)
        assert issuer.claims_of(token)["exp"] == 1_800_000_060
    """

    KEY_ID = "azext_login.testing"
    """The `kid` of every header."""
    ISSUER = "https://issuer.example"
    """The `iss` of every token."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """:param clock: returns POSIX time in seconds."""
        self._clock = clock
        self._issued: list[str] = []

    @property
    def issued(self) -> tuple[str, ...]:
        """All tokens that were issued, the oldest one first."""
        return tuple(self._issued)

    def issue(self, subject: str = "workload", *, audience: str = _AUDIENCE, lifetime: float = 3600) -> str:
        """Return a new token.

        :param subject: the `sub` claim.
        :param audience: the `aud` claim.
        :param lifetime: seconds; a negative number for a token that has expired.
        """
        now = self._clock()
        claims = {
            "iss": self.ISSUER,
            "sub": subject,
            "aud": audience,
            "iat": int(min(now, now + lifetime)),
            "exp": int(now + lifetime),
            "jti": str(uuid.uuid4()),
        }
        header = {"alg": _ALGORITHM, "typ": "JWT", "kid": self.KEY_ID}
        signed = f"{_encode(header)}.{_encode(claims)}"
        token = f"{signed}.{_signature(signed)}"
        self._issued.append(token)
        return token

    def claims_of(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token of such an issuer, which may have expired.

        :raises ValueError: it is not a token of such an issuer.
        """
        signed, separator, signature = token.rpartition(".")
        if not separator or not hmac.compare_digest(signature.encode(), _signature(signed).encode()):
            raise ValueError("The token is not one of this issuer.")
        claims: Mapping[str, Any] = json.loads(_decode(signed.partition(".")[2]))
        return claims


class FakeCliContext:
    """The context of a command (`cmd.cli_ctx`), with as much of it as a listener to events needs.

    It registers and raises events as `knack.cli.CLI` does. Example::

        heard = []
        cli_ctx = FakeCliContext()
        cli_ctx.register_event(api.SignedOut.name, lambda cli_ctx, payload, **_: heard.append(payload.account))
        cli_ctx.raise_event(api.SignedOut.name, payload=api.SignedOut("AzureCloud", "alice@contoso.com"))
        assert heard == ["alice@contoso.com"]
    """

    def __init__(self, config_dir: Path | None = None) -> None:
        """:param config_dir: the config directory of the Azure CLI, `cli_ctx.config.config_dir`; None without one."""
        self.config = SimpleNamespace(config_dir=None if config_dir is None else str(config_dir))
        self.data: dict[str, Any] = {}
        self._listeners: dict[str, list[Callable[..., Any]]] = {}

    def register_event(self, event_name: str, handler: Callable[..., Any]) -> None:
        """Call `handler(cli_ctx, **kwargs)` whenever the event is raised."""
        self._listeners.setdefault(event_name, []).append(handler)

    def unregister_event(self, event_name: str, handler: Callable[..., Any]) -> None:
        """Call the handler no more. One that is not registered is ignored."""
        listeners = self._listeners.get(event_name, [])
        if handler in listeners:
            listeners.remove(handler)

    def raise_event(self, event_name: str, **kwargs: Any) -> None:
        """Call all handlers of the event, in the order of their registration. What one raises is raised here."""
        for listener in list(self._listeners.get(event_name, [])):
            listener(self, **kwargs)


def _encode(value: object) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _signature(signed: str) -> str:
    return _base64url(hmac.digest(FakeIssuer.KEY_ID.encode(), signed.encode(), hashlib.sha256))
