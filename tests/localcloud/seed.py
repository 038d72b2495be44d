"""The default directory of the local cloud, with passwords that are documented and worth nothing."""

from __future__ import annotations

from dataclasses import replace

from tests.localcloud.directory import (
    CONSUMER_TENANT,
    Access,
    Application,
    Directory,
    Membership,
    Subscription,
    Tenant,
    User,
    stable_guid,
)
from tests.users import ALICE, BOB, CAROL, DAVE, ERIN, MAX, MIA, NINA, OSCAR

#: The public client id of the Azure CLI (azure-cli-core, auth/constants.py).
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

CONTOSO = Tenant(stable_guid("contoso"), "Contoso", ("contoso.example", "contoso.onmicrosoft.example"))
FABRIKAM = Tenant(stable_guid("fabrikam"), "Fabrikam", ("fabrikam.example", "fabrikam.onmicrosoft.example"), "DE")
WOODGROVE = Tenant(
    stable_guid("woodgrove"),
    "Woodgrove Bank",
    ("woodgrove.example", "woodgrove.onmicrosoft.example"),
    "GB",
    demands_mfa=True,
)
TAILSPIN = Tenant(stable_guid("tailspin"), "Tailspin Toys", ("tailspin.example", "tailspin.onmicrosoft.example"), "US")
CONSUMERS = Tenant(CONSUMER_TENANT, "Microsoft accounts", ("live.example",), "US", listed=False)

#: Client id of the service principal "ci-app" and its secret. `~`, `'` and a leading `-` are what real secrets have.
CI_APP = stable_guid("app", "ci-app")
CI_SECRET = "-local~ci'secret.1"
#: A second public client that does not belong to the family of first-party clients.
SAMPLE_APP = stable_guid("app", "sample-app")
#: An application of an organization's own, registered in Contoso only, as `az login --app-client-id` needs it.
NOTES_APP = stable_guid("app", "notes-app")
#: Client ids of the managed identities: a system-assigned one, and two user-assigned ones. The reader sees nothing.
VM_IDENTITY = stable_guid("app", "vm-identity")
DEPLOY_IDENTITY = stable_guid("app", "deploy-identity")
READER_IDENTITY = stable_guid("app", "reader-identity")
_USER_ASSIGNED = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"


def _member(username: str, *tenants: Tenant) -> tuple[Membership, ...]:
    return tuple(Membership(t.id, stable_guid("oid", username, t.id)) for t in tenants)


def _users() -> tuple[User, ...]:
    return (
        User(
            ALICE,
            "Alice Ammann",
            "alice-local-password",
            _member("alice", CONTOSO, FABRIKAM, WOODGROVE, TAILSPIN),
            note="home Contoso; guest in Fabrikam, Woodgrove (demands MFA) and Tailspin (no subscriptions there)",
        ),
        User(
            BOB,
            "Bob Büchi",
            "bob 'local' \"pass\" $word ä&<>%41+=",
            _member("bob", FABRIKAM),
            note="home Fabrikam; shares a subscription with alice; a password of awkward characters",
        ),
        User(
            CAROL,
            "Carol Carter",
            "carol-local-password",
            _member("carol", TAILSPIN),
            note="home Tailspin; sees no subscription at all",
        ),
        User(
            DAVE,
            "Dave Dörig",
            "dave-local-password",
            _member("dave", CONTOSO),
            disabled=True,
            note="disabled (AADSTS50057)",
        ),
        User(
            ERIN,
            "Erin Egger",
            "erin-local-password",
            _member("erin", CONSUMERS, CONTOSO),
            microsoft_account=True,
            note="a Microsoft account, guest in Contoso; not with user name and password",
        ),
        User(
            MIA,
            "Mia Moser",
            "mia-local-password",
            _member("mia", WOODGROVE),
            note="home Woodgrove demands MFA",
        ),
        User(
            NINA,
            "Nina Noser",
            "nina-local-password",
            _member("nina", CONTOSO),
            consent="admin",
            note="consent is refused: needs admin approval (AADSTS90094, then AADSTS65004)",
        ),
        User(
            OSCAR,
            "Oscar Odermatt",
            "oscar-local-password",
            _member("oscar", TAILSPIN),
            note="home Tailspin; sees two subscriptions of the same name",
        ),
    )


def _subscription(
    key: str, name: str, tenant: Tenant, state: str = "Enabled", managed_by: tuple[str, ...] = ()
) -> Subscription:
    return Subscription(stable_guid("subscription", key), name, tenant.id, state, managed_by)


