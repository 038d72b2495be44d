"""Secrets that reach `az login` in any way but plainly on its command line are nowhere but in the credential store."""

from __future__ import annotations

import base64
import fcntl
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote, urlencode

import pexpect
import pytest

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.integration import secret_routes
from tests.integration.canaries import CommandLines, files_in, new_canary, sightings, signature_of, stored_tokens
from tests.integration.refused_secrets import REFUSED, wrong_secret
from tests.integration.secret_routes import ENTRIES, FOLLOWED, ROUTES, Attempt, Canaries, Route
from tests.integration.workloads import SERVICE_PRINCIPAL
from tests.localcloud import LocalCloud
from tests.localcloud.certificatemaker import MadeCertificate, make_certificate

TOKENS = "msal_token_cache.json"
ON_THE_COMMAND_LINE = "The password is on the command line"
GRAPH = "https://graph.microsoft.com/.default"


@pytest.fixture(scope="module")
def certificate() -> MadeCertificate:
    """A certificate of ci-app."""
    return make_certificate("ci-app")


@pytest.fixture(scope="module")
def canary_cloud(certificate: MadeCertificate) -> Iterator[LocalCloud]:
    """A cloud for this module, whose secrets change."""
    with LocalCloud() as cloud:
        cloud.admin.add_certificate("ci-app", certificate.pem)
        for issuer in ("kubernetes", "github", "azure-pipelines"):
            cloud.admin.add_federated_credential("ci-app", issuer, secret_routes.SUBJECT)
        yield cloud


@pytest.fixture
def canaries(tmp_path: Path, canary_cloud: LocalCloud, certificate: MadeCertificate) -> Canaries:
    """What a route needs. Files with secrets are outside of everything that is searched."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return Canaries(folder, canary_cloud, certificate)


@pytest.fixture
def loud_az(make_az: Callable[..., Az], canary_cloud: LocalCloud) -> Az:
    """`az` that logs whatever it can to a file."""
    return loud(make_az(cloud=canary_cloud))


def loud(az: Az) -> Az:
    """Return the same `az`, with the host's log file, and with temporary files in the config directory."""
    temporary = az.config_dir / "temporary"
    temporary.mkdir()
    # The executable, whose command line everybody can see.
    return az.real().with_env(AZURE_LOGGING_ENABLE_LOG_FILE="yes", TMPDIR=temporary)


class Witness:
    """Runs `az --debug` and collects what it prints, and the command lines of all processes meanwhile."""

    def __init__(self, az: Az) -> None:
        self.az = az
        self.said: dict[str, bytes] = {}

    def run(self, attempt: Attempt, *, exit_code: int = 0) -> str:
        """Run a command; return all that it printed."""
        words = (*attempt.words, "--debug")
        with CommandLines() as lines:
            if attempt.typed is None:
                result = self.az.run(*words, input=attempt.input, env=attempt.env)
                said, code = result.stdout + result.stderr, result.exit_code
            else:
                said, code = self._on_a_terminal(words, attempt)
        assert code == exit_code, said
        # Otherwise the process list was not looked at while the command ran.
        assert any(" ".join(words) in line for line in lines.seen)
        self.said[f"<output {len(self.said)}>"] = said.encode("utf-8")
        self.said[f"<processes {len(self.said)}>"] = lines.as_place()
        return said

    def _on_a_terminal(self, words: tuple[str, ...], attempt: Attempt) -> tuple[str, int]:
        terminal = self.az.pty(*words, env=attempt.env)
        terminal.expect("(Password|Passphrase of the certificate): ")
        before = terminal.before or ""
        terminal.waitnoecho()
        terminal.sendline(attempt.typed or "")
        terminal.expect(pexpect.EOF)
        terminal.close()
        return before + (terminal.before or ""), terminal.exitstatus or 0

    def whereabouts(self, secret: str) -> set[str]:
        """Return where a secret is: files of the config directory, the output, and the process list."""
        return sightings(secret, {**files_in(self.az.config_dir), **self.said})

    def whereabouts_of_tokens(self) -> set[str]:
        """Return where the tokens are that are stored."""
        found = stored_tokens(self.az.config_dir)
        return set().union(*(self.whereabouts(signature_of(token)) for token in found))


def assert_in_the_store_alone(witness: Witness, attempt: Attempt) -> None:
    """Assert that each canary is in the file that it may be in, and in no other place."""
    for canary, place in attempt.canaries.items():
        found = witness.whereabouts(canary)
        if place:
            assert found, f"{place} does not have it, so this search finds nothing"
        assert all(fnmatch(name, place) for name in found), found
    assert witness.whereabouts_of_tokens() == {TOKENS}


@pytest.mark.parametrize(
    "disguise",
    [
        str.encode,
        lambda secret: secret[7:-9].encode(),
        lambda secret: json.dumps({"a": f"b{secret}"}).encode(),
        lambda secret: repr([secret]).encode(),
        lambda secret: urlencode({"a": secret, "b": "c"}).encode(),
        lambda secret: quote(f"/a/{secret}").encode(),
        lambda secret: base64.b64encode(f"user:{secret}".encode()),
        lambda secret: base64.b64encode(f"name:{secret}.".encode()),
        lambda secret: base64.urlsafe_b64encode(f"another:{secret}".encode()),
        lambda secret: secret.encode().hex().encode(),
        lambda secret: secret.encode("utf-16"),
        lambda secret: pickle.dumps({"a": secret}),
    ],
)
def test_the_search_finds_a_secret_in_any_disguise(disguise: Callable[[str], bytes]) -> None:
    canary, other = new_canary(), new_canary()
    places = {"one": b"... " + disguise(canary) + b" ...", "two": b"... " + disguise(other) + b" ..."}
    assert sightings(canary, places) == {"one"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)
