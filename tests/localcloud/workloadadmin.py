"""The operator's hands for workloads: what applications sign in with, assertions, jobs of CI systems."""

from __future__ import annotations

from dataclasses import replace

from cryptography.x509 import load_pem_x509_certificates

from tests.localcloud.cijobs import (
    GITHUB_SUBJECT,
    PIPELINES_SUBJECT,
    SERVICE_CONNECTION,
    azure_pipelines_environment,
    github_environment,
)
from tests.localcloud.directory import FederatedCredential, TrustedSubject
from tests.localcloud.federation import AUDIENCE
from tests.localcloud.state import State


class WorkloadAdmin:
    """The part of `Admin` that is about applications. They are named by id or name; unknown ones raise KeyError."""

    def __init__(self, state: State) -> None:
        self._state = state

    def set_secret(self, app: str, secret: str) -> None:
        """Replace an application's secrets by one."""
        self._state.change_directory(lambda d: d.with_application(replace(d.application(app), secrets=(secret,))))

    def consent(self, app: str, user: str) -> None:
        """Let a user have consented to all that an application may request: a password sign-in cannot ask for it."""
        directory = self._state.directory
        username, app_id = directory.user(user).username, directory.application(app).app_id
        keys = {resource.key for resource in self._state.resources.values()}
        with self._state.lock:
            self._state.consents |= {(username, app_id, key) for key in keys}

    def withdraw_consent(self, app: str) -> None:
        """Withdraw what users have consented to for an application."""
        app_id = self._state.directory.application(app).app_id
        with self._state.lock:
            self._state.consents -= {one for one in self._state.consents if one[1] == app_id}

    def allow_public_flows(self, app: str, allowed: bool) -> None:
        """Switch "Allow public client flows" of an application: device codes and passwords."""
        self._state.change_directory(lambda d: d.with_application(replace(d.application(app), public_flows=allowed)))

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

    def assertion_tolerance(self, seconds: int) -> None:
        """How far the clocks of the assertion's issuer and of the token service may differ; 300 at the start."""
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
        age: float = 0.0,
        forged: bool = False,
    ) -> str:
        """A token of one of this cloud's issuers. Negative `lifetime` (seconds): it ended that long ago.

        In `starts_in` seconds it becomes valid; it is `age` seconds old. A forged one has a signature that doesn't fit.
        """
        usual = self._state.settings.assertion_lifetime
        left = usual if lifetime is None else lifetime
        now = self._state.now() + starts_in
        start = now - age if left > 0 else now + left - usual
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
