"""Who may get a token for what: tenants, memberships, passwords, multi-factor demands, consent."""

from __future__ import annotations

import hmac

from tests.localcloud.claims import ClaimsRequest
from tests.localcloud.directory import Application, Directory, Membership, Tenant, User
from tests.localcloud.errors import consent_required, invalid_grant, mfa_required, unknown_tenant
from tests.localcloud.scopes import ScopeRequest
from tests.localcloud.seed import CONSUMERS
from tests.localcloud.signin import SignIn
from tests.localcloud.state import State

#: Authority segments that stand for "the tenant of the user who signs in".
ANY_TENANT = ("organizations", "common")


def find_tenant(directory: Directory, segment: str, user: User | None, error: str = "invalid_tenant") -> Tenant:
    """The tenant that an authority's path segment means for `user`; EntraError if it is unknown."""
    name = segment.lower()
    if name == "consumers":
        return CONSUMERS
    if name in ANY_TENANT:
        if user is None:
            raise unknown_tenant(segment, error)
        return directory.tenant(user.home.tenant_id)
    tenant = directory.find_tenant(name)
    if tenant is None:
        raise unknown_tenant(segment, error)
    return tenant


def check_segment(directory: Directory, segment: str, error: str = "invalid_tenant") -> Tenant | None:
    """The named tenant, None for organizations and common; EntraError when it does not exist."""
    if segment.lower() in ANY_TENANT:
        return None
    return find_tenant(directory, segment, None, error)


def check_password(directory: Directory, segment: str, username: str, password: str) -> User:
    """The user, if the password is right and the account usable; EntraError invalid_grant otherwise."""
    user = directory.find_user(username)
    if user is None:
        tenant = check_segment(directory, segment)
        where = tenant.name if tenant else "organizations"
        raise invalid_grant(
            50034,
            f"The user account {{EmailHidden}} does not exist in the {where} directory. To sign "
            "into this application, the account must be added to the directory.",
        )
    if not hmac.compare_digest(user.password.encode(), password.encode()):
        raise invalid_grant(50126, "Error validating credentials due to invalid username or password.")
    if user.disabled:
        raise account_disabled()
    return user


def account_disabled() -> Exception:
    """The answer for a disabled account."""
    return invalid_grant(50057, "The user account is disabled.")


def check_member(user: User, tenant: Tenant, client: Application, base_url: str) -> Membership:
    """The user's membership in a tenant; AADSTS50020 without one, AADSTS50057 when disabled."""
    if user.disabled:
        raise account_disabled()
    membership = user.in_tenant(tenant.id)
    if membership is None:
        raise invalid_grant(
            50020,
            f"User account '{{EmailHidden}}' from identity provider "
            f"'{base_url}/{user.home.tenant_id}/' does not exist in tenant '{tenant.name}' "
            f"and cannot access the application '{client.app_id}'({client.name}) in that "
            "tenant. The account needs to be added as an external user in the tenant first. "
            "Sign out and sign in again with a different Azure Active Directory user account.",
        )
    return membership


def needs_mfa(tenant: Tenant, sign_in: SignIn, claims: ClaimsRequest) -> bool:
    """True when the tenant, or the claims of the request, demand a second factor that was not given."""
    return tenant.id not in sign_in.mfa_tenants and (tenant.demands_mfa or claims.wants_policy)


def needs_consent(state: State, user: User, client: Application, scope: ScopeRequest) -> str | None:
    """None when nothing is to ask; "user" or "admin" for whose approval is missing."""
    if user.consent == "admin" or scope.resource.consent == "admin":
        return "admin"
    agreed = (user.username, client.app_id, scope.resource.key) in state.consents
    asks = scope.resource.consent == "user" or client.asks_consent
    return "user" if asks and not agreed else None


def check_silently(
    state: State,
    user: User,
    tenant: Tenant,
    client: Application,
    scope: ScopeRequest,
    sign_in: SignIn,
    claims: ClaimsRequest,
    base_url: str,
) -> Membership:
    """All conditions for a token without a user at the screen; raises EntraError for the first one not met."""
    membership = check_member(user, tenant, client, base_url)
    if needs_mfa(tenant, sign_in, claims):
        raise mfa_required(scope.audience, tenant.policy_id)
    if needs_consent(state, user, client, scope):
        raise consent_required(client.app_id, client.name)
    return membership
