"""A forked stand-in and the executable look the same to the process that starts a command, and to the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.launchers import REAL, REAL_PROCESSES, Launcher, default_launcher
from tests.harness.probe import make_probe, probing
from tests.harness.waiting import until

if sys.platform == "win32":
    pytest.skip("a POSIX system is needed", allow_module_level=True)

forked = pytest.importorskip("tests.harness.forked", reason="there is no fork")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the executable runs in every test")

# A module and an object that print a line when they are destroyed.
_TEARDOWN = """
import os, sys, types
class Loud:
    def __init__(self, name): self.name = name
    def __del__(self, write=os.write): write(1, b"gone: " + self.name + b"\\n")
sys.modules["loud"] = types.ModuleType("loud")
sys.modules["loud"].held = Loud(b"in a module")
cycle = [Loud(b"in a cycle")]
cycle.append(cycle)
kept = open("unflushed", "w")
kept.write("text")
sys.modules["loud"].file = kept
"""
# What a process can learn of itself, for a comparison of two of them.
_FACTS = """
import gc, json, locale, os, resource, signal, stat, sys, tempfile, threading, time, warnings
from azure.cli.core import _config, cloud, extension, intercept_survey
from azure.cli.core.extension import operations
from knack.config import CLIConfig

def kind(number):
    try:
        return stat.S_IFMT(os.fstat(number).st_mode), os.isatty(number)
    except OSError:
        return "closed"

def terminal():
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
        return os.tcgetpgrp(0) == os.getpgrp(), tuple(os.get_terminal_size(0))
    except OSError as error:
        return error.errno

