"""What commands find around them when they run: certificates, federated tokens, and the machine with its identities."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from tests.localcloud import LocalCloud
from tests.localcloud.certificatemaker import make_certificate
from tests.parity.cloudshell import CloudShellNetwork

_APPLICATION = "ci-app"
_SUBJECT_NAME = "ci.contoso.example"
_WORKLOAD = "system:serviceaccount:build:runner"
_HOUR = 3600.0
#: Of the encrypted key.
PASSPHRASE = "local-passphrase"

#: What is only known when the suite runs (see `Surroundings.fill`).
_RUNTIME_PLACE = re.compile(r"<(url|stack-url|assertion|assertion\.[a-z]+|file\.[\w.-]+|text\.[\w.-]+)>")


def is_known_at_runtime(place: str) -> bool:
    """Tell whether something in angle brackets is filled in when the suite runs."""
    return bool(_RUNTIME_PLACE.fullmatch(f"<{place}>"))


def changes_the_cloud(text: str) -> bool:
    """Tell whether a command line needs something that the cloud has to be told about first."""
    return any(match[1].partition(".")[0] in ("assertion", "file", "text") for match in _RUNTIME_PLACE.finditer(text))


#: The machines that a command can run on: what `LocalCloud` calls their environment.
MACHINES: Mapping[str, Callable[[LocalCloud], dict[str, str]]] = {
    "virtual machine": LocalCloud.imds_environment,
    "App Service": LocalCloud.app_service_environment,
    "Service Fabric": LocalCloud.service_fabric_environment,
    "Machine Learning": LocalCloud.machine_learning_environment,
    "Cloud Shell": LocalCloud.cloud_shell_environment,
    "machine without an identity service": lambda cloud: {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9"},
}


class Surroundings:
    """What the cases on one local cloud share. Safe to use from many threads.

    Certificates and tokens are made when a case first asks for them, once, so that both sides get the same.
    """

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        """folder: gets the certificate files."""
        self._cloud = cloud
        self._folder = folder
        self._making = threading.Lock()
        self._assertions: dict[str, str] = {}
        self._network: CloudShellNetwork | None = None

    def fill(self, text: str) -> str:
        """Fill in what was not known before.

        `<url>`, `<stack-url>`: the cloud's address, and Azure Stack's. `<file.NAME>`, `<text.NAME>`: path and content
        of a certificate file (see `_make_certificates`). `<assertion>`, `<assertion.KIND>`: a federated token.

        Raises:
            KeyError: there is no such file or kind.
        """
        return _RUNTIME_PLACE.sub(lambda match: self._value(match[1]), text)

    def _value(self, place: str) -> str:
        kind, _, name = place.partition(".")
        if kind in ("file", "text"):
            path = self._certificates() / name
            if not path.exists():
                raise KeyError(place)
            return str(path) if kind == "file" else path.read_text(encoding="ascii")
        if kind == "assertion":
            return self._assertion(name)
        return self._cloud.azure_stack.url if kind == "stack-url" else self._cloud.url

    @contextlib.contextmanager
    def environment(self, machine: str) -> Iterator[dict[str, str]]:
        """Yield the environment variables of a process on `machine`, a key of `MACHINES`; none for no name."""
        variables = MACHINES[machine](self._cloud) if machine else {}
        if machine != "Cloud Shell":
            yield variables
            return
        with self._making:
            if self._network is None:
                self._folder.mkdir(exist_ok=True)
                self._network = CloudShellNetwork(self._cloud.ca_bundle, self._folder / "cloud-shell-ca.pem")
        with self._network.around(variables) as behind_proxy:
            yield behind_proxy

    def _assertion(self, kind: str) -> str:
        admin = self._cloud.admin
        makers: dict[str, Callable[[], str]] = {
            "": lambda: admin.issue_assertion(_WORKLOAD, lifetime=_HOUR),
            "expired": lambda: admin.issue_assertion(_WORKLOAD, lifetime=-_HOUR),
            "stranger": lambda: admin.issue_assertion("system:serviceaccount:other:thing", lifetime=_HOUR),
            "audience": lambda: admin.issue_assertion(_WORKLOAD, audience="api://elsewhere", lifetime=_HOUR),
            "forged": lambda: admin.issue_assertion(_WORKLOAD, lifetime=_HOUR, forged=True),
        }
        with self._making:
            if not self._assertions:
                admin.add_federated_credential(_APPLICATION, "kubernetes", _WORKLOAD)
            if kind not in self._assertions:
                self._assertions[kind] = makers[kind]()
            return self._assertions[kind]

    def _certificates(self) -> Path:
        with self._making:
            folder = self._folder / "certificates"
            if not folder.exists():
                draft = self._folder / "draft-certificates"
                draft.mkdir(parents=True)
                for name, text in self._make_certificates().items():
                    (draft / name).write_text(text, encoding="ascii")
                draft.rename(folder)
            return folder

    def _make_certificates(self) -> dict[str, str]:
        """Return the certificate files, and tell the cloud about those that it accepts."""
        admin = self._cloud.admin
        ca = make_certificate("Contoso CA", ca=True)
        between = make_certificate("Contoso Issuing CA", ca, ca=True)
        own = make_certificate(_SUBJECT_NAME)
        issued, rolled = (make_certificate(_SUBJECT_NAME, issuer) for issuer in (between, between))
        unknown = make_certificate(_SUBJECT_NAME)
        expired = make_certificate(_SUBJECT_NAME, starts_in=timedelta(days=-3), ends_in=timedelta(days=-1))
        for accepted in (own, issued, expired):
            admin.add_certificate(_APPLICATION, accepted.pem)
        admin.trust_subject_name(_APPLICATION, _SUBJECT_NAME, ca.pem + between.pem)
        return {
            "own.pem": own.key_pem() + own.pem,
            "certificate-first.pem": own.pem + own.key_pem(),
            "commented.pem": f"Bag Attributes\n    friendlyName: ci\n{own.key_pem()}subject=CN = ci\n{own.pem}",
            # The issuers follow, as a certificate authority hands them out.
            "chain.pem": issued.key_pem() + issued.chain_pem,
            # Registered by its subject name and issuer only.
            "rolled.pem": rolled.key_pem() + rolled.chain_pem,
            "rolled-alone.pem": rolled.key_pem() + rolled.pem,
            "issuer-first.pem": issued.key_pem() + between.pem + issued.pem,
            "unknown.pem": unknown.key_pem() + unknown.pem,
            "mismatched.pem": unknown.key_pem() + own.pem,
            "expired.pem": expired.key_pem() + expired.pem,
            "encrypted.pem": own.key_pem(PASSPHRASE) + own.pem,
            "certificate-only.pem": own.pem,
            "key-only.pem": own.key_pem(),
            "text.pem": "nothing of the kind\n",
            "empty.pem": "",
        }
