"""Shared by the tests of jobs whose federated tokens expire before the job ends."""

from __future__ import annotations

import base64
import json
import re
import signal
from dataclasses import dataclass, field, replace

from tests.harness.az import Az, Result
from tests.harness.launchers import Process
from tests.harness.waiting import until
from tests.integration.workloads import POD
from tests.localcloud import GITHUB_SUBJECT, PIPELINES_SUBJECT, LocalCloud

WATCH = ("account", "renew", "--watch")
GITHUB = ("--federated-token-source", "github")


@dataclass(frozen=True)
class Job:
    """A job of a build system: one config directory, and a service that gives the job federated tokens."""

    az: Az
    cloud: LocalCloud
    started: list[Process] = field(default_factory=list)

    @property
    def stock(self) -> Az:
        """`az` without the extension, on the same files."""
        return replace(self.az, extension_dir=None)

    @property
    def fetched(self) -> int:
        """How many federated tokens this job has asked for."""
        service = str(self.az.env["ACTIONS_ID_TOKEN_REQUEST_URL"]).removeprefix(self.cloud.url).partition("?")[0]
        return self.cloud.admin.count_requests("^" + re.escape(service))

    @property
    def assertion(self) -> str:
        """The federated token that is stored for built-in commands. Fails where the file is torn."""
        (entry,) = json.loads((self.az.config_dir / "service_principal_entries.json").read_text(encoding="utf-8"))
        return str(entry["client_assertion"])

    def watch(self, *options: str) -> Process:
        """Start a watch, and return when its first round is on its way."""
        before = self.fetched
        process = self.az.start(*WATCH, *options)
        self.started.append(process)
        until(lambda: self.fetched > before or process.poll() is not None)
        assert process.poll() is None, self.az.result(process, *WATCH)
        return process

    def stop(self, process: Process, number: signal.Signals = signal.SIGTERM) -> Result:
        """End a watch, and return what it printed."""
        process.send_signal(number)
        return self.az.result(process, *WATCH)

    def clean_up(self) -> None:
        """End what a failed test has left running."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def assert_whole(self) -> None:
        """Fail if a file is torn, or if a process has left half a file behind."""
        for name in ("azureProfile.json", "msal_token_cache.json", "service_principal_entries.json"):
            json.loads((self.az.config_dir / name).read_text(encoding="utf-8"))
        assert not [path.name for path in self.az.config_dir.iterdir() if path.name.startswith(".")]


def end_of(assertion: str) -> int:
    """Return when a federated token expires, as POSIX time in seconds."""
    body = assertion.split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"])


def trust_workloads(cloud: LocalCloud) -> None:
    """Let ci-app sign in with federated tokens of every issuer, which the cloud accepts until the very second."""
    for issuer, subject in (
        ("kubernetes", POD),
        ("github", GITHUB_SUBJECT),
        ("azure-pipelines", PIPELINES_SUBJECT),
    ):
        cloud.admin.add_federated_credential("ci-app", issuer, subject)
    cloud.admin.assertion_tolerance(0)
