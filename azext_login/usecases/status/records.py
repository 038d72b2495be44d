"""What a check of the sign-ins found: the records, and the exit codes in their order."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from azext_login.profile.model import Account

SIGN_IN, TOKEN, STORE, NETWORK, CLOCK, BUILT_IN = "sign-in", "token", "store", "network", "clock", "built-in"
CHECKS = (SIGN_IN, TOKEN, STORE, NETWORK, CLOCK, BUILT_IN)
"""The values of --check."""


FIX = "az account status --fix"
"""The command of a finding that --fix fixes."""


class Outcome(enum.IntEnum):
    """What a check found. The value is the exit code of the command; the codes are documented in docs/status.rst."""

    GOOD = 0
    NOT_SIGNED_IN = 10
    EXPIRED = 11
    ACTION_NEEDED = 12
    CONSENT_MISSING = 13
    ACCOUNT_DISABLED = 14
    OFFLINE = 15
    CLOCK_WRONG = 16
    STORE_UNUSABLE = 17
    BUILT_IN_FAILS = 18
    REFUSED = 19

    @property
    def word(self) -> str:
        """The outcome in JSON: its name, written like `notSignedIn`."""
        first, *others = self.name.lower().split("_")
        return first + "".join(other.capitalize() for other in others)


# The first one that applies is the exit code: what prevents most comes first, and what is certain before its effects.
_WORST_FIRST = (
    Outcome.STORE_UNUSABLE,
    Outcome.CLOCK_WRONG,
    Outcome.OFFLINE,
    Outcome.ACCOUNT_DISABLED,
    Outcome.ACTION_NEEDED,
    Outcome.CONSENT_MISSING,
    Outcome.EXPIRED,
    Outcome.NOT_SIGNED_IN,
    Outcome.REFUSED,
    Outcome.BUILT_IN_FAILS,
    Outcome.GOOD,
)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome that counts; GOOD without any."""
    return min(outcomes, key=_WORST_FIRST.index, default=Outcome.GOOD)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may become so."""

    code: str
    """What it is, for programs: a word like `expired` or `fileModes`."""
    what: str
    """One or more sentences for the user."""
    outcome: Outcome = Outcome.GOOD
    """What it means for the exit code. GOOD for a warning, which does not count."""
    command: str | None = None
    """The command that fixes it; None if no command does."""
    file: str | None = None
    """The name of the file of the config directory that it is about."""
    context: str | None = None
    """The name of the context that it is about."""
    is_fixable: bool = False
    """Whether --fix fixes it."""
    about: frozenset[tuple[str, str]] = frozenset()
    """The key of each account that it is about, with the tenant."""

    @property
    def is_warning(self) -> bool:
        return self.outcome is Outcome.GOOD


class Refresh(enum.Enum):
    """Whether a new token could be obtained now."""

    WORKS = "works"
    FAILED = "failed"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class TenantStatus:
    """One account in one tenant."""

    tenant: str
    """ID (GUID), or as the command line gives it."""
    domain: str | None
    token_source: str | None
    """Where the next token comes from, for users; None if that is not known."""
    cached_until: int | None
    """POSIX time in seconds until which the cached token is valid; None without a valid one."""
    refresh: Refresh
    outcome: Outcome | None
    """None if it was not checked."""
    message: str | None = None
    command: str | None = None

    def finding(self, account: Account) -> Finding | None:
        """Return the finding about this tenant of an account; None if nothing is wrong."""
        if not self.outcome:
            return None
        what = f"{account.label} in {self.domain or self.tenant}: {self.message or ''}".strip()
        about = frozenset({(account.key, self.tenant)})
        return Finding(self.outcome.word, what, self.outcome, self.command, about=about)


@dataclass(frozen=True)
class AccountStatus:
    """One account in one cloud."""

    account: Account
    cloud: str
    sign_in: str | None
    """What it signs in with, for users; None if that is not known."""
    tenants: tuple[TenantStatus, ...]


@dataclass(frozen=True)
class ActiveSubscription:
    """The subscription that a command without --subscription uses, and why."""

    account: Account
    subscription: str
    """ID (GUID)."""
    name: str
    tenant: str
    cloud: str
    reason: str
    """`variable`, `context`, `directory` or `stored`."""
    origin: str | None = None
    """The variables, or the path of the file, that chose it."""
    context: str | None = None


@dataclass(frozen=True)
class FileStatus:
    """A file of the config directory."""

    name: str
    mode: str | None
    """Four octal digits; None on Windows."""
    owner: str | None
    problem: str | None = None


@dataclass(frozen=True)
class LockStatus:
    """A lock file, and the process that holds it."""

    name: str
    is_held: bool
    holder: int | None = None
    """Process ID; None if it is not known."""


@dataclass(frozen=True)
class StorageStatus:
    """Where tokens and secrets are, and in which state."""

    directory: str
    is_encrypted: bool | None = None
    """None if it could not be determined."""
    secrets_in: str | None = None
    files: tuple[FileStatus, ...] = ()
    locks: tuple[LockStatus, ...] = ()


@dataclass(frozen=True)
class NetworkStatus:
    """The way to the sign-in service."""

    clock_difference: int | None = None
    """Seconds that the clock of this computer is ahead of the sign-in service's; None if that is not known."""
    proxy: str | None = None
    """Never contains a user name or a password."""
    ca_bundle: str | None = None
    verify_certificates: bool = True


@dataclass(frozen=True)
class BuiltInStatus:
    """Whether built-in commands and other extensions can use the accounts."""

    works: bool
    setting: str
    """The setting login.every_command."""
    message: str | None = None


@dataclass(frozen=True)
class CloudStatus:
    """The active cloud and its addresses."""

    name: str
    authority: str
    resource_manager: str | None


@dataclass(frozen=True)
class StatusReport:
    """Everything that was found."""

    checked_at: float
    """POSIX time in seconds."""
    is_offline: bool
    """Whether nothing was asked over the network because the caller wanted that."""
    cloud: CloudStatus
    active: ActiveSubscription | None = None
    accounts: tuple[AccountStatus, ...] = ()
    built_in: BuiltInStatus | None = None
    storage: StorageStatus | None = None
    network: NetworkStatus | None = None
    versions: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything was checked, and not one thing alone."""
        return self.built_in is not None and self.storage is not None

    @property
    def outcome(self) -> Outcome:
        """The worst of all findings."""
        return worst(finding.outcome for finding in self.findings)
