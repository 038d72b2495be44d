"""A representative part of the suite, and checks of the suite itself. `make parity` runs all of it."""

from __future__ import annotations

import pytest

from tests.parity.both import run_case
from tests.parity.case import Case
from tests.parity.cases import CASES
from tests.parity.report import describe
from tests.parity.run import Suite


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES if case.fast])
def test_it_is_the_same_with_and_without_the_extension(case: Case, suite: Suite) -> None:
    verdict = run_case(suite, case)
    assert not verdict.unexplained, "\n" + describe(case, verdict.unexplained)


def test_every_case_has_a_name_of_its_own() -> None:
    ids = [case.id for case in CASES]
    assert sorted({each for each in ids if ids.count(each) > 1}) == []


def test_every_command_line_can_be_read() -> None:
    for case in CASES:
        assert case.steps()
        assert len(case.steps(builtin_side=True)) == len(case.steps()), case.id


def test_there_are_at_least_150_command_lines() -> None:
    assert len(CASES) >= 150


def test_a_case_that_changes_the_cloud_is_not_in_the_fast_part() -> None:
    # Other tests share that one.
    assert not [case.id for case in CASES if case.has_the_cloud_to_itself and case.fast]
