"""The records of the local cloud's directory - tenants, users, subscriptions, applications - and lookups on them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

#: Seed of every generated GUID, so that the same name has the same id in each run.
_NAMESPACE = uuid.UUID("6d1f3a52-0b5e-5c0e-9a58-0f6c1d0c10ca")

#: The tenant that all Microsoft accounts call home (Microsoft identity platform, "ID token claims reference": tid).
CONSUMER_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"


def stable_guid(*parts: str) -> str:
    """A GUID that depends on `parts` only."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


@dataclass(frozen=True)
class Tenant:
    """An organization. `domains[0]` is its default domain. `listed` is false for the Microsoft account tenant."""

    id: str
    name: str
    domains: tuple[str, ...]
    country: str = "CH"
    demands_mfa: bool = False
    listed: bool = True

    @property
    def policy_id(self) -> str:
        """Id of the conditional access policy that demands MFA; appears in claims challenges."""
        return stable_guid("policy", self.id)


@dataclass(frozen=True)
class Membership:
    """A user in one tenant. A guest has another object id in every tenant."""

    tenant_id: str
    oid: str


@dataclass(frozen=True)
class User:
    """A user, who can sign in. The first membership is the home tenant.

    `consent` is what happens when an application asks for access: "given" (nothing is asked) or "admin" (the tenant
    wants an administrator to approve, which never happens).
    """

    username: str
    name: str
    password: str
    memberships: tuple[Membership, ...]
    disabled: bool = False
    microsoft_account: bool = False
    consent: str = "given"
    note: str = ""

    @property
    def home(self) -> Membership:
        """The membership in the home tenant."""
        return self.memberships[0]

    @property
    def home_account_id(self) -> str:
        """MSAL's key of the account: uid.utid of client_info."""
        return f"{self.home.oid}.{self.home.tenant_id}"

    def in_tenant(self, tenant_id: str) -> Membership | None:
        """The membership in a tenant, or None."""
        return next((m for m in self.memberships if m.tenant_id == tenant_id), None)


@dataclass(frozen=True)
class Subscription:
    """A subscription; `tenant_id` is its home, `managed_by` are tenants with delegated access (Azure Lighthouse)."""

    id: str
    name: str
    tenant_id: str
    state: str = "Enabled"
    managed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """`principal` (a user name or an application id) sees a subscription with tokens of `tenant_id`."""

    principal: str
    tenant_id: str
    subscription_id: str


@dataclass(frozen=True)
class FederatedCredential:
    """Trust in tokens of another issuer ("Workload identity federation").

    `jwks` verifies their signatures; without it the keys are those of the issuer's discovery document.
    """

    issuer: str
    subject: str
    audience: str
    jwks: str | None = None


@dataclass(frozen=True)
class TrustedSubject:
    """Trust in every certificate with this subject common name whose chain leads to `issuer_ca` (PEM text).

    Certificates after the first one there are intermediates that the token service knows, and clients need not send.
    """

    subject: str
    issuer_ca: str


@dataclass(frozen=True)
class Application:
    """A registered client. A public one has no secret; a confidential one has a service principal per tenant.

    A managed identity has a `resource_id`: that of the virtual machine, or its own if it is user-assigned.
    `assigned` tells whether the host may use it.
    An application of an organization's own `asks_consent` of each user for each resource, which Microsoft's own do for
    few ("Permissions and consent overview"). With `home`, only that tenant knows it ("Single and multitenant apps").
    Without `public_flows`, its setting "Allow public client flows" is off: no device code and no password can be used.
    """

    app_id: str
    name: str
    public: bool = False
    redirect_uris: tuple[str, ...] = ()
    any_loopback_port: bool = True
    family: bool = False
    secrets: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    subject_names: tuple[TrustedSubject, ...] = ()
    federated: tuple[FederatedCredential, ...] = ()
    principals: tuple[Membership, ...] = ()
    resource_id: str = ""
    assigned: bool = True
    asks_consent: bool = False
    home: str = ""
    public_flows: bool = True

    def in_tenant(self, tenant_id: str) -> Membership | None:
        """The service principal in a tenant, or None."""
        return next((m for m in self.principals if m.tenant_id == tenant_id), None)


