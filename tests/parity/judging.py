"""Explain what differs by the table of deliberate differences, and show that table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.parity.case import Case
from tests.parity.compare import Finding
from tests.parity.differences import DIFFERENCES, Difference
from tests.parity.observe import Observation


@dataclass(frozen=True)
class Verdict:
    """What is left to explain in a case, and which differences it has shown."""

    unexplained: list[Finding]
    shown: frozenset[str]


def judge(
    case: Case,
    host: str,
    findings: Sequence[Finding],
    ours: Observation,
    differences: Iterable[Difference] = DIFFERENCES,
) -> Verdict:
    """Explain the findings of a case by the differences that cover it."""
    left, shown = list(findings), set()
    said = "\n".join(step.stderr for step in ours.said)
    for difference in differences:
        if not difference.covers(case, host):
            continue
        if difference.here_says:
            if re.search(difference.here_says, said):
                shown.add(difference.id)
            else:
                left.append(Finding("announced difference", difference.id, difference.here_says, said))
                continue
        explained = [finding for finding in left if finding.aspect in difference.aspects]
        if explained:
            shown.add(difference.id)
            left = [finding for finding in left if finding not in explained]
    return Verdict(left, frozenset(shown))


def unshown(shown: Iterable[str], host: str) -> list[Difference]:
    """Return the differences that apply to `host` and that no case has shown: they are out of date."""
    seen = set(shown)
    return [each for each in DIFFERENCES if host in each.hosts and each.id not in seen]


def render() -> str:
    """Return the table of docs/differences.rst, as a reStructuredText list-table."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 50 50", "", "   * - built in", "     - here"]
    for difference in DIFFERENCES:
        for bullet, text in (("   * -", difference.builtin), ("     -", difference.here)):
            lines.append(f"{bullet} {' '.join(text.split())}")
    return "\n".join(lines) + "\n"
