"""What fails in a hook: a built-in command that succeeds without the extension succeeds with it, with one warning."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.restricted import with_small_files, without_privileges
from tests.harness.stage import CloudStage
from tests.harness.waiting import until
from tests.integration.jobs import GITHUB, Job, trust_workloads
from tests.integration.workloads import (
    SERVICE_PRINCIPAL,
    end_access_tokens,
    entries,
    kept,
    stock,
    traces,
    write_entries,
)
from tests.localcloud import CI_APP, GITHUB_SUBJECT, LocalCloud

if sys.platform == "win32":
    pytest.skip("locks of POSIX systems", allow_module_level=True)

_GROUPS = ("group", "list", "--query", "[].name")
_URL, _TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_REFUSED = json.dumps({"error": "invalid_client", "error_codes": [700024], "error_description": "AADSTS700024: No."})

Cause = Callable[[Job], AbstractContextManager[dict[str, str | None]]]


@dataclass(frozen=True)
class Fault:
    """What goes wrong. `cause` yields environment variables of the command."""

    name: str
    cause: Cause
    warning: str | None
    """A part of the one warning; None if the command succeeds without one."""
    seconds: float = field(default=15.0, kw_only=True)
    """The longest time that the command may take."""


def _service(job: Job) -> str:
    return "^" + str(job.az.env[_URL]).removeprefix(job.cloud.url).partition("?")[0]


def _fetch(name: str, warning: str | None, *, seconds: float = 15.0, **answer: Any) -> Fault:
    """The service of federated tokens answers in this way."""

    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        job.cloud.admin.fail_next(_service(job), count=None, **answer)
        yield {}

    return Fault(f"fetch: {name}", cause, warning, seconds=seconds)


def _fetched(name: str, warning: str, issue: Callable[[LocalCloud], str]) -> Fault:
    """The service of federated tokens returns this one."""

    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        job.cloud.admin.fail_next(_service(job), count=None, status=200, body=json.dumps({"value": issue(job.cloud)}))
        yield {}

    return Fault(f"fetch: {name}", cause, warning)


def _environment(name: str, warning: str, **values: str | None) -> Fault:
    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        yield values

    return Fault(f"environment: {name}", cause, warning)


def _sign_in(name: str, warning: str | None, **answer: Any) -> Fault:
    """The sign-in service answers our request in this way, and the next one as usual."""

    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        job.cloud.admin.fail_next("/token$", **answer)
        yield {}

    return Fault(f"sign-in service: {name}", cause, warning)


def _held(name: str, warning: str | None) -> Fault:
    """Another process holds the lock of this name for as long as the command runs."""

    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        import fcntl

        with ExitStack() as stack:
            names = [name]
            if "*" in name:
                # The names of the locks follow from the requests.
                assert job.az.run(*_GROUPS).ok()
                _prepare(job)
                names = [str(path.relative_to(job.az.config_dir)) for path in job.az.config_dir.glob(name)]
                assert names
            for one in names:
                stream = stack.enter_context((job.az.config_dir / one).open("w", encoding="ascii"))
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield {}

    return Fault(f"lock held: {name}", cause, warning, seconds=40.0)


def _file(name: str, change: Callable[[Path], object], warning: str | None = None) -> Fault:
    """A file of the config directory is damaged."""

    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        change(job.az.config_dir)
        yield {}

    return Fault(f"file: {name}", cause, warning)


def _records(name: str, content: bytes) -> Fault:
    """What other processes have recorded of their requests is damaged."""

    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        assert job.az.run(*_GROUPS).ok()
        _prepare(job)
        locks = list((job.az.config_dir / "login_requests").glob("*.lock"))
        assert locks
        for lock in locks:
            lock.with_suffix(".json").write_bytes(content)
        yield {}

    return Fault(f"records of requests: {name}", cause, None)


def _source_file(name: str, warning: str, replace: Callable[[Path], object]) -> Fault:
    """The federated tokens come from a file, in whose place there is this."""

    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        (entry,) = entries(job.az)
        path = job.az.config_dir / "home" / "federated-token"
        path.parent.mkdir(exist_ok=True)
        replace(path)
        own = {**entry["azextLogin"], "assertionSource": {"type": "file", "path": str(path)}}
        write_entries(job.az, [{**entry, "azextLogin": own}])
        yield {}

    return Fault(f"file of federated tokens: {name}", cause, warning)


def _write_sparse(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)


def _entry(name: str, **change: Any) -> Fault:
    """The entry of the service principal has something odd, and a federated token that is valid."""

    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        (entry,) = entries(job.az)
        write_entries(job.az, [{**entry, **change}])
        yield {}

    return Fault(f"entry: {name}", cause, None)


def _together(*faults: Fault) -> Fault:
    """Several faults at once; the first one has the warning."""

    @contextmanager
    def cause(job: Job) -> Iterator[dict[str, str | None]]:
        with ExitStack() as stack:
            causes = [stack.enter_context(fault.cause(job)) for fault in faults]
            yield {name: value for values in causes for name, value in values.items()}

    return Fault(" and ".join(fault.name for fault in faults), cause, faults[0].warning)


def _directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _token(subject: str = GITHUB_SUBJECT, **options: Any) -> Callable[[LocalCloud], str]:
    return lambda cloud: cloud.admin.issue_assertion(subject, issuer="github", **options)


_STORED = "The stored federated token is used"
FAULTS = [
    _fetch("500", _STORED, status=500, body="no"),
    _fetch("503 for an hour", _STORED, status=503, body="no", headers={"Retry-After": "3600"}),
    _fetch("429", _STORED, kind="throttled"),
    _fetch("400", _STORED, status=400, body="{}"),
    _fetch("401", _STORED, status=401, body="{}"),
    _fetch("403", _STORED, status=403, body='{"message": "no"}'),
    _fetch("404", _STORED, status=404, body=""),
    _fetch("redirect", _STORED, status=302, body="", headers={"Location": "https://elsewhere.invalid/"}),
    _fetch("HTML", _STORED, kind="html"),
    _fetch("half of JSON", _STORED, kind="malformed"),
    _fetch("nothing", _STORED, status=200, body=""),
    _fetch("no value", _STORED, status=200, body="{}"),
    _fetch("a list", _STORED, status=200, body="[]"),
    _fetch("a number", _STORED, status=200, body='{"value": 5}'),
    _fetch("an empty value", _STORED, status=200, body='{"value": ""}'),
    _fetch("no token", _STORED, status=200, body='{"value": "no token"}'),
    _fetch("too much", _STORED, status=200, body='{"value": "' + "x" * 5_000_000 + '"}'),
    _fetch("deep JSON", _STORED, status=200, body="[" * 100_000),
    _fetch("no text", _STORED, status=200, body=b'{"value": "\xff\xfe"}'),
    _fetch("no answer", _STORED, kind="drop"),
    _fetch("a late answer", _STORED, kind="hang", hang=30.0),
    _fetched("an expired token", _STORED, _token(lifetime=-600)),
    _fetched("another subject", "names another issuer", _token("a subject that is not trusted")),
    _fetched("a forged token", "could not be renewed", _token(forged=True)),
    _fetched("another audience", "names another issuer", _token(audience="api://elsewhere")),
    _environment("no address", _STORED, **{_URL: None}),
    _environment("no token", _STORED, **{_TOKEN: None}),
    _environment("no URL", _STORED, **{_URL: "nowhere"}),
    _environment("a closed port", _STORED, **{_URL: "http://127.0.0.1:9/token?api-version=2.0"}),
    _environment("an unknown host", _STORED, **{_URL: "https://nowhere.invalid/token?api-version=2.0"}),
    _sign_in("500", "could not be renewed", status=500, body="no"),
    _sign_in("no answer", "could not be renewed", kind="drop"),
    _sign_in("an empty object", "could not be renewed", status=200, body="{}"),
    _sign_in("a token that is a number", "could not be renewed", status=200, body='{"access_token": 5}'),
    _sign_in("HTML", "could not be renewed", kind="html"),
    _sign_in("a list", "could not be renewed", status=200, body="[]"),
    _sign_in("a redirect", "could not be renewed", status=302, body="", headers={"Location": "https://no.invalid/"}),
    _sign_in("a redirect of the request", "renewed", status=307, body="", headers={"Location": "https://no.invalid/"}),
    _sign_in("too much", "could not be renewed", status=200, body='{"access_token": "' + "x" * 20_000_000 + '"}'),
    _sign_in("deep JSON", "could not be renewed", status=200, body="[" * 200_000),
    _sign_in("a refusal", "could not be renewed", status=401, body=_REFUSED),
    _held("login_service_principal_entries.lock", "not stored"),
    _held("login_msal_token_cache.lock", "not stored"),
    _held("login_requests/*.lock", None),
    _records("half of JSON", b"{"),
    _records("deep JSON", b"[" * 200_000),
    _records("an infinite time", b'{"at": 1e999, "kind": [], "message": {}}'),
    _source_file("a pipe", "not a regular file", os.mkfifo),
    _source_file("a directory", "is a directory", Path.mkdir),
    _source_file("1 GB", "is larger than 256 KB", lambda path: _write_sparse(path, 1 << 30)),
    _source_file("a link without an end", "could not be read", lambda path: path.symlink_to(path)),
    _source_file("a device", "not a regular file", lambda path: path.symlink_to("/dev/zero")),
    _source_file("missing", "there is no such file", lambda path: None),
    _source_file("no token", "does not hold a federated token", lambda path: path.write_text("no token")),
    _file("login_requests is a file", lambda folder: (folder / "login_requests").write_text("")),
    _file(
        "the lock of the entries is a directory",
        lambda folder: _directory(folder / "login_service_principal_entries.lock"),
        "not stored",
    ),
    _file(
        "the lock of the tokens is a directory",
        lambda folder: _directory(folder / "login_msal_token_cache.lock"),
        "not stored",
    ),
    _together(
        _environment("no address", _STORED, **{_URL: None}),
        _file(
            "the lock of the tokens is a directory", lambda folder: _directory(folder / "login_msal_token_cache.lock")
        ),
        _sign_in("a refusal", "could not be renewed", status=401, body=_REFUSED),
    ),
    _file("MSAL's answers are damaged", lambda folder: (folder / "msal_http_cache.bin").write_bytes(b"no pickle")),
    _file("the last good copy is damaged", lambda folder: (folder / "login_last_good.json").write_text("{")),
    _entry("our part is a list", azextLogin=[]),
    _entry("our part is a text", azextLogin="x"),
    _entry("a source of a later release", azextLogin={"assertionSource": {"type": "later"}}),
    _entry("a source that is a number", azextLogin={"assertionSource": 5}),
]


def _prepare(job: Job) -> None:
    """Let all access tokens expire, and the federated token be valid for half a minute, so that it is due."""
    end_access_tokens(job.az)
    (entry,) = entries(job.az)
    due = job.cloud.admin.issue_assertion(GITHUB_SUBJECT, issuer="github", lifetime=30, age=270)
    write_entries(job.az, [{**entry, "client_assertion": due}])


@pytest.fixture(scope="module")
def fault_cloud() -> Iterator[LocalCloud]:
    """A cloud in which one fault at a time happens."""
    with LocalCloud() as cloud:
        trust_workloads(cloud)
        yield cloud


@pytest.fixture(scope="module")
def _signed_in_job(
    cloud_stage: CloudStage, newest: Host, fault_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("faults") / "azure", cloud=fault_cloud)
    az.run(*SERVICE_PRINCIPAL, *GITHUB, env=fault_cloud.github_environment()).ok()
    return az.config_dir


@pytest.fixture
def due_job(make_az: Callable[..., Az], fault_cloud: LocalCloud, _signed_in_job: Path) -> Iterator[Job]:
    """A job whose access tokens have expired, and whose federated token is due, but still valid."""
    az = make_az(cloud=fault_cloud)
    shutil.copytree(_signed_in_job, az.config_dir, dirs_exist_ok=True)
    job = Job(az.with_env(**fault_cloud.github_environment()), fault_cloud)
    _prepare(job)
    yield job
    fault_cloud.admin.clear_faults()
    job.clean_up()


def test_without_a_fault_the_command_renews_in_silence(due_job: Job) -> None:
    before = due_job.assertion
    result = due_job.az.run(*_GROUPS).ok()
    assert (result.json(), result.stderr) == (["app", "network"], "")
    assert (due_job.fetched, due_job.assertion != before) == (1, True)


def _stored(az: Az) -> dict[str, bytes]:
    """Return what is stored. A lock has the process ID of its last holder."""
    return {name: content for name, content in kept(az).items() if not name.endswith(".lock")}


def test_a_disk_without_room_for_new_tokens_costs_one_warning(due_job: Job) -> None:
    before = _stored(due_job.az)
    result = with_small_files(due_job.az, 1).run(*_GROUPS).ok()
    assert result.json() == ["app", "network"]
    assert result.stderr.count("WARNING: ") == 1
    assert "not stored" in result.stderr
    assert _stored(due_job.az) == before
    assert due_job.az.run(*_GROUPS).ok().stderr == ""


def test_a_directory_that_is_not_writable_costs_one_warning(due_job: Job) -> None:
    folder = due_job.az.config_dir
    before = _stored(due_job.az)
    for name in ("commands", "logs", "telemetry"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(0o777)
    folder.chmod(0o500)
    try:
        result = without_privileges(due_job.az).run(*_GROUPS)
    finally:
        folder.chmod(0o700)
    assert result.ok().json() == ["app", "network"]
    assert result.stderr.count("WARNING: ") == 1
    assert _stored(due_job.az) == before
    assert due_job.az.run(*_GROUPS).ok().stderr == ""


@pytest.mark.parametrize("hours", [-24 * 365, -24, -1, 1, 24])
def test_a_clock_that_is_wrong_changes_no_result_and_loses_nothing(due_job: Job, tmp_path: Path, hours: int) -> None:
    """Stock fails in all of these cases, or succeeds: then we succeed too."""
    (tmp_path / "sitecustomize.py").write_text(_SHIFTED.format(seconds=hours * 3600), encoding="utf-8")
    wrong = {"PYTHONPATH": str(tmp_path)}
    built_in = due_job.stock.run(*_GROUPS, env=wrong)
    _prepare(due_job)
    result = due_job.az.run(*_GROUPS, env=wrong)
    if built_in.exit_code == 0:
        result.ok()
    if result.exit_code == 0:
        assert result.json() == ["app", "network"]
    assert result.stderr.count("WARNING: ") <= 1
    assert due_job.az.run(*_GROUPS).ok().json() == ["app", "network"]


# Imported by Python when it starts.
_SHIFTED = """
import time
now = time.time
time.time = lambda: now() + {seconds}
"""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_does_not_change_what_the_command_returns(due_job: Job, fault: Fault) -> None:
    with fault.cause(due_job) as env:
        result = due_job.az.run(*_GROUPS, env=env).ok()
    assert result.json() == ["app", "network"]
    assert result.stderr.count("WARNING: ") == (fault.warning is not None), result
    assert (fault.warning or "") in result.stderr
    assert "ERROR" not in result.stderr
    assert result.seconds < fault.seconds
    due_job.assert_whole()
    # The federated token that was valid before is not lost.
    end_access_tokens(due_job.az)
    due_job.cloud.admin.clear_faults()
    assert stock(due_job.az).run(*_GROUPS).ok().json() == ["app", "network"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("asked", ["the service of federated tokens", "the sign-in service"])
def test_a_signal_during_our_request_ends_the_command_as_without_us(
    due_job: Job, asked: str, number: signal.Signals
) -> None:
    admin, ended = due_job.cloud.admin, []
    for az, path in (
        (due_job.az, _service(due_job) if "federated" in asked else "/token$"),
        (due_job.stock, "/token$"),
    ):
        admin.fail_next(path, kind="hang", hang=30.0)
        process = az.start(*_GROUPS)
        due_job.started.append(process)
        until(lambda: admin.count_hanging() > 0)
        process.send_signal(number)
        result = az.result(process, *_GROUPS)
        ended.append((result.exit_code, result.stdout, result.stderr))
        admin.clear_faults()
    assert ended[0] == ended[1]
    assert ended[0][0] != 0
    due_job.assert_whole()
    assert due_job.az.run(*_GROUPS).ok().stderr == ""


@pytest.mark.parametrize("command", [("logout",), ("account", "clear")])
@pytest.mark.parametrize("asked", ["the service of federated tokens", "the sign-in service"])
def test_a_sign_out_during_our_request_leaves_nothing_on_the_disk(
    due_job: Job, asked: str, command: tuple[str, ...]
) -> None:
    admin = due_job.cloud.admin
    admin.fail_next(_service(due_job) if "federated" in asked else "/token$", kind="hang", hang=3.0)
    process = due_job.az.start(*_GROUPS)
    due_job.started.append(process)
    until(lambda: admin.count_hanging() > 0)
    due_job.az.run(*command).ok()
    assert admin.count_hanging() > 0
    assert due_job.az.result(process, *_GROUPS).ok().stderr == ""
    assert traces(due_job.az, CI_APP) == []


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_for_federated_tokens_too(
    due_job: Job, tmp_path: Path, number: signal.Signals
) -> None:
    started = tmp_path / "started"
    program = f"import os, time; os.symlink(str(os.getpid()), '{started}'); time.sleep(60)"
    command_line = shlex.join([sys.executable, "-c", program])
    (entry,) = entries(due_job.az)
    host_form = {"client_assertion": "callback", "client_assertion_callback": command_line}
    write_entries(due_job.az, [{**{key: entry[key] for key in ("client_id", "tenant")}, **host_form}])
    process = due_job.az.start(*_GROUPS)
    due_job.started.append(process)
    until(started.is_symlink)
    process.send_signal(number)
    assert due_job.az.result(process, *_GROUPS).exit_code != 0
    until(lambda: not _runs(int(os.readlink(started))))


def test_the_others_go_on_when_the_process_that_asks_is_killed(due_job: Job) -> None:
    due_job.cloud.admin.fail_next(_service(due_job), kind="hang", hang=60.0)
    process = due_job.az.start(*_GROUPS)
    due_job.started.append(process)
    until(lambda: due_job.cloud.admin.count_hanging() > 0)
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(due_job.az.run, *_GROUPS) for _ in range(3)]
        process.kill()
    assert [future.result().ok().stderr for future in others] == [""] * 3
    due_job.assert_whole()


def test_there_are_faults_enough() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40
