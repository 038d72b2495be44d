"""Finding the script `az` by command lines as psutil returns them. The processes are stand-ins; Windows is one too."""

from __future__ import annotations

from dataclasses import dataclass, field

import psutil
import pytest

from azext_login.system.launching_script import is_script, watch_script

_CMD = "C:\\Windows\\system32\\cmd.exe"
_WATCH = ["account", "renew", "--watch"]
_MSI = "C:\\Program Files\\Microsoft SDKs\\Azure\\CLI2\\wbin\\az.cmd"


@pytest.mark.parametrize(
    ("words", "platform", "expected"),
    [
        (["/bin/bash", "/usr/bin/az", *_WATCH], "linux", True),
        (["/bin/sh", "-e", "/opt/homebrew/bin/az", *_WATCH], "darwin", True),
        (["/bin/bash", "-c", "az account renew --watch & sleep 60"], "linux", False),
        (["/bin/bash", "/usr/bin/AZ.CMD", *_WATCH], "linux", False),
        (["/usr/bin/python3", "deploy.py", "--with", "az"], "linux", False),
        ([], "linux", False),
        # Windows splits `cmd.exe /c ""C:\Program Files\...\az.cmd" account renew"` at blanks and joins at quotes.
        ([_CMD, "/c", "C:\\Program", "Files\\Microsoft", f"{_MSI.split()[2]} account renew --watch"], "win32", True),
        ([_CMD, "/c", _MSI, *_WATCH], "win32", True),
        ([_CMD, "/c", f'"{_MSI}" account renew --watch'], "win32", True),
        ([_CMD, "/C", f'""{_MSI}" account renew --watch"'], "win32", True),
        (["cmd", "/d", "/s", "/c", "az.cmd account renew --watch"], "win32", True),
        ([f'{_CMD} /c "{_MSI}" account renew'], "win32", True),
        ([f'"{_CMD}" /d /c az account renew'], "win32", True),
        ([f"{_CMD} /c C:\\job\\step.cmd az"], "win32", False),
        ([_CMD.upper(), "/c", "C:\\venv\\Scripts\\AZ.BAT", *_WATCH], "win32", True),
        ([_CMD, "/K", "az", *_WATCH], "win32", True),
        ([_CMD, "/c", "call az account renew --watch"], "win32", True),
        (["C:/tools/az.exe", *_WATCH], "win32", True),
        (["C:\\Git\\usr\\bin\\bash.exe", "/c/tools/az", *_WATCH], "win32", True),
        ([_CMD], "win32", False),
        ([_CMD, "/D", "/C", "CALL C:\\job\\step.cmd"], "win32", False),
        ([_CMD, "/c", "C:\\job\\step.cmd", "az"], "win32", False),
        ([_CMD, "/c", "C:\\job\\azcopy.exe", "sync"], "win32", False),
        ([_CMD, "/c", "C:\\job\\az.cmd.backup"], "win32", False),
        (["powershell.exe", "-Command", "az account renew --watch"], "win32", False),
        ([], "win32", False),
    ],
)
def test_the_script_is_found_by_the_command_line_of_the_parent(words: list[str], platform: str, expected: bool) -> None:
    assert is_script(words, platform) is expected


@dataclass
class _Process:
    words: list[str]
    started_by: _Process | None = None
    number: int = 100
    runs: bool = True
    is_hidden: bool = False
    new_parent: int | None = field(default=None)

    def cmdline(self) -> list[str]:
        if self.is_hidden:
            raise psutil.AccessDenied(self.number)
        return self.words

    def parent(self) -> _Process | None:
        return self.started_by

    def ppid(self) -> int:
        return self.new_parent or (self.started_by.number if self.started_by else 0)

    def is_running(self) -> bool:
        return self.runs


_MODULE = ["-IBm", "azure.cli", *_WATCH]


def test_on_windows_the_end_of_the_script_is_noticed_although_the_parent_does_not_change() -> None:
    script = _Process([_CMD, "/c", _MSI, *_WATCH])
    has_ended = watch_script(_Process(["python.exe", *_MODULE], script), "win32")
    assert not has_ended()
    script.runs = False
    assert has_ended()


def test_the_interpreter_of_a_virtual_environment_between_script_and_python_does_not_hide_the_script() -> None:
    script = _Process([_CMD, "/c", "C:\\venv\\Scripts\\az.bat", *_WATCH])
    launcher = _Process(["C:\\venv\\Scripts\\python.exe", *_MODULE], script, 200)
    has_ended = watch_script(_Process(["C:\\Python\\python.exe", *_MODULE], launcher), "win32")
    assert not has_ended()
    script.runs = False
    assert has_ended()


def test_elsewhere_a_new_parent_tells_that_the_script_has_ended() -> None:
    this = _Process(["python3", *_MODULE], _Process(["/bin/bash", "/usr/bin/az", *_WATCH]))
    has_ended = watch_script(this, "linux")
    assert not has_ended()
    this.new_parent = 1
    assert has_ended()


@pytest.mark.parametrize(
    "parent",
    [None, _Process([_CMD], runs=False), _Process([_CMD, "/c", _MSI], is_hidden=True, runs=False)],
    ids=["no parent", "a shell", "a process of another user"],
)
def test_without_a_script_that_can_be_seen_a_watch_goes_on(parent: _Process | None) -> None:
    assert not watch_script(_Process(["python.exe", *_MODULE], parent), "win32")()