def test_a_sign_in_leaves_its_secret_in_the_credential_store_alone(
    loud_az: Az, canaries: Canaries, route: Route
) -> None:
    attempt = route(canaries)
    witness = Witness(loud_az)
    said = witness.run(attempt)
    assert ON_THE_COMMAND_LINE not in said
    assert_in_the_store_alone(witness, attempt)


@pytest.mark.parametrize("route", FOLLOWED, ids=lambda route: route.__name__)
def test_later_commands_leave_secrets_where_they_are_and_signing_out_removes_them(
    loud_az: Az, canaries: Canaries, route: Route
) -> None:
    attempt = route(canaries)
    witness = Witness(loud_az)
    witness.run(attempt)
    first = _stored_assertion(loud_az)
    later = {**attempt.env, "AZURE_CORE_OUTPUT": "none"}
    witness.run(Attempt(("account", "get-access-token", "--scope", GRAPH), {}, env=later))
    witness.run(Attempt(("account", "renew"), {}, env=later))
    assert_in_the_store_alone(witness, attempt)
    latest = _stored_assertion(loud_az)
    if latest:
        assert witness.whereabouts(signature_of(latest)) == {ENTRIES}

    tokens = {token for token in (*stored_tokens(loud_az.config_dir), first, latest) if token}
    witness.run(Attempt(("logout",), {}))
    for canary in (*attempt.canaries, *map(signature_of, tokens)):
        assert witness.whereabouts(canary) == set()


def test_an_isolated_run_leaves_secrets_where_they_are(loud_az: Az, canaries: Canaries) -> None:
    attempt = secret_routes.secret_from_standard_input(canaries)
    witness = Witness(loud_az)
    witness.run(attempt)
    loud_az.run("account", "context", "create", "--name", "ci").ok()
    token = ("az", "account", "get-access-token", "--scope", GRAPH, "--output", "none")
    run = ("account", "context", "run", "--isolated", "--from", "ci", "--", *token)
    witness.run(Attempt(run, {}, env={"PATH": f"{loud_az.host.bin}:/usr/bin:/bin"}))
    assert_in_the_store_alone(witness, attempt)


def _stored_assertion(az: Az) -> str | None:
    path = az.config_dir / ENTRIES
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return next((entry["client_assertion"] for entry in entries if "client_assertion" in entry), None)


@pytest.mark.parametrize("route", REFUSED, ids=lambda route: route.__name__)
def test_a_sign_in_that_fails_leaves_its_secret_nowhere(loud_az: Az, canaries: Canaries, route: Route) -> None:
    attempt = route(canaries)
    witness = Witness(loud_az)
    witness.run(attempt, exit_code=1)
    assert {canary[:4]: witness.whereabouts(canary) for canary in attempt.canaries} == {
        canary[:4]: set() for canary in attempt.canaries
    }


def test_a_command_line_that_cannot_be_parsed_leaves_its_secret_nowhere(loud_az: Az) -> None:
    secret = new_canary("--")
    witness = Witness(loud_az)
    witness.run(Attempt((*SERVICE_PRINCIPAL, "-p", "@-", "--no-such-option"), {secret: ""}, input=secret), exit_code=2)
    assert witness.whereabouts(secret) == set()


def test_what_the_host_reports_of_its_use_has_the_option_and_no_secret(loud_az: Az, canaries: Canaries) -> None:
    # A process that holds this file keeps the host from sending its report.
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    note = loud_az.config_dir / "telemetry.txt"
    with note.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        witness = Witness(loud_az.with_env(AZURE_CORE_COLLECT_TELEMETRY="yes"))
        good, bad = secret_routes.secret_like_an_option_in_an_argument_of_its_own(canaries), wrong_secret(canaries)
        witness.run(good)
        witness.run(bad, exit_code=1)
        report = (loud_az.config_dir / "telemetry" / "cache").read_text(encoding="utf-8")
        assert report.count("--service-principal,-u,--tenant,--password,--debug") == 2
        assert_in_the_store_alone(witness, good)
        assert [witness.whereabouts(canary) for canary in bad.canaries] == [set()]


def test_the_first_command_in_a_new_config_directory_leaves_its_secret_in_the_store_alone(
    make_az: Callable[..., Az], canaries: Canaries, canary_cloud: LocalCloud
) -> None:
    attempt = secret_routes.secret_like_an_option_in_an_argument_of_its_own(canaries)
    witness = Witness(loud(make_az(warm=False, cloud=canary_cloud)))
    witness.run(attempt)
    assert_in_the_store_alone(witness, attempt)


@pytest.mark.oldest
def test_the_oldest_host_leaves_a_secret_like_an_option_in_the_store_alone(
    make_az: Callable[..., Az], oldest: Host, canaries: Canaries, canary_cloud: LocalCloud
) -> None:
    attempt = secret_routes.secret_like_an_option_in_an_argument_of_its_own(canaries)
    witness = Witness(loud(make_az(host=oldest, cloud=canary_cloud)))
    witness.run(attempt)
    assert_in_the_store_alone(witness, attempt)
