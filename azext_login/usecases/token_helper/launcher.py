"""The content of the launcher: a small script that starts `az-token` with the interpreter that `az` runs with.

It carries what it names a second time, as JSON in a comment. By that line, a launcher of ours is told from a program
of another author.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

_MARK = "az account token-helper: "
_COMMENTS = ("# ", "rem ")

LARGEST = 64_000
"""Bytes. No launcher is as large."""

# Without the packages of the interpreter and without the user's: `az-token` needs none of them, and nothing in the
# working directory may take the place of a module.
_OPTIONS = "-I -S"


@dataclass(frozen=True)
class Launcher:
    """What a launcher starts, and in which environment."""

    interpreter: str
    """Path of the Python that `az` runs with."""
    program: str
    """Path of `az-token` in the installed extension."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables that `az` needs to start. They replace those of the caller."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Variables that count unless the caller has them."""

    def starts_as(self, other: Launcher) -> bool:
        """Tell whether both start the same program with the same interpreter."""
        return (self.interpreter, self.program) == (other.interpreter, other.program)

    def missing(self) -> str | None:
        """Return the path of the file that is missing, if one is; then the launcher cannot start anything."""
        return next((path for path in (self.interpreter, self.program) if not os.path.isfile(path)), None)


def script_of(launcher: Launcher, *, install: str, is_windows: bool) -> bytes:
    """Return the script.

    :param install: the command that writes the launcher again. Quoted for the shell of its user.
    :param is_windows: whether it is a batch file. Otherwise any POSIX shell runs it.
    :raises ValueError: a path contains a character that the script cannot have.
    """
    words = [launcher.interpreter, launcher.program, *launcher.variables.values(), *launcher.defaults.values()]
    if any(character in word for word in words for character in "\r\n\0"):
        raise ValueError("A path contains a line break")
    lines = _batch_lines(launcher, install) if is_windows else _shell_lines(launcher, install)
    text = "".join(line + ("\r\n" if is_windows else "\n") for line in lines)
    return _for_cmd(text) if is_windows else os.fsencode(text)


def read_script(content: bytes) -> Launcher | None:
    """Return what a script starts; None if it is not a launcher of ours."""
    for line in content[:LARGEST].split(b"\n")[:3]:
        for comment in _COMMENTS:
            mark = (comment + _MARK).encode("ascii")
            if line.startswith(mark):
                return _from_json(line.removeprefix(mark))
    return None


def _from_json(text: bytes) -> Launcher | None:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or set(values) != {each.name for each in fields(Launcher)}:
        return None
    paths, variables = (values["interpreter"], values["program"]), (values["variables"], values["defaults"])
    if not all(isinstance(path, str) and path and "\0" not in path for path in paths):
        return None
    if not all(isinstance(each, dict) and all(isinstance(v, str) for v in each.values()) for each in variables):
        return None
    return Launcher(**values)


def _mark(launcher: Launcher) -> str:
    # A percent sign has a meaning in every line of a batch file, comments included.
    return _MARK + json.dumps(asdict(launcher)).replace("%", "\\u0025")


def _no_interpreter(path: str, install: str) -> str:
    return f"ERROR: az-token cannot run, because {path} is missing: the Azure CLI was moved or removed. Run: {install}"


def _no_program(path: str) -> str:
    return (
        f"ERROR: az-token cannot run, because {path} is missing: the extension 'login' was removed. Add it again with "
        "az extension add, or delete"
    )


def _shell_lines(launcher: Launcher, install: str) -> list[str]:
    interpreter, program = shlex.quote(launcher.interpreter), shlex.quote(launcher.program)
    no_interpreter = shlex.quote(_no_interpreter(launcher.interpreter, install))
    no_program = shlex.quote(_no_program(launcher.program) + " ")
    # No variables: one that the caller has exported would reach az with another value.
    return [
        "#!/bin/sh",
        "# " + _mark(launcher),
        "# To remove this file, run: az account token-helper uninstall",
        f"[ -x {interpreter} ] || {{ printf '%s\\n' {no_interpreter} >&2; exit 1; }}",
        f"[ -f {program} ] || {{ printf '%s%s\\n' {no_program} \"$0\" >&2; exit 1; }}",
        *(f"{name}={shlex.quote(value)}; export {name}" for name, value in launcher.variables.items()),
        *(
            f'[ -n "${{{name}:-}}" ] || {{ {name}={shlex.quote(value)}; export {name}; }}'
            for name, value in launcher.defaults.items()
        ),
        f'exec {interpreter} {_OPTIONS} {program} "$@"',
    ]


def _batch_lines(launcher: Launcher, install: str) -> list[str]:
    interpreter, program = _batch_word(launcher.interpreter), _batch_word(launcher.program)
    return [
        "@echo off",
        "rem " + _mark(launcher),
        "setlocal EnableExtensions DisableDelayedExpansion",
        f"if exist {interpreter} goto :program",
        f">&2 echo {_no_interpreter(interpreter, install.replace('%', '%%'))}",
        "exit /b 1",
        ":program",
        f"if exist {program} goto :run",
        f'>&2 echo {_no_program(program)} "%~f0"',
        "exit /b 1",
        ":run",
        *(f'set "{name}={_doubled(value)}"' for name, value in launcher.variables.items()),
        *(f'if not defined {name} set "{name}={_doubled(value)}"' for name, value in launcher.defaults.items()),
        f"{interpreter} {_OPTIONS} {program} %*",
        "exit /b %ERRORLEVEL%",
    ]


def _batch_word(path: str) -> str:
    return f'"{_doubled(path)}"'


def _doubled(text: str) -> str:
    """Return a path as a batch file writes it between quotes. cmd does not read UTF-8, so the home is a variable."""
    home = os.path.expanduser("~")
    if not text.isascii() and text.startswith(home + "\\"):
        return "%USERPROFILE%" + text.removeprefix(home).replace("%", "%%")
    return text.replace("%", "%%")


def _for_cmd(text: str) -> bytes:
    """Return a batch file in the code page that cmd reads it with.

    :raises ValueError: it has a character that the code page does not have.
    """
    return text.encode("ascii") if text.isascii() else text.encode("oem")
