"""What the API returns: frozen records and enumerations. Later minor versions may add fields and members."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from azext_login.auth.credential import TokenOrigin


class AccountKind(enum.Enum):
    """What signs in."""

    USER = "user"
    SERVICE_PRINCIPAL = "service_principal"
    MANAGED_IDENTITY = "managed_identity"
    CLOUD_SHELL = "cloud_shell"


class ActiveReason(enum.Enum):
    """Why an account is the active one."""

    STORED = "stored"
    """A sign-in or `az account set` has stored it as the default of the cloud."""
    VARIABLE = "variable"
    """AZURE_LOGIN_ACCOUNT or AZURE_LOGIN_SUBSCRIPTION chooses it for this process."""
    CONTEXT = "context"
    """AZURE_LOGIN_CONTEXT, or a file `.azure-context` of the directory, chooses a context that it belongs to."""


class Freshness(enum.Enum):
    """How fresh a token is at the moment that it was returned."""

    FRESH = "fresh"
    """Valid, and not due for renewal."""
    DUE = "due"
    """Valid, but due for renewal: the service's `refresh_on` has passed, or less than five minutes are left. It is
    returned only where no new one could be obtained, or where the issued lifetime is that short."""
    EXPIRED = "expired"
    """Not valid any more: the service issued it with no lifetime left, or the clock of this computer is wrong."""


@dataclass(frozen=True)
class Token:
    """An access token. `repr` does not show the secret."""

    token: str = field(repr=False)
    """The access token. A secret."""
    token_type: str
    """`Bearer`, or `ssh-cert` for an SSH certificate."""
    expires_on: int
    """POSIX time in seconds."""
    tenant: str
    """The tenant that issued it: a GUID; as it was given if a tenant was named."""
    subscription: str | None
    """ID (GUID) of the subscription that the account was chosen for; None if another tenant was named."""
    account: str
    """A user name, an application ID, or the label of a managed identity."""
    origin: TokenOrigin
    """Where it came from."""
    freshness: Freshness
    """How fresh it is now."""
    refresh_on: int | None = None
    """POSIX time in seconds from which it is due for renewal; None if the service did not set a time."""


@dataclass(frozen=True)
class Subscription:
    """A subscription as an account sees it through one tenant."""

    id: str
    """GUID; that of the tenant if `is_tenant_level`."""
    name: str
    tenant: str
    """GUID of the tenant that shows it."""
    state: str
    """`Enabled`, or another state of Azure Resource Manager such as `Disabled` or `Warned`."""
    is_default: bool = False
    """Whether it is the default in its cloud for this process."""
    is_tenant_level: bool = False
    """Whether this is access to a tenant without subscriptions (`az login --allow-no-subscriptions`)."""
    home_tenant: str | None = None
    """GUID of the tenant that the subscription belongs to; None if it is not known."""


@dataclass(frozen=True)
class SignedInAccount:
    """An account that is signed in to the active cloud."""

    name: str
    """A user name, an application ID, or the label of a managed identity. Pass it as `account=`."""
    kind: AccountKind
    cloud: str
    """Name of the cloud."""
    is_active: bool
    """Whether the default subscription is used through this account."""
    subscriptions: tuple[Subscription, ...]
    """Those that it has, also where another account is used for them."""


@dataclass(frozen=True)
class ActiveAccount:
    """The account and the subscription that commands use in this process."""

    name: str
    """A user name, an application ID, or the label of a managed identity."""
    kind: AccountKind
    cloud: str
    """Name of the cloud."""
    tenant: str
    """GUID of the tenant that the subscription is used through."""
    subscription: Subscription
    reason: ActiveReason
    variables: tuple[str, ...] = ()
    """The environment variables that choose it, if `reason` is `VARIABLE`."""
    context: str | None = None
    """Name of the context that this process is in; None without one."""
    context_file: str | None = None
    """Path of the file `.azure-context` that chooses the context; None if AZURE_LOGIN_CONTEXT does, or without one."""


@dataclass(frozen=True)
class Context:
    """A name for an account and a subscription, which `az account context` creates."""

    name: str
    """Up to 64 letters, digits, `.`, `_` and `-`. Names are compared without regard to case."""
    cloud: str = ""
    """Name of the cloud."""
    account: str = ""
    """A user name, an application ID, or the label of a managed identity."""
    tenant: str = ""
    """GUID of the tenant that the subscription is used through."""
    subscription: str = ""
    """ID (GUID) of the subscription; that of the tenant for a tenant without subscriptions."""
    is_signed_in: bool = False
    """Whether its account is signed in to its cloud."""
    is_active: bool = False
    """Whether this process is in it."""
