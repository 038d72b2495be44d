"""What the running cloud remembers: settings, codes, refresh tokens, device sign-ins, browser sessions."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tests.localcloud.cijobs import CiJobs
from tests.localcloud.directory import Directory
from tests.localcloud.faults import Faults
from tests.localcloud.interaction import Browser, Interaction
from tests.localcloud.issuers import WorkloadIssuers
from tests.localcloud.requestlog import RequestLog
from tests.localcloud.scopes import BY_URI, Resource
from tests.localcloud.signin import SignIn


@dataclass(frozen=True)
class Settings:
    """What the admin can turn. Times in seconds unless the name has another unit."""

    access_token_lifetime: int = 3600
    refresh_token_lifetime: int = 90 * 24 * 3600
    code_lifetime: int = 600
    device_interval: int = 1
    device_expires_in: int = 900
    assertion_tolerance: int = 300
    assertion_lifetime: int = 300
    page_size: int = 100
    latency_ms: int = 0
    clock_offset: float = 0.0
    plain_openid: bool = False


@dataclass(frozen=True)
class AuthorizationCode:
    """RFC 6749 4.1.2; `tenant` is the path segment the request came with. `family` links what is issued from it."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    tenant: str
    sign_in: SignIn
    challenge: str
    nonce: str | None
    claims: str | None
    expires_at: float
    family: str
    redeemed: bool = False

    def get_redirect_uri(self) -> str:
        """For Authlib's grant."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """For Authlib's grant."""
        return self.scope

    @property
    def code_challenge(self) -> str:
        """For Authlib's PKCE extension."""
        return self.challenge

    code_challenge_method = "S256"


@dataclass(frozen=True)
class RefreshToken:
    """An opaque refresh token; it belongs to a user and a client, not to a tenant or resource."""

    token: str
    client_id: str
    scope: str
    sign_in: SignIn
    issued_at: float
    family: str

    def get_scope(self) -> str:
        """For Authlib's grant."""
        return self.scope


@dataclass(frozen=True)
class DeviceSignIn:
    """RFC 8628: one device code. `status` is pending, approved, declined or redeemed."""

    device_code: str
    user_code: str
    client_id: str
    scope: str
    tenant: str
    claims: str | None
    expires_at: float
    interval: float
    last_poll: float = 0.0
    status: str = "pending"
    sign_in: SignIn | None = None

    def get_scope(self) -> str:
        """For Authlib's grant."""
        return self.scope

    def get_client_id(self) -> str:
        """For Authlib's grant."""
        return self.client_id


class State:
    """The mutable rest. Take `lock` for read-then-write; single dictionary operations are atomic in CPython.

    A cloud that runs beside another one has its state as `parent`: log, faults and workload issuers are the same.
    """

    def __init__(
        self,
        directory: Directory,
        settings: Settings,
        wall_clock: Callable[[], float] = time.time,
        resources: Mapping[str, Resource] = BY_URI,
        parent: State | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.default_directory = directory
        self.default_settings = settings
        self.directory = directory
        self.settings = settings
        self.wall_clock = wall_clock
        self.resources = resources
        self.children: list[State] = []
        self.log: RequestLog = parent.log if parent else RequestLog()
        self.faults: Faults = parent.faults if parent else Faults()
        self.codes: dict[str, AuthorizationCode] = {}
        self.refresh_tokens: dict[str, RefreshToken] = {}
        self.device_sign_ins: dict[str, DeviceSignIn] = {}
        self.browsers: dict[str, Browser] = {}
        self.interactions: dict[str, Interaction] = {}
        self.consents: set[tuple[str, str, str]] = set()
        self.revoked_at: dict[str, float] = {}
        self.revoked_families: set[str] = set()
        self.seen_assertions: dict[str, float] = {}
        self.issuers: WorkloadIssuers = parent.issuers if parent else WorkloadIssuers()
        self.ci_jobs: CiJobs = parent.ci_jobs if parent else CiJobs()
        if parent:
            parent.children.append(self)

    def now(self) -> float:
        """The server's time, seconds since 1970 UTC, shifted by the admin's clock offset."""
        return self.wall_clock() + self.settings.clock_offset

    def change_settings(self, **values: float) -> Settings:
        """Replace some settings."""
        with self.lock:
            self.settings = replace(self.settings, **values)  # type: ignore[arg-type]
            return self.settings

    def change_directory(self, change: Callable[[Directory], Directory]) -> None:
        """Apply a change to the directory, one at a time."""
        with self.lock:
            self.directory = change(self.directory)

    def new_refresh_token(self, client_id: str, scope: str, sign_in: SignIn, family: str) -> str:
        """Make and remember a refresh token."""
        token = "1.Local_" + secrets.token_urlsafe(96)
        self.refresh_tokens[token] = RefreshToken(token, client_id, scope, sign_in, self.now(), family)
        return token

    def revoke(self, username: str) -> None:
        """End all of a user's sessions: refresh tokens, access tokens of CAE clients, browser sessions."""
        with self.lock:
            self.revoked_at[username.lower()] = self.now()
            for browser in self.browsers.values():
                for known in browser.accounts:
                    if known.lower() == username.lower():
                        browser.accounts[known] = None

    def revoked_since(self, username: str, when: float) -> bool:
        """True when the user's sessions were revoked at or after `when`."""
        revoked = self.revoked_at.get(username.lower())
        return revoked is not None and when <= revoked

    def reset(self) -> None:
        """Back to the start: default directory and settings, no user signed in, no faults, empty log.

        The default latency stays, since it belongs to how the cloud was started.
        """
        with self.lock:
            self.directory = self.default_directory
            self.settings = self.default_settings
            self.log.clear()
            self.faults.clear()
            for mapping in (
                self.codes,
                self.refresh_tokens,
                self.device_sign_ins,
                self.browsers,
                self.interactions,
                self.revoked_at,
                self.seen_assertions,
            ):
                mapping.clear()
            self.consents.clear()
            self.ci_jobs.clear()
            for child in self.children:
                child.reset()
            self.revoked_families.clear()