@dataclass(frozen=True)
class Directory:
    """Everything that exists. Immutable: a change makes a new one, so readers never see half a change."""

    tenants: tuple[Tenant, ...]
    users: tuple[User, ...]
    subscriptions: tuple[Subscription, ...]
    applications: tuple[Application, ...]
    access: tuple[Access, ...]

    @cached_property
    def _tenants(self) -> dict[str, Tenant]:
        found = {t.id: t for t in self.tenants}
        found.update({domain: t for t in self.tenants for domain in t.domains})
        return found

    @cached_property
    def _users(self) -> dict[str, User]:
        return {p.username.lower(): p for p in self.users}

    @cached_property
    def _applications(self) -> dict[str, Application]:
        return {a.app_id: a for a in self.applications}

    @cached_property
    def _visible(self) -> dict[tuple[str, str], tuple[Subscription, ...]]:
        order = {s.id: n for n, s in enumerate(self.subscriptions)}
        seen: dict[tuple[str, str], list[Subscription]] = {}
        for row in sorted(self.access, key=lambda a: order[a.subscription_id]):
            key = (row.principal.lower(), row.tenant_id)
            seen.setdefault(key, []).append(self.subscriptions[order[row.subscription_id]])
        return {key: tuple(rows) for key, rows in seen.items()}

    def find_tenant(self, id_or_domain: str) -> Tenant | None:
        """A tenant by GUID or verified domain, in any case."""
        return self._tenants.get(id_or_domain.lower())

    def find_user(self, username: str) -> User | None:
        """A user by user name, in any case."""
        return self._users.get(username.lower())

    def find_application(self, app_id: str) -> Application | None:
        """A registered client by its id."""
        return self._applications.get(app_id.lower())

    def find_subscription(self, subscription_id: str) -> Subscription | None:
        """A subscription by id."""
        return next((s for s in self.subscriptions if s.id == subscription_id.lower()), None)

    def tenant(self, id_or_domain: str) -> Tenant:
        """Like `find_tenant`; KeyError if it is unknown."""
        return self._tenants[id_or_domain.lower()]

    def user(self, username: str) -> User:
        """Like `find_user`; KeyError if it is unknown."""
        return self._users[username.lower()]

    def application(self, app_id_or_name: str) -> Application:
        """An application by id or name; KeyError if it is unknown."""
        for app in self.applications:
            if app_id_or_name.lower() in (app.app_id, app.name.lower()):
                return app
        raise KeyError(app_id_or_name)

    def subscription(self, id_or_name: str) -> Subscription:
        """A subscription by id or name; KeyError if it is unknown."""
        for sub in self.subscriptions:
            if id_or_name in (sub.id, sub.name):
                return sub
        raise KeyError(id_or_name)

    def visible(self, principal: str, tenant_id: str) -> tuple[Subscription, ...]:
        """The subscriptions that a token of `tenant_id` for `principal` shows, in directory order."""
        return self._visible.get((principal.lower(), tenant_id), ())

    def with_user(self, user: User) -> Directory:
        """A directory in which `user` replaces the one with the same user name."""
        same = user.username.lower()
        return replace(self, users=tuple(user if p.username.lower() == same else p for p in self.users))

    def with_tenant(self, tenant: Tenant) -> Directory:
        """A directory in which `tenant` replaces the one with the same id."""
        return replace(self, tenants=tuple(tenant if t.id == tenant.id else t for t in self.tenants))

    def with_application(self, app: Application) -> Directory:
        """A directory in which `app` replaces the one with the same id."""
        return replace(self, applications=tuple(app if a.app_id == app.app_id else a for a in self.applications))

    def with_access(self, rows: Iterable[Access]) -> Directory:
        """A directory with exactly these access rows."""
        return replace(self, access=tuple(dict.fromkeys(rows)))
