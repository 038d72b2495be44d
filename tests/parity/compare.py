"""Compare the two sides of a case, aspect by aspect."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.parity.case import Case, Step
from tests.parity.observe import Observation, Said, normal_json

#: What programs look for on standard error to tell "not signed in" from "broken".
_WORDS = ("az login", "az account set")
_TRACEBACK = "Traceback (most recent call last)"
_OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
#: Commands in the group `account` that are not ours.
_NOT_OURS = (("account", "list-locations"),)
_EXTENSION_NOTE = "is from the following extension: login"


@dataclass(frozen=True)
class Finding:
    """One aspect in which the sides differ, or in which ours is wrong by itself (`builtin` is empty then)."""

    aspect: str
    command: str
    builtin: str
    ours: str


def compare(case: Case, builtin: Observation, ours: Observation) -> list[Finding]:
    """Return what differs. Nothing does if the list is empty."""
    findings: list[Finding] = []
    steps = case.steps()
    for step, theirs, mine in zip(steps, builtin.said, ours.said, strict=True):
        command = "az " + " ".join(step.args)
        if theirs.exit_code != mine.exit_code:
            findings.append(Finding("exit code", command, _ending(theirs), _ending(mine)))
        if step.is_help:
            findings += _compare_help(command, theirs, mine, extended=not step.builtin)
        elif (shown := _shown(theirs)) != (mine_shown := _shown(mine)):
            findings.append(Finding("stdout", command, shown, mine_shown))
        # On success they are only advice, and ours may be better; in a sign-in it names tenants that are left to do.
        for word in _WORDS if theirs.exit_code or step.is_sign_in else ():
            if word in theirs.stderr and word not in mine.stderr:
                lines = [line for line in theirs.stderr.splitlines() if word in line]
                findings.append(Finding("advice", command, "\n".join(lines), mine.stderr or "(nothing)"))
                break
        if "--debug" not in step.args:
            findings += _compare_tracebacks(command, theirs, mine)
    command = "files after: az " + " && az ".join(" ".join(step.args) for step in steps)
    for aspect, theirs_left in builtin.files.items():
        if not _same_files(aspect, theirs_left, ours.files[aspect], steps[-1]):
            findings.append(Finding(aspect, command, _text(theirs_left), _text(ours.files[aspect])))
    defaults = [row for row in ours.files["rows"] or [] if '"isDefault": true' in row]
    if len(defaults) > 1:
        findings.append(Finding("two defaults", command, "", "\n".join(defaults)))
    return findings


def _ending(said: Said) -> str:
    return f"exit code {said.exit_code}\n{said.stderr.strip()}"


def _shown(said: Said) -> str:
    """Return standard output as text to compare: JSON by structure, the rest as it is."""
    try:
        return json.dumps(normal_json(json.loads(said.stdout)), indent=2, sort_keys=True, ensure_ascii=False)
    except ValueError:
        return said.stdout


def _compare_tracebacks(command: str, theirs: Said, mine: Said) -> list[Finding]:
    """Ours never has one; where the built-in has one, that is a difference too (`crash`)."""
    if _TRACEBACK in mine.stderr:
        return [Finding("traceback", command, "", mine.stderr)]
    if _TRACEBACK in theirs.stderr:
        return [Finding("crash", command, theirs.stderr, mine.stderr or "(nothing)")]
    return []


def _compare_help(command: str, theirs: Said, mine: Said, *, extended: bool) -> list[Finding]:
    """Every option of the built-in's help is in ours, and ours states where the command comes from."""
    missing = sorted(set(_OPTION.findall(theirs.stdout)) - set(_OPTION.findall(mine.stdout)))
    findings = []
    if missing:
        findings.append(Finding("help", command, "has: " + " ".join(missing), "does not have them"))
    is_command = "\nCommand\n" in mine.stdout
    if extended and is_command and mine.args[:2] not in _NOT_OURS and _EXTENSION_NOTE not in mine.stderr:
        findings.append(Finding("help", command, "", f"does not name the extension:\n{mine.stderr}"))
    return findings


def _same_files(aspect: str, theirs: Any, mine: Any, last: Step) -> bool:
    if aspect == "leftovers" and last.args[:2] != ("account", "clear"):
        # Unless all has to go, ours may leave less; after a sign-out, nothing that the built-in does not leave.
        return last.args[:1] != ("logout",) or set(mine) <= set(theirs)
    if aspect == "modes":
        # Ours may be stricter, and may have files that the built-in side has not written.
        return all(not mine[name] & ~theirs.get(name, 0o600) for name in mine)
    return bool(theirs == mine)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(str(member) for member in value)
    if isinstance(value, dict):
        return json.dumps(value, indent=1, ensure_ascii=False)
    return str(value)
