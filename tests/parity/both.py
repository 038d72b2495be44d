"""Run a case on both sides and judge it."""

from __future__ import annotations

from tests.parity.case import Case
from tests.parity.compare import compare
from tests.parity.judging import Verdict, judge
from tests.parity.observe import Observation
from tests.parity.run import Suite


def run_case(suite: Suite, case: Case) -> Verdict:
    """Run `case` with the built-in commands and with ours, and return what is not explained.

    A case with a fault has the cloud to itself: the caller sees to that.
    """
    sides: list[Observation] = []
    suite.prepare(case.state)
    for extension in (False, True):
        if case.fault:
            fault = case.fault
            suite.cloud.admin.fail_next(fault.path, fault.count, fault.kind, fault.status)
        try:
            sides.append(suite.observe(case, extension=extension))
        finally:
            if case.fault:
                suite.cloud.admin.clear_faults()
    builtin, ours = sides
    return judge(case, suite.host.name, compare(case, builtin, ours), ours)
