"""Commands that run for longer than a moment release what they no longer need: Python's cycle collector is on."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.launchers import Process
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage
from tests.harness.waiting import until
from tests.localcloud import LocalCloud
from tests.users import ALICE

pytestmark = [
    pytest.mark.executable,
    pytest.mark.skipif(sys.platform == "win32", reason="asks a process by a POSIX signal"),
]

# Python imports a module of this name when it starts.
_SITECUSTOMIZE = """
import gc, os, signal
report = os.environ["COLLECTOR_REPORT"]
def write(number, frame):
    with open(report + ".new", "w") as file:
        file.write(str(gc.isenabled()))
    os.replace(report + ".new", report)
signal.signal(signal.SIGUSR1, write)
"""

_VAULT = ("--resource", "https://vault.localcloud.example")
_TOKEN = ("account", "get-access-token", *_VAULT)

# The command, and the request that it is sending when it is asked.
_LONG = {
    "login with a device code": (("login", "--use-device-code"), "/devicecode$"),
    "login with a password": (("login", "--username", ALICE, "--password=@-"), "/token$"),
    "account list --refresh": (("account", "list", "--refresh"), "/subscriptions"),
    "account renew": (("account", "renew"), "/token$"),
    "account renew --watch": (("account", "renew", "--watch"), "/token$"),
    "account status": (("account", "status"), "/token$"),
    "account get-access-token": (_TOKEN, "/token$"),
    "account get-access-token --tenant": ((*_TOKEN, "--tenant", "fabrikam.example"), "/token$"),
    "account export-token": (("account", "export-token", "--format", "header", *_VAULT), "/token$"),
}


@pytest.fixture(scope="module")
def hanging_cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as running:
        yield running


@pytest.fixture(scope="module")
def asked_az(
    cloud_stage: CloudStage, newest: Host, hanging_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Az:
    """Return an `az` that reports on SIGUSR1 whether its collector is on."""
    folder = tmp_path_factory.mktemp("collector")
    az = cloud_stage.az(newest, folder / "azure", cloud=hanging_cloud)
    sign_in(az, hanging_cloud, ALICE).ok()
    (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="utf-8")
    return az.real().with_env(PYTHONPATH=folder)


def _is_collecting(pid: int, report: Path) -> bool:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    psutil.Process(pid).send_signal(signal.SIGUSR1)
    until(report.exists)
    return report.read_text(encoding="utf-8") == "True"


@pytest.mark.parametrize(("command", "request_path"), _LONG.values(), ids=_LONG)
def test_a_command_that_waits_for_a_service_runs_with_the_collector(
    asked_az: Az, hanging_cloud: LocalCloud, tmp_path: Path, command: tuple[str, ...], request_path: str
) -> None:
    hanging_cloud.admin.fail_next(request_path, count=None, kind="hang", hang=600)
    process = asked_az.start(*command, env={"COLLECTOR_REPORT": tmp_path / "report"})
    try:
        _give_password(process, hanging_cloud)
        until(lambda: hanging_cloud.admin.count_hanging() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        assert _is_collecting(process.pid, tmp_path / "report")
    finally:
        process.kill()
        process.communicate()
        hanging_cloud.admin.clear_faults()
        until(lambda: not hanging_cloud.admin.count_hanging())


def test_a_command_that_waits_for_the_request_of_another_process_runs_with_the_collector(
    asked_az: Az, hanging_cloud: LocalCloud, tmp_path: Path
) -> None:
    hanging_cloud.admin.fail_next("/token$", count=None, kind="hang", hang=600)
    first = asked_az.start(*_TOKEN, env={"COLLECTOR_REPORT": tmp_path / "first"})
    second = None
    try:
        until(lambda: hanging_cloud.admin.count_hanging() or first.poll() is not None)
        second = asked_az.start(*_TOKEN, env={"COLLECTOR_REPORT": tmp_path / "second"})
        waiting = psutil.Process(second.pid)
        until(lambda: any("login_requests" in file.path for file in waiting.open_files()))
        assert _is_collecting(second.pid, tmp_path / "second")
        assert hanging_cloud.admin.count_hanging() == 1
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.communicate()
        hanging_cloud.admin.clear_faults()
        until(lambda: not hanging_cloud.admin.count_hanging())


def test_a_list_that_waits_for_a_choice_runs_with_the_collector(asked_az: Az, tmp_path: Path) -> None:
    terminal = asked_az.pty("account", "set", env={"COLLECTOR_REPORT": tmp_path / "report"})
    try:
        terminal.expect("Contoso Development")
        assert terminal.pid is not None
        assert _is_collecting(terminal.pid, tmp_path / "report")
    finally:
        terminal.close(force=True)


def _give_password(process: Process, cloud: LocalCloud) -> None:
    """Write to standard input, as the sign-in with a password needs it; other commands do not read it."""
    assert process.stdin is not None
    process.stdin.write(cloud.directory.user(ALICE).password)
    process.stdin.close()
    process.stdin = None
