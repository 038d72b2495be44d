"""The operator's hands: every switch of the local cloud as a Python method; the HTTP endpoint calls the same ones."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from tests.localcloud.directory import Access, Membership, stable_guid
from tests.localcloud.faults import HTML_BODY, MALFORMED_BODY, Fault
from tests.localcloud.requestlog import LoggedRequest
from tests.localcloud.workloadadmin import WorkloadAdmin

#: Named ways to fail, for `fail_next(kind=...)` and `fail_randomly(kind=...)`.
KINDS = {
    "throttled": Fault(
        429,
        '{"error":{"code":"TooManyRequests","message":"Slow down."}}',
        {"Retry-After": "1", "Content-Type": "application/json"},
    ),
    "error": Fault(
        500,
        '{"error":{"code":"InternalServerError","message":"Something broke."}}',
        {"Content-Type": "application/json"},
    ),
    "unavailable": Fault(
        503,
        '{"error":{"code":"ServiceUnavailable","message":"Try again."}}',
        {"Content-Type": "application/json"},
    ),
    "html": Fault(200, HTML_BODY, {"Content-Type": "text/html"}),
    "malformed": Fault(200, MALFORMED_BODY, {"Content-Type": "application/json"}),
    "drop": Fault(drop=True),
    "hang": Fault(status=0),
}


def _fault(
    kind: str | None, status: int | None, body: str | bytes | None, headers: dict[str, str] | None, hang: float
) -> Fault:
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(sorted(KINDS))}")
    fault = KINDS[kind or "error"]
    if status is not None:
        fault = replace(fault, status=status)
    if body is not None:
        fault = replace(fault, body=body)
    if headers is not None:
        fault = replace(fault, headers={**fault.headers, **headers})
    return replace(fault, hang=hang)


class Admin(WorkloadAdmin):
    """Operations on a running cloud. Unknown users, tenants and subscriptions raise KeyError, bad values ValueError.

    Users are named by user name, tenants by GUID or domain, subscriptions by id or name, applications by id or name.
    """

    # -- sessions and time ---------------------------------------------------------------------------------------

    def revoke(self, user: str) -> None:
        """End a user's sessions: refresh tokens (AADSTS50173), browsers, and access tokens of CP1 clients at ARM."""
        self._state.revoke(self._state.directory.user(user).username)

    def token_lifetime(self, seconds: int) -> None:
        """Lifetime of access tokens from now on."""
        self._state.change_settings(access_token_lifetime=seconds)

    def refresh_token_lifetime(self, seconds: int) -> None:
        """Lifetime of refresh tokens, also of those already issued (AADSTS700082 after it)."""
        self._state.change_settings(refresh_token_lifetime=seconds)

    def clock_offset(self, seconds: float) -> None:
        """Shift the server's clock against the machine's; negative is the past."""
        self._state.change_settings(clock_offset=seconds)

    def device_code(self, interval: int | None = None, expires_in: int | None = None) -> None:
        """Polling interval and lifetime of device codes from now on, in seconds."""
        if interval is not None:
            self._state.change_settings(device_interval=interval)
        if expires_in is not None:
            self._state.change_settings(device_expires_in=expires_in)

    def plain_openid(self, plain: bool = True) -> None:
        """Answer as an OpenID provider that is not Entra ID: without members that the RFCs leave optional."""
        self._state.change_settings(plain_openid=plain)

    # -- faults --------------------------------------------------------------------------------------------------

    def fail_next(
        self,
        path: str = ".*",
        count: int | None = 1,
        kind: str | None = None,
        status: int | None = None,
        body: str | bytes | None = None,
        headers: dict[str, str] | None = None,
        hang: float = 0.0,
        method: str | None = None,
    ) -> None:
        """Fail the next `count` requests (None: all) whose path and query match the regular expression `path`.

        `kind`: throttled, error, unavailable, html, malformed, drop, hang. `status`, `body` and `headers` override it;
        `hang` seconds pass first, `clear_faults` cuts them short. Kind "hang" answers as usual afterwards.
        """
        self._state.faults.add(_fault(kind, status, body, headers, hang), path, count, method=method)

    def fail_randomly(
        self,
        probability: float,
        seed: int = 0,
        path: str = ".*",
        kind: str | None = None,
        status: int | None = None,
        body: str | bytes | None = None,
        headers: dict[str, str] | None = None,
        hang: float = 0.0,
    ) -> None:
        """Fail that fraction (0 to 1) of matching requests until `clear_faults`, repeatable by `seed`."""
        if not 0 <= probability <= 1:
            raise ValueError("probability is between 0 and 1")
        self._state.faults.add(_fault(kind, status, body, headers, hang), path, None, probability, seed)

    def clear_faults(self) -> None:
        """No more faults. Requests that hang are answered at once, or fail as they were to."""
        self._state.faults.clear()

    def latency(self, ms: int) -> None:
        """Delay every request by that many milliseconds."""
        self._state.change_settings(latency_ms=ms)

    def page_size(self, size: int) -> None:
        """Rows per page of ARM lists."""
        if size < 1:
            raise ValueError("a page has at least one row")
        self._state.change_settings(page_size=size)

    # -- users, tenants, subscriptions, applications ------------------------------------------------------------

    def disable_user(self, user: str) -> None:
        """Disable an account (AADSTS50057)."""
        self._state.change_directory(lambda d: d.with_user(replace(d.user(user), disabled=True)))

    def enable_user(self, user: str) -> None:
        """Enable an account."""
        self._state.change_directory(lambda d: d.with_user(replace(d.user(user), disabled=False)))

    def demand_mfa(self, tenant: str, demanded: bool = True) -> None:
        """Demand multi-factor authentication in a tenant, or stop demanding it."""
        self._state.change_directory(lambda d: d.with_tenant(replace(d.tenant(tenant), demands_mfa=demanded)))

    def add_access(self, principal: str, tenant: str, subscription: str) -> None:
        """Let a user or application see a subscription with tokens of a tenant."""
        self._state.change_directory(
            lambda d: d.with_access([*d.access, self._access(principal, tenant, subscription)])
        )

    def remove_access(self, principal: str, tenant: str, subscription: str) -> None:
        """Take a subscription out of that view."""
        row = self._access(principal, tenant, subscription)
        self._state.change_directory(lambda d: d.with_access(a for a in d.access if a != row))

    def _access(self, principal: str, tenant: str, subscription: str) -> Access:
        directory = self._state.directory
        user = directory.find_user(principal)
        name = user.username if user else directory.application(principal).app_id
        return Access(name, directory.tenant(tenant).id, directory.subscription(subscription).id)

    def rename_subscription(self, subscription: str, name: str) -> None:
        """Give a subscription another name."""
        found = self._state.directory.subscription(subscription)
        self._state.change_directory(
            lambda d: replace(
                d,
                subscriptions=tuple(replace(s, name=name) if s.id == found.id else s for s in d.subscriptions),
            )
        )

    def leave_tenant(self, user: str, tenant: str) -> None:
        """Remove a guest from a tenant (AADSTS50020 afterwards)."""
        gone = self._state.directory.tenant(tenant).id
        if self._state.directory.user(user).home.tenant_id == gone:
            raise ValueError("a user cannot leave the home tenant")
        self._state.change_directory(
            lambda d: d.with_user(
                replace(
                    d.user(user),
                    memberships=tuple(m for m in d.user(user).memberships if m.tenant_id != gone),
                )
            )
        )

    def join_tenant(self, user: str, tenant: str) -> None:
        """Make a user a guest of a tenant."""
        found = self._state.directory.tenant(tenant)
        if self._state.directory.user(user).in_tenant(found.id) is None:
            guest = Membership(found.id, stable_guid("oid", user.partition("@")[0], found.id))
            self._state.change_directory(
                lambda d: d.with_user(replace(d.user(user), memberships=(*d.user(user).memberships, guest)))
            )

    def assign_identity(self, identity: str, assigned: bool = True) -> None:
        """Let the machine use a managed identity, or take it away from the machine."""
        self._state.change_directory(lambda d: d.with_application(replace(d.application(identity), assigned=assigned)))

    # -- looking and starting over -------------------------------------------------------------------------------

    def requests(self) -> list[LoggedRequest]:
        """The request log, oldest first, without secrets."""
        return self._state.log.rows()

    def count_requests(self, path: str = ".*", method: str | None = None) -> int:
        """How many logged requests match the regular expression `path`."""
        return sum(1 for r in self.requests() if re.search(path, r.path) and method in (None, r.method))

    def count_hanging(self) -> int:
        """How many requests hang, also those that no client waits for. They are in the log once they are answered."""
        return self._state.faults.hanging

    def clear_requests(self) -> None:
        """Empty the request log."""
        self._state.log.clear()

    def reset(self) -> None:
        """Default directory and settings, no sessions, no faults, empty log."""
        self._state.reset()


def call(admin: Admin, operation: str, arguments: dict[str, Any]) -> Any:
    """Run a public method by name with JSON arguments; the result as JSON. LookupError for an unknown name."""
    method = None if operation.startswith("_") else getattr(admin, operation, None)
    if method is None:
        raise LookupError(f"There is no operation '{operation}'.")
    result = method(**arguments)
    if isinstance(result, list):
        return [row.to_json() for row in result]
    return result
