"""Show what differs: the command line, then both sides."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from tests.parity.case import Case
from tests.parity.compare import Finding

_MOST_LINES = 60


def describe(case: Case, findings: Sequence[Finding]) -> str:
    """Return the findings of a case as text."""
    parts = [f"=== {case.id}"]
    for finding in findings:
        parts.append(f"--- {finding.aspect}: {finding.command}")
        parts.append(_side_by_side(finding))
    return "\n".join(parts)


def _side_by_side(finding: Finding) -> str:
    builtin, ours = finding.builtin.splitlines(), finding.ours.splitlines()
    if not builtin:
        lines = [f"  ours     | {line}" for line in ours]
    elif finding.aspect in ("exit code", "advice", "crash", "announced difference"):
        lines = [f"  built in | {line}" for line in builtin] + [f"  ours     | {line}" for line in ours]
    else:
        lines = [
            "  " + line
            for line in difflib.unified_diff(builtin, ours, "built in", "ours", lineterm="", n=2)
            if not line.startswith("@@")
        ]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES // 2], f"  ... {len(lines) - _MOST_LINES} lines ...", *lines[-_MOST_LINES // 2 :]]
    return "\n".join(lines)