umask = os.umask(0)
os.umask(umask)
streams = [sys.stdin, sys.stdout, sys.stderr]
facts = {
    "arguments": sys.argv,
    "started as": sys.orig_argv,
    "environment": dict(os.environ),
    "directory": os.getcwd(),
    "path": sys.path,
    "flags": list(sys.flags),
    "prefix": [sys.prefix, sys.executable],
    "main": [sys.modules["__main__"].__spec__.name, sys.modules["__main__"].__file__],
    "umask": umask,
    "descriptors": {n: kind(n) for n in range(64)},
    "inheritable": [os.get_inheritable(n) for n in range(3)],
    "terminal": terminal(),
    "ignored": [int(n) for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN],
    "handled": [int(n) for n in signal.valid_signals() if callable(signal.getsignal(n)) and not isinstance(
        signal.getsignal(n), signal.Handlers)],
    "masked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "limits": [resource.getrlimit(n) for n in range(16)],
    "streams": [[s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, s.fileno(), s.isatty(),
        s.buffer.name, s.buffer.raw.closefd, s.buffer.raw.mode] for s in streams],
    "the same streams": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
    "locale": [locale.getlocale(), locale.getpreferredencoding(), sys.getfilesystemencoding()],
    "time zone": [time.tzname, time.timezone],
    "temporary": tempfile.gettempdir(),
    "home": os.path.expanduser("~"),
    "threads": threading.active_count(),
    "collector": [gc.isenabled(), gc.get_threshold()],
    "warnings": sorted(set(map(str, warnings.filters))),
    "hooks": [sys.excepthook is sys.__excepthook__, sys.gettrace(), sys.getprofile()],
    "host": [_config.GLOBAL_CONFIG_DIR, _config.GLOBAL_CONFIG_PATH, cloud.GLOBAL_CONFIG_DIR, cloud.CLOUD_CONFIG_FILE,
        intercept_survey.GLOBAL_SURVEY_NOTE_PATH, extension.EXTENSIONS_DIR, extension.EXTENSIONS_SYS_DIR,
        extension.DEV_EXTENSION_SOURCES, operations.EXTENSIONS_DIR if hasattr(operations, "EXTENSIONS_DIR") else "",
        extension.az_config.config_dir, CLIConfig._DEFAULT_CONFIG_DIR],
}
"""
_PRINT = "\nprint(json.dumps(facts, default=str))"


@pytest.fixture(params=["newest", pytest.param("oldest", marks=pytest.mark.oldest)])
def host(request: pytest.FixtureRequest) -> Host:
    return hosts.named(request.param)


@pytest.fixture
def probe(newest: Host, tmp_path: Path, launcher: Launcher) -> Az:
    """`az probe`, forked."""
    return make_probe(tmp_path, newest, launcher)


@pytest.fixture(params=["real", "forked"])
def either(probe: Az, request: pytest.FixtureRequest) -> Az:
    """`az probe`, once as the executable and once forked."""
    return probe.real() if request.param == "real" else probe


def is_forked(az: Az) -> bool:
    """Tell whether the parent of a command is not this process."""
    return int(probing(az, "import os; print(os.getppid())").run("probe").stdout) != os.getpid()


def both(az: Az, do: Callable[[Az], Any]) -> Any:
    """Return what `do` finds with the executable, having seen that it finds the same with a forked stand-in."""
    assert az.launcher is not REAL
    real, stand_in = do(az.real()), do(az)
    assert stand_in == real
    return real


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"TZ": "Asia/Kathmandu", "TMPDIR": "/var/tmp", "HOME": "/nonexistent", "AZ_INSTALLER": "DEB"},
        {"AZURE_CONFIG_DIR": None, "AZURE_EXTENSION_SYS_DIR": "~/shared", "AZURE_EXTENSION_DEV_SOURCES": "/a,/b"},
        {"A": "=", "EMPTY": "", "LINES": "two\nlines", "SNOWMAN": "\N{SNOWMAN}", "BYTES": "\udcff"},
    ],
    ids=["plain", "places", "config directory at home", "odd values"],
)
def test_a_process_finds_the_same_in_itself(host: Host, launcher: Launcher, tmp_path: Path, env: Any) -> None:
    az = make_probe(tmp_path, host, launcher)
    if "AZURE_CONFIG_DIR" in env:
        (tmp_path / "config").rename(tmp_path / ".azure")
        az = replace(az, config_dir=tmp_path / ".azure")
        env = {**env, "HOME": tmp_path}
    az = probing(az, _FACTS + _PRINT, **env)
    both(az, lambda each: each.run("probe", "--two words", "\N{SNOWMAN}").ok().json())


def test_a_process_finds_the_same_in_itself_on_a_terminal(host: Host, launcher: Launcher, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    code = f"{_FACTS}\nopen({str(answer)!r}, 'w').write(json.dumps(facts, default=str))"
    az = probing(make_probe(tmp_path, host, launcher), code)

    def facts(each: Az) -> Any:
        terminal = each.pty("probe", size=(31, 101))
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 0
        return json.loads(answer.read_text(encoding="utf-8"))

    assert both(az, facts)["terminal"] == [True, [101, 31]]


def test_the_stand_in_is_one(probe: Az) -> None:
    assert is_forked(probe)
    assert not is_forked(probe.real())


@pytest.mark.parametrize(
    "env",
    [
        {"LANG": None},
        {"LANG": "C"},
        {"LC_ALL": "C.UTF-8"},
        {"PYTHONPATH": "/nowhere"},
        {"PYTHONUTF8": "1"},
        {"LD_PRELOAD": ""},
        {"PSUTIL_DEBUG": ""},
    ],
    ids=str,
)
def test_where_the_environment_has_a_word_with_python_itself_the_executable_runs(probe: Az, env: Any) -> None:
    assert not is_forked(probe.with_env(**env))


def test_an_az_that_starts_python_in_another_way_is_the_executable(probe: Az, tmp_path: Path) -> None:
    script = tmp_path / "az"
    script.write_text(f'#!/bin/sh\nexec {probe.host.bin}/python3 -Im azure.cli "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    assert forked.python_of(probe.host)
    assert forked.python_of(Host("newest", "0", script)) is None
    assert not is_forked(replace(probe, host=replace(probe.host, az=script)))


def test_a_variable_makes_every_command_the_executable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REAL_PROCESSES, "1")
    assert default_launcher() is REAL
    monkeypatch.delenv(REAL_PROCESSES)
    assert default_launcher() is not REAL


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("raise SystemExit(7)", 7),
        ("raise SystemExit", 0),
        ("raise KeyboardInterrupt", 1),
        ("import os; os._exit(9)", 9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", 1),
        ("import atexit; atexit.register(print, 'at the end', flush=True)", 0),
        ("print('before')\nimport threading\nthreading.Thread(target=print, args=['in a thread']).start()", 0),
        ("import sys; sys.stdout.write('out without an end of line'); sys.stderr.write('err')", 0),
        ("raise RuntimeError('no command is left')", 2),
    ],
)
def test_it_ends_in_the_same_way(probe: Az, code: str, exit_code: int) -> None:
    def run(az: Az) -> tuple[int, str, str]:
        result = probing(az, code).run("probe")
        return result.exit_code, result.stdout, result.stderr

    assert both(probe, run)[0] == exit_code


def test_what_is_written_arrives_whole(either: Az) -> None:
    code = "import sys; text = sys.stdin.read(); sys.stderr.write(text[::-1]); sys.stdout.write(text)"
    text = "\N{SNOWMAN}0123456789\n" * 100_000
    result = probing(either, code).run("probe", input=text)
    assert result.stdout == text
    assert result.stderr == text[::-1]


def test_input_that_is_not_read_is_no_error(either: Az) -> None:
    assert probing(either, "pass").run("probe", input="x" * 1_000_000).exit_code == 0


def test_arguments_and_environment_may_be_long(either: Az) -> None:
    code = "import os, sys; print(len(sys.argv[-1]), len(os.environ['LONG']))"
    assert probing(either, code, LONG="y" * 100_000).run("probe", "x" * 100_000).stdout == "100000 100000\n"


def test_the_umask_is_that_of_the_caller(either: Az, tmp_path: Path) -> None:
    file = tmp_path / "file"
    before = os.umask(0o027)
    try:
        probing(either, f"open({str(file)!r}, 'w')").run("probe").ok()
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o640


def test_what_a_command_has_made_is_torn_down(probe: Az) -> None:
    def run(az: Az) -> tuple[list[str], str]:
        result = probing(az, _TEARDOWN).run("probe").ok()
        return sorted(result.stdout.splitlines()), (az.config_dir / "unflushed").read_text(encoding="utf-8")

    assert both(probe, run) == (["gone: in a cycle", "gone: in a module"], "text")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_a_signal_that_ends_it_is_its_exit_code(either: Az, tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready"
    process = probing(either, f"open({str(ready)!r}, 'w'); import time; time.sleep(60)").start("probe")
    until(ready.exists)
    assert process.poll() is None
    assert process.returncode is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.05)
    process.send_signal(number)
    assert process.communicate() == ("", "")
    assert process.wait() == process.poll() == process.returncode == -number
    process.kill()  # it has ended


def test_a_command_that_takes_too_long_fails_the_test_with_what_it_said(either: Az) -> None:
    az = probing(either, "import time; print('so far', flush=True); time.sleep(60)")
    with pytest.raises(AssertionError, match="so far"):
        az.run("probe", timeout=3)


def test_ctrl_c_on_a_terminal_interrupts(either: Az) -> None:
    terminal = probing(either, "import time; print('ready', flush=True); time.sleep(60)").pty("probe")
    terminal.expect("ready")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1


def test_a_terminal_that_is_resized_or_closed_says_so(either: Az, tmp_path: Path) -> None:
    said = tmp_path / "said"
    code = f"""
