"""Signals at every prompt: the terminal is restored, and the signal ends or stops the command as it does by default."""

from __future__ import annotations

import re
import signal
import sys
import termios
from dataclasses import dataclass

import pexpect
import psutil
import pytest

from tests.harness.az import Az
from tests.harness.screen import Screen
from tests.harness.waiting import until
from tests.users import ALICE

if sys.platform == "win32":
    pytest.skip("a POSIX system is needed", allow_module_level=True)


@dataclass(frozen=True)
class Prompt:
    """A prompt: how to get to it, and what it shows."""

    arguments: tuple[str, ...]
    shows: str
    term: str = "dumb"
    changes_mode: bool = True


_PROMPTS = {
    "paste": Prompt(("login", "--no-browser"), "paste it here and press Enter. The terminal shows stars in its place."),
    "password": Prompt(("login", "--username", ALICE), "Password: "),
    "number": Prompt(("account", "set"), "no changes): ", changes_mode=False),
    "list": Prompt(("account", "set"), "Enter: choose", term="xterm"),
}
_prompts = pytest.mark.parametrize("prompt", _PROMPTS.values(), ids=_PROMPTS)


def _wait_for(terminal: pexpect.spawn[str], prompt: Prompt, before: list[object]) -> str:
    terminal.expect_exact(prompt.shows)
    if prompt.changes_mode:
        until(lambda: termios.tcgetattr(terminal.child_fd) != before)
    return (terminal.before or "") + prompt.shows


def _is_left(said: str) -> bool:
    """Tell whether the alternate screen and bracketed paste are off and the cursor is on, if they ever changed."""
    last = dict(re.findall(r"\x1b\[\?(1049|2004|25)([hl])", said))
    return last in ({}, {"1049": "l", "2004": "l", "25": "h"})


@_prompts
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_at_a_prompt_leaves_the_terminal_as_it_was(
    signed_in: Az, prompt: Prompt, number: signal.Signals
) -> None:
    terminal = signed_in.pty(*prompt.arguments, env={"TERM": prompt.term})
    before = termios.tcgetattr(terminal.child_fd)
    said = _wait_for(terminal, prompt, before)
    terminal.send("half a secret")
    terminal.kill(number)
    terminal.expect(pexpect.EOF)
    said += terminal.before or ""
    assert termios.tcgetattr(terminal.child_fd) == before
    terminal.close()
    if number == signal.SIGTERM and prompt.changes_mode:
        assert terminal.exitstatus == 128 + number
    else:
        assert terminal.signalstatus == number
    assert _is_left(said)
    assert "Traceback" not in said


def _in_shell(az: Az, prompt: Prompt, script: str) -> pexpect.spawn[str]:
    """Run a shell with job control, in which AZ is the command. A plain `sh` restores no mode of its own."""
    command = " ".join((str(az.host.az), *prompt.arguments))
    return pexpect.spawn(
        "/bin/sh", ["-c", "set -m; " + script.replace("AZ", command)], cwd=str(az.config_dir), encoding="utf-8",
        env={**az.environment({"TERM": prompt.term}), "PATH": "/usr/bin:/bin"}, timeout=60, dimensions=(40, 160),
    )  # fmt: skip


_changing = pytest.mark.parametrize(
    "prompt", [prompt for prompt in _PROMPTS.values() if prompt.changes_mode], ids=lambda prompt: prompt.shows[:5]
)


@_changing
@pytest.mark.executable
def test_a_stopped_command_gives_the_terminal_back_and_takes_it_again(signed_in: Az, prompt: Prompt) -> None:
    shell = _in_shell(signed_in, prompt, "AZ; echo stopped; read line; fg; stty -a")
    before = termios.tcgetattr(shell.child_fd)
    said = _wait_for(shell, prompt, before)
    ours = termios.tcgetattr(shell.child_fd)
    (az,) = psutil.Process(shell.pid).children()
    az.send_signal(signal.SIGTSTP)
    shell.expect_exact("stopped\r\n")
    said += shell.before or ""
    assert _is_left(said)
    assert termios.tcgetattr(shell.child_fd) == before
    shell.sendline("")
    if prompt.term == "xterm":
        shell.expect_exact("Enter: choose")
    until(lambda: termios.tcgetattr(shell.child_fd) == ours)
    shell.send("\x03")
    shell.expect_exact("speed")
    assert termios.tcgetattr(shell.child_fd) == before
    shell.expect(pexpect.EOF)


@_changing
@pytest.mark.executable
def test_the_end_of_the_script_that_started_it_leaves_no_terminal_without_echo(signed_in: Az, prompt: Prompt) -> None:
    shell = _in_shell(signed_in, prompt, "sh -c 'AZ; :'; echo ended; sleep 60")
    before = termios.tcgetattr(shell.child_fd)
    _wait_for(shell, prompt, before)
    (script,) = psutil.Process(shell.pid).children()
    (az,) = script.children()
    script.kill()
    shell.expect_exact("ended")
    until(lambda: termios.tcgetattr(shell.child_fd)[3] == before[3])
    if prompt.term == "dumb" and prompt.arguments[1] == "--no-browser":
        az.kill()  # the browser could still complete the sign-in
    until(lambda: not az.is_running() or az.status() == psutil.STATUS_ZOMBIE)
    shell.close()


def test_escape_cancels_the_list_after_a_paste_without_an_end(signed_in: Az) -> None:
    screen = Screen(signed_in.pty("account", "set"))
    screen.wait_for("Enter: choose")
    screen.press("\x1b[200~Fabrikam\n")
    screen.wait_for("Search: Fabrikam")
    screen.press("\x1b")
    assert screen.finish() == 1
    assert "No subscription was chosen." in screen.said