PRODUCTION = _subscription("production", "Contoso Production", CONTOSO)
DEVELOPMENT = _subscription("development", "Contoso Development", CONTOSO)
UNICODE = _subscription("unicode", "Entwicklung Zürich – 測試 ☃", CONTOSO)
SHARED = _subscription("shared", "Shared Platform", CONTOSO, managed_by=(FABRIKAM.id,))
RETIRED = _subscription("retired", "Contoso Retired", CONTOSO, state="Disabled")
FABRIKAM_MAIN = _subscription("fabrikam-main", "Fabrikam Main", FABRIKAM)
LONG = _subscription("long", "Fabrikam  Research, Analytics & 'Data Science' Sandbox (temporary since 2019)", FABRIKAM)
VAULT = _subscription("vault", "Woodgrove Vault", WOODGROVE)
TWINS = tuple(_subscription(key, "Same Name", TAILSPIN) for key in ("twin-1", "twin-2"))


def _access() -> tuple[Access, ...]:
    rows = []
    for sub in (PRODUCTION, DEVELOPMENT, UNICODE, SHARED, RETIRED):
        rows.append(Access(ALICE, CONTOSO.id, sub.id))
    for sub in (SHARED, FABRIKAM_MAIN, LONG):
        rows.append(Access(ALICE, FABRIKAM.id, sub.id))
        rows.append(Access(BOB, FABRIKAM.id, sub.id))
    for user in (ALICE, MIA):
        rows.append(Access(user, WOODGROVE.id, VAULT.id))
    for user in (ERIN, NINA, DAVE):
        rows.append(Access(user, CONTOSO.id, DEVELOPMENT.id))
    for sub in TWINS:
        rows.append(Access(OSCAR, TAILSPIN.id, sub.id))
    rows.append(Access(CI_APP, CONTOSO.id, PRODUCTION.id))
    rows.append(Access(CI_APP, CONTOSO.id, DEVELOPMENT.id))
    rows.append(Access(CI_APP, FABRIKAM.id, FABRIKAM_MAIN.id))
    for app, sub in ((VM_IDENTITY, PRODUCTION), (VM_IDENTITY, SHARED), (DEPLOY_IDENTITY, DEVELOPMENT)):
        rows.append(Access(app, CONTOSO.id, sub.id))
    return tuple(rows)


def _identity(client_id: str, name: str, resource: str) -> Application:
    resource_id = f"/subscriptions/{PRODUCTION.id}/resourceGroups/{resource}"
    return Application(client_id, name, principals=_member(name, CONTOSO), resource_id=resource_id)


def _applications() -> tuple[Application, ...]:
    loopback = ("http://localhost", "http://127.0.0.1")
    return (
        Application(AZURE_CLI, "Microsoft Azure CLI", public=True, redirect_uris=loopback, family=True),
        Application(
            SAMPLE_APP, "sample-app", public=True, redirect_uris=("http://localhost/callback",), asks_consent=True
        ),
        Application(
            NOTES_APP,
            "notes-app",
            public=True,
            redirect_uris=("http://localhost",),
            asks_consent=True,
            home=CONTOSO.id,
        ),
        Application(CI_APP, "ci-app", secrets=(CI_SECRET,), principals=_member("ci-app", CONTOSO, FABRIKAM)),
        _identity(VM_IDENTITY, "vm-identity", "app/providers/Microsoft.Compute/virtualMachines/vm-local"),
        _identity(DEPLOY_IDENTITY, "deploy-identity", f"app/{_USER_ASSIGNED}/deploy-identity"),
        _identity(READER_IDENTITY, "reader-identity", f"app/{_USER_ASSIGNED}/reader-identity"),
    )


def default_directory(tenants: int = 0, subscriptions: int = 0) -> Directory:
    """The directory at start: the users above, plus `tenants` generated tenants with `subscriptions` each.

    In the generated tenants the first is the home tenant of max@generated.example, who is a guest in all others.
    """
    directory = Directory(
        (CONTOSO, FABRIKAM, WOODGROVE, TAILSPIN, CONSUMERS),
        _users(),
        (PRODUCTION, DEVELOPMENT, UNICODE, SHARED, RETIRED, FABRIKAM_MAIN, LONG, VAULT, *TWINS),
        _applications(),
        _access(),
    )
    if tenants < 1:
        return directory
    made = []
    for n in range(1, tenants + 1):
        domains = (("generated.example",) if n == 1 else ()) + (
            f"tenant{n:03}.example",
            f"tenant{n:03}.onmicrosoft.example",
        )
        made.append(Tenant(stable_guid("generated", str(n)), f"Tenant {n:03}", domains))
    max_ = User(
        MAX,
        "Max Muster",
        "max-local-password",
        _member("max", *made),
        note=f"sees {tenants} generated tenants with {subscriptions} subscriptions each",
    )
    subs = [
        _subscription(f"generated-{t.id}-{n}", f"{t.name} Subscription {n:03}", t)
        for t in made
        for n in range(1, subscriptions + 1)
    ]
    rows = [Access(max_.username, sub.tenant_id, sub.id) for sub in subs]
    return replace(
        directory,
        tenants=directory.tenants + tuple(made),
        users=(*directory.users, max_),
        subscriptions=directory.subscriptions + tuple(subs),
        access=directory.access + tuple(rows),
    )
