"""The operator's hands: every switch of the local cloud as a Python method; the HTTP endpoint calls the same ones."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from cryptography.x509 import load_pem_x509_certificates

from .cijobs import (
    GITHUB_SUBJECT,
    PIPELINES_SUBJECT,
    SERVICE_CONNECTION,
    azure_pipelines_environment,
    github_environment,
)
from .directory import Access, FederatedCredential, Membership, TrustedSubject, stable_guid
from .faults import HTML_BODY, MALFORMED_BODY, Fault
from .federation import AUDIENCE
from .requestlog import LoggedRequest
from .state import State

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
    kind: str | None, status: int | None, body: str | None, headers: dict[str, str] | None, hang: float
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


class Admin:
    """Operations on a running cloud. Unknown people, tenants and subscriptions raise KeyError, bad values ValueError.

    People are named by user name, tenants by GUID or domain, subscriptions by id or name, applications by id or name.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    # -- sessions and time ---------------------------------------------------------------------------------------

    def revoke(self, user: str) -> None:
        """End a person's sessions: refresh tokens (AADSTS50173), browsers, and access tokens of CP1 clients at ARM."""
        self._state.revoke(self._state.directory.person(user).username)

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

    # -- faults --------------------------------------------------------------------------------------------------

    def fail_next(
        self,
        path: str = ".*",
        count: int | None = 1,
        kind: str | None = None,
        status: int | None = None,
        body: str | None = None,
        headers: dict[str, str] | None = None,
        hang: float = 0.0,
        method: str | None = None,
    ) -> None:
        """Fail the next `count` requests (None: all) whose path and query match the regular expression `path`.

        `kind`: throttled, error, unavailable, html, malformed, drop, hang. `status`, `body` and `headers` override it;
        `hang` seconds pass first. Kind "hang" answers as usual afterwards.
        """
        self._state.faults.add(_fault(kind, status, body, headers, hang), path, count, method=method)

    def fail_randomly(
        self,
        probability: float,
        seed: int = 0,
        path: str = ".*",
        kind: str | None = None,
        status: int | None = None,
        body: str | None = None,
        headers: dict[str, str] | None = None,
        hang: float = 0.0,
    ) -> None:
        """Fail that fraction (0 to 1) of matching requests until `clear_faults`, repeatable by `seed`."""
        if not 0 <= probability <= 1:
            raise ValueError("probability is between 0 and 1")
        self._state.faults.add(_fault(kind, status, body, headers, hang), path, None, probability, seed)

    def clear_faults(self) -> None:
        """No more faults."""
        self._state.faults.clear()

    def latency(self, ms: int) -> None:
        """Delay every request by that many milliseconds."""
        self._state.change_settings(latency_ms=ms)

    def page_size(self, size: int) -> None:
        """Rows per page of ARM lists."""
        if size < 1:
            raise ValueError("a page has at least one row")
        self._state.change_settings(page_size=size)

    # -- people, tenants, subscriptions, applications ------------------------------------------------------------

    def disable_user(self, user: str) -> None:
        """Disable an account (AADSTS50057)."""
        self._state.change_directory(lambda d: d.with_person(replace(d.person(user), disabled=True)))

    def enable_user(self, user: str) -> None:
        """Enable an account."""
        self._state.change_directory(lambda d: d.with_person(replace(d.person(user), disabled=False)))

    def demand_mfa(self, tenant: str, demanded: bool = True) -> None:
        """Demand multi-factor authentication in a tenant, or stop demanding it."""
        self._state.change_directory(lambda d: d.with_tenant(replace(d.tenant(tenant), demands_mfa=demanded)))

    def add_access(self, principal: str, tenant: str, subscription: str) -> None:
        """Let a person or application see a subscription with tokens of a tenant."""
        self._state.change_directory(
            lambda d: d.with_access([*d.access, self._access(principal, tenant, subscription)])
        )

    def remove_access(self, principal: str, tenant: str, subscription: str) -> None:
        """Take a subscription out of that view."""
        row = self._access(principal, tenant, subscription)
        self._state.change_directory(lambda d: d.with_access(a for a in d.access if a != row))

    def _access(self, principal: str, tenant: str, subscription: str) -> Access:
        directory = self._state.directory
        person = directory.find_person(principal)
        name = person.username if person else directory.application(principal).app_id
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
        if self._state.directory.person(user).home.tenant_id == gone:
            raise ValueError("nobody leaves the home tenant")
        self._state.change_directory(
            lambda d: d.with_person(
                replace(
                    d.person(user),
                    memberships=tuple(m for m in d.person(user).memberships if m.tenant_id != gone),
                )
            )
        )

    def join_tenant(self, user: str, tenant: str) -> None:
        """Make a person a guest of a tenant."""
        found = self._state.directory.tenant(tenant)
        if self._state.directory.person(user).in_tenant(found.id) is None:
            guest = Membership(found.id, stable_guid("oid", user.partition("@")[0], found.id))
            self._state.change_directory(
                lambda d: d.with_person(replace(d.person(user), memberships=(*d.person(user).memberships, guest)))
            )

    def assign_identity(self, identity: str, assigned: bool = True) -> None:
        """Let the machine use a managed identity, or take it away from the machine."""
        self._state.change_directory(lambda d: d.with_application(replace(d.application(identity), assigned=assigned)))

    def set_secret(self, app: str, secret: str) -> None:
        """Replace an application's secrets by one."""
        self._state.change_directory(lambda d: d.with_application(replace(d.application(app), secrets=(secret,))))

    def add_certificate(self, app: str, pem: str) -> None:
        """Register a certificate (PEM text) that may sign the application's assertions."""
        self._state.change_directory(
            lambda d: d.with_application(
                replace(d.application(app), certificates=(*d.application(app).certificates, pem))
            )
        )

    def trust_subject_name(self, app: str, subject: str, issuer_ca_pem: str) -> None:
        """Trust every certificate whose subject common name is `subject` and whose chain leads to that CA (SN+I).

        Certificates after the CA's in the text are intermediates that clients need not send.
        """
        load_pem_x509_certificates(issuer_ca_pem.encode())  # ValueError at once, not at the next sign-in
        made = TrustedSubject(subject, issuer_ca_pem)
        self._state.change_directory(
            lambda d: d.with_application(
                replace(d.application(app), subject_names=(*d.application(app).subject_names, made))
            )
        )

    def add_federated_credential(
        self, app: str, issuer: str, subject: str, jwks: str | None = None, audience: str = AUDIENCE
    ) -> None:
        """Trust tokens of `issuer` (an address, or the name of one of this cloud's issuers) for `subject`.

        `jwks` is the JSON text of its public keys; without it they are fetched through its discovery document, which
        works for this cloud's own issuers only.
        """
        made = FederatedCredential(self._state.issuers.url(issuer), subject, audience, jwks)
        self._state.change_directory(
            lambda d: d.with_application(replace(d.application(app), federated=(*d.application(app).federated, made)))
        )

    # -- assertions ----------------------------------------------------------------------------------------------

    def assertion_tolerance(self, seconds: int) -> None:
        """How far the clocks of whoever made an assertion and of the token service may differ; 300 at the start."""
        self._state.change_settings(assertion_tolerance=seconds)

    def assertion_lifetime(self, seconds: int) -> None:
        """Lifetime of the tokens that this cloud's workload issuers make from now on; 300 at the start."""
        self._state.change_settings(assertion_lifetime=seconds)

    def issue_assertion(
        self,
        subject: str,
        audience: str | list[str] = AUDIENCE,
        lifetime: float | None = None,
        issuer: str = "kubernetes",
        starts_in: float = 0.0,
        forged: bool = False,
    ) -> str:
        """A token of one of this cloud's issuers. Negative `lifetime` (seconds): it ended that long ago.

        `starts_in` seconds it becomes valid. A forged one has a signature that doesn't fit.
        """
        usual = self._state.settings.assertion_lifetime
        left = usual if lifetime is None else lifetime
        now = self._state.now() + starts_in
        start = now if left > 0 else now + left - usual
        return self._state.issuers.issue(issuer, subject, audience, start, now + left, forged)

    def github_environment(self, subject: str = GITHUB_SUBJECT) -> dict[str, str]:
        """Start a GitHub Actions job; the environment variables that its steps get an assertion with."""
        return github_environment(self._state.ci_jobs.start("github", {"": subject}), self._state.issuers.base_url)

    def azure_pipelines_environment(
        self, subject: str = PIPELINES_SUBJECT, service_connection_id: str = SERVICE_CONNECTION
    ) -> dict[str, str]:
        """Start an Azure Pipelines job that uses a service connection; the environment variables of its steps."""
        subjects = {"": "p://contoso/app/deploy", service_connection_id.lower(): subject}
        return azure_pipelines_environment(
            self._state.ci_jobs.start("azure-pipelines", subjects), self._state.issuers.base_url
        )

    def rotate_issuer_key(self, issuer: str) -> None:
        """Give one of this cloud's issuers another key; tokens signed with the old one are refused (AADSTS7000272)."""
        self._state.issuers.url(issuer)
        self._state.issuers.rotate(issuer)

    # -- looking and starting over -------------------------------------------------------------------------------

    def requests(self) -> list[LoggedRequest]:
        """The request log, oldest first, without secrets."""
        return self._state.log.rows()

    def count_requests(self, path: str = ".*", method: str | None = None) -> int:
        """How many logged requests match the regular expression `path`."""
        return sum(1 for r in self.requests() if re.search(path, r.path) and method in (None, r.method))

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
