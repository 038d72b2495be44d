"""`az account context run` runs a command in a context: with its words, signals and exit code as they are."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pexpect
import pytest

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.sign_in import sign_in
from tests.integration.context_runs import GROUP, PYTHON, add_context
from tests.localcloud import LocalCloud
from tests.users import ALICE

RUN = (*GROUP, "--context", "dev", "--")
_PRINT = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
# A program that uses the Azure CLI as a library, and goes on afterwards.
_LIBRARY = """
import sys
from azure.cli.core import get_default_cli
try:
    get_default_cli().invoke(sys.argv[1:] + ["--", "/bin/sh", "-c", "echo $AZURE_LOGIN_CONTEXT $0; exit 7", "-h"])
except SystemExit as error:
    print("exit code", error.code)
"""
_ACCOUNT, _SUBSCRIPTION, _CONTEXT = "AZURE_LOGIN_ACCOUNT", "AZURE_LOGIN_SUBSCRIPTION", "AZURE_LOGIN_CONTEXT"


@pytest.fixture
def dev(signed_in: Az) -> Az:
    """`az` with alice signed in, and the context `dev` for her."""
    add_context(signed_in, "dev", ALICE)
    return signed_in


@pytest.fixture(params=["newest", "oldest"])
def each(request: pytest.FixtureRequest, make_az: Callable[..., Az], cloud: LocalCloud) -> Az:
    """The same on each host."""
    host: Host = request.getfixturevalue(request.param)
    az = make_az(host=host)
    sign_in(az, cloud, ALICE).ok()
    add_context(az, "dev", ALICE)
    return az


def _given(az: Az, *words: str, **options: Any) -> tuple[list[str], dict[str, str]]:
    """Run a program that prints its words and its environment, and return both. Nothing else may be printed."""
    done = az.run(*RUN, *PYTHON, _PRINT, *words, **options).ok()
    assert done.stderr == ""
    received, environ = done.json()
    return received, environ


def test_the_command_receives_its_words_as_they_are(each: Az) -> None:
    file = each.config_dir / "file"
    file.write_text("content\n", encoding="utf-8")
    words = [
        "-h", "--help", "--query", "[", "-o", "table", "--output=tsv", "--", "", " ", "a b", "ä€\U0001f600", "'\"$`\\",
        f"@{file}", f"--value=@{file}", "@missing", "user@contoso.com", "-", "--context", "prod", "--subscription",
        "--version", "help", "\n",
    ]  # fmt: skip
    assert _given(each, *words)[0] == words


def test_the_case_of_the_commands_own_words_does_not_matter(dev: Az) -> None:
    assert dev.run("Account", "CONTEXT", *RUN[2:], "/bin/echo", "-h").ok().stdout == "-h\n"


def test_bytes_that_are_not_text_are_passed_on(dev: Az) -> None:
    # Python represents them by halves of surrogate pairs.
    assert _given(dev.real(), "\udcff")[0] == ["\udcff"]


@pytest.mark.parametrize("level", ["--verbose", "--only-show-errors"])
def test_options_about_the_log_belong_to_the_command(each: Az, level: str) -> None:
    assert _given(each, level)[0] == [level]


def test_debug_belongs_to_the_command(each: Az) -> None:
    done = each.run(*RUN, *PYTHON, _PRINT, "--debug").ok()
    assert done.json()[0] == ["--debug"]
    # The host logs until it loads the extension. Afterwards, nothing is logged.
    assert "Loading extensions" in done.stderr
    assert "Found a match in the command table" not in done.stderr


def test_options_about_the_log_before_the_command_count(dev: Az) -> None:
    run = (*GROUP, "--context", "dev")
    debug = dev.run(*run, "--debug", "--", *PYTHON, _PRINT, "--verbose").ok()
    assert debug.json()[0] == ["--verbose"]
    assert "Found a match in the command table" in debug.stderr
    quiet = dev.run(*run, "--only-show-errors", "--", *PYTHON, _PRINT).ok()
    assert quiet.stderr == ""


@pytest.mark.parametrize("word", ["@-", "--data=@-", "@/dev/stdin", "@/dev/fd/0"])
def test_a_word_for_which_the_host_has_read_standard_input_is_refused(each: Az, word: str) -> None:
    refused = each.run(*RUN, *PYTHON, _PRINT, word, input="content\n").failed(2)
    assert f"has read what {word} stands for" in refused.stderr
    assert "sh -c" in refused.stderr
    assert refused.stdout == ""


def test_a_shell_can_be_given_such_a_word(dev: Az) -> None:
    command = shlex.join([*PYTHON, "import sys; print(sys.argv[1:], sys.stdin.read())", "@-"])
    assert dev.run(*RUN, "/bin/sh", "-c", command, input="content").ok().stdout == "['@-'] content\n"


@pytest.mark.parametrize("words", [(), ("--",), ("true",), ("true", "-x")])
def test_a_missing_command_is_a_usage_error(each: Az, words: tuple[str, ...]) -> None:
    refused = each.run(*GROUP, "--context", "dev", *words).failed(2).stderr
    assert "The command to run is missing" in refused
    assert "-- terraform plan" in refused


def test_a_missing_context_is_a_usage_error(dev: Az) -> None:
    assert "--context is missing" in dev.run(*GROUP, "--", "true").failed(2).stderr
    assert "--context is missing" in dev.run(*GROUP, "--context", "", "--", "true").failed(2).stderr
    assert "'--context' is blank" in dev.run(*GROUP, "--context", " ", "--", "true").failed().stderr
    assert "expected one argument" in dev.run(*GROUP, "--context", "--", "true").failed(2).stderr


def test_an_unknown_context_is_an_error(dev: Az) -> None:
    for name, code, problem in (
        ("prod", 3, "There is no context named 'prod'"),
        ("../x\x1b[2J", 1, "cannot be the name"),
    ):
        refused = dev.run(*GROUP, "--context", name, "--", "/bin/echo", "no").failed(code)
        assert problem in refused.stderr
        assert "\x1b" not in refused.stderr
        assert refused.stdout == ""


def test_the_context_of_this_process_does_not_count(dev: Az) -> None:
    (dev.config_dir / ".azure-context").write_text("other\n", encoding="utf-8")
    assert _given(dev, env={_CONTEXT: "missing"})[1][_CONTEXT] == "dev"
    assert _given(dev, cwd=dev.config_dir)[1][_CONTEXT] == "dev"


def test_help_before_the_command_is_that_of_az(dev: Az) -> None:
    assert "Run a command in a context, or" in dev.run(*GROUP, "-h").ok().stdout
    assert "Run a command in a context, or" in dev.run(*GROUP, "-h", "--", "true").ok().stdout


def test_a_setting_that_keeps_most_commands_out_of_the_context_is_a_warning(dev: Az) -> None:
    az = dev.with_env(AZURE_LOGIN_EVERY_COMMAND="off")
    assert "login.every_command is off" in az.run(*GROUP, "--context", "dev", "--", "/bin/true").stderr
    assert dev.run(*GROUP, "--context", "dev", "--", "/bin/true").ok().stderr == ""


def test_the_variable_chooses_the_context(dev: Az) -> None:
    environ = _given(dev, env={_ACCOUNT: "nobody", _SUBSCRIPTION: "none", _CONTEXT: "other", "KEPT": "yes"})[1]
    assert environ[_CONTEXT] == "dev"
    assert environ["KEPT"] == "yes"
    assert not {_ACCOUNT, _SUBSCRIPTION} & environ.keys()
    assert dev.run(*GROUP, "--context", "DEV", "--", *PYTHON, _PRINT).ok().json()[1][_CONTEXT] == "dev"


@pytest.mark.parametrize("code", [0, 1, 2, 3, 42, 255])
def test_the_exit_code_is_that_of_the_command(each: Az, code: int) -> None:
    done = each.run(*RUN, "/bin/sh", "-c", f"echo out; echo err >&2; exit {code}")
    assert (done.exit_code, done.stdout, done.stderr) == (code, "out\n", "err\n")


def test_a_program_that_is_missing_or_cannot_run_has_the_exit_codes_of_shells(each: Az) -> None:
    text = each.config_dir / "text"
    text.write_text("no program", encoding="utf-8")
    for program, code in (("no-such-program", 127), ("./missing", 127), ("", 127), ("./text", 126), ("/", 126)):
        failed = each.run(*RUN, program).failed(code)
        assert len(failed.stderr.splitlines()) == 1
        assert failed.stderr.startswith(f"ERROR: '{program}' ")
    text.chmod(0o700)
    assert "format" in each.run(*RUN, "./text").failed(126).stderr


def test_the_command_takes_the_place_of_az(dev: Az) -> None:
    process = dev.start(*RUN, *PYTHON, "import os; print(os.getpid(), flush=True); input()")
    assert process.stdout
    assert int(process.stdout.readline()) == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == -signal.SIGTERM


def test_a_program_that_uses_the_azure_cli_as_a_library_is_not_replaced(dev: Az) -> None:
    program = [str(dev.host.bin / "python"), "-c", _LIBRARY, *GROUP, "--context", "dev"]
    done = subprocess.run(program, env=dev.environment(), capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("dev -h\nexit code 7\n", 0)


def test_the_command_does_not_ignore_what_python_ignores(dev: Az) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    status = dev.real().run(*RUN, "/bin/cat", "/proc/self/status").ok().stdout
    line = next(line for line in status.splitlines() if line.startswith("SigIgn:"))
    ignored = int(line.split()[1], base=16)
    # What started the tests may ignore other signals, and the command inherits that.
    assert not [each for each in (signal.SIGPIPE, signal.SIGXFSZ) if ignored & 1 << (each - 1)]


def test_standard_input_is_the_commands(dev: Az) -> None:
    assert dev.run(*RUN, "/bin/cat", input="a\nb\n").ok().stdout == "a\nb\n"


def test_ctrl_c_is_for_the_command(dev: Az) -> None:
    program = "import time\ntry:\n    print('ready', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: exit(7)"
    terminal = dev.pty(*RUN, *PYTHON, program)
    terminal.expect("ready")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert (terminal.exitstatus, terminal.signalstatus) == (7, None)
