"""Run a case on both sides and judge it."""

from __future__ import annotations

from tests.parity.case import Case
from tests.parity.compare import compare
from tests.parity.differences import Verdict, judge
from tests.parity.observe import Observation
from tests.parity.run import Suite


def run_case(suite: Suite, case: Case) -> Verdict:
    """Run `case` with the built-in commands and with ours, and return what is not explained.

    A case with a fault has the cloud to itself: the caller sees to that.
    """
    return judge(case, suite.host.name, *_compared(suite, case))


def _compared(suite: Suite, case: Case) -> tuple[list, Observation]:  # type: ignore[type-arg]
    sides = []
    suite.prepare(case.state)
    for extension in (False, True):
        if case.fault:
            suite.cloud.admin.fail_next(case.fault.path, case.fault.count, case.fault.kind)
        try:
            sides.append(suite.observe(case, extension=extension))
        finally:
            if case.fault:
                suite.cloud.admin.clear_faults()
    builtin, ours = sides
    return compare(case, builtin, ours), ours