import os, signal, time
def write(number, frame):
    open({str(said)!r}, "a").write(f"{{number}} {{os.get_terminal_size(0).columns}},")
signal.signal(signal.SIGWINCH, write)
print("ready", flush=True)
time.sleep(60)
"""
    terminal = probing(either, code).pty("probe")
    terminal.expect("ready")
    terminal.setwinsize(20, 77)
    until(said.exists)
    assert terminal.isalive()
    terminal.close()
    assert terminal.signalstatus == signal.SIGHUP
    assert terminal.exitstatus is None
    assert said.read_text(encoding="utf-8") == f"{int(signal.SIGWINCH)} 77,"


def test_what_one_command_does_to_its_process_the_next_does_not_see(probe: Az) -> None:
    spoil = """
import os, random, signal, sys, time, azure.cli.core._config as config
os.environ["LEFT"] = os.environ["TZ"] = "Asia/Kathmandu"
time.tzset(); os.umask(0); os.chdir("/"); signal.signal(signal.SIGTERM, signal.SIG_IGN); random.seed(1)
config.GLOBAL_CONFIG_DIR = "/elsewhere"; sys.path.append("/elsewhere"); sys.stdout.reconfigure(encoding="latin-1")
"""
    before = probing(probe, _FACTS + _PRINT).run("probe").ok().json()
    probing(probe, spoil).run("probe").ok()
    assert probing(probe, _FACTS + _PRINT).run("probe").ok().json() == before


def test_two_commands_have_nothing_random_in_common(probe: Az) -> None:
    az = probing(probe, "import os, random, secrets, uuid; print(random.random(), uuid.uuid4(), secrets.token_hex())")
    numbers = [word for _ in range(3) for word in az.run("probe").ok().stdout.split()]
    assert len(set(numbers)) == 9


def test_commands_at_the_same_time_do_not_mix(probe: Az, tmp_path: Path) -> None:
    code = "import os, sys, time; time.sleep(0.2); print(os.environ['NUMBER'], sys.stdin.read(), os.getcwd())"

    def run(number: int) -> str:
        folder = tmp_path / str(number)
        folder.mkdir()
        return probing(probe, code, NUMBER=str(number)).run("probe", input=f"in {number}", cwd=folder).ok().stdout

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(run, range(16))) == [f"{n} in {n} {tmp_path / str(n)}\n" for n in range(16)]


def test_a_command_holds_no_stream_of_another(probe: Az) -> None:
    long = probing(probe, "import time; print('ready', flush=True); time.sleep(60)").start("probe")
    assert long.stdout
    assert long.stdout.readline() == "ready\n"
    began = time.monotonic()
    waiting = probing(probe, "import sys; sys.stdin.read()").start("probe")
    waiting.communicate("", timeout=30)
    assert time.monotonic() - began < 30
    assert long.poll() is None
    long.kill()
    long.communicate()


def test_what_a_command_leaves_running_does_not_keep_it_from_ending(either: Az) -> None:
    code = "import subprocess as s; s.Popen(['/bin/sleep', '5'], stdout=s.DEVNULL, stderr=s.DEVNULL)"
    began = time.monotonic()
    assert probing(either, code).run("probe").exit_code == 0
    assert time.monotonic() - began < 5


def test_a_command_whose_directory_is_missing_is_an_error_of_the_test(either: Az, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        either.start("probe", cwd=tmp_path / "missing")


def test_the_server_is_gone_when_nobody_can_ask_it(newest: Host, tmp_path: Path) -> None:
    launcher = forked.ForkedProcesses()
    assert is_forked(make_probe(tmp_path, newest, launcher))
    az = probing(make_probe(tmp_path, newest, launcher), "import os; print(os.getppid())")
    server = int(az.run("probe").stdout)
    os.kill(server, 0)
    del launcher, az
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
