"""The table of deliberate differences: each entry explains its own findings only, and the documentation shows them."""

from __future__ import annotations

import pytest

from tests.harness.environments import ROOT
from tests.parity.case import Case
from tests.parity.cases import CASES
from tests.parity.compare import Finding
from tests.parity.differences import DIFFERENCES, Difference
from tests.parity.judging import judge, render
from tests.parity.observe import Observation, Said

BEGIN, END = ".. differences-begin", ".. differences-end"
CASE = Case("account list --refresh")
ROWS = Finding("rows", "az account list --refresh", "two", "three")
KEEPS = Difference("keeps", "forgets", "keeps", "keeping is right", ("--refresh",), frozenset({"rows"}))


def ours(stderr: str = "") -> Observation:
    return Observation((Said(("account",), 0, "", stderr, 0.1),), {})


def test_the_documentation_shows_the_table() -> None:
    page = (ROOT / "docs" / "differences.rst").read_text(encoding="utf-8")
    assert BEGIN in page, f"docs/differences.rst has no line '{BEGIN}' yet"
    assert END in page, f"docs/differences.rst has no line '{END}' yet"
    shown = page.partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == render().strip(), "run: python -m tests.parity --render-differences"


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.id)
def test_a_difference_has_a_reason_and_covers_a_case_on_each_of_its_hosts(difference: Difference) -> None:
    assert difference.reason
    assert difference.aspects or difference.here_says
    for host in difference.hosts:
        assert any(difference.covers(case, host) and host in case.hosts for case in CASES)


def test_a_difference_has_an_id_of_its_own() -> None:
    ids = [difference.id for difference in DIFFERENCES]
    assert len(set(ids)) == len(ids)


def test_what_differs_without_an_entry_is_left_to_explain() -> None:
    assert judge(CASE, "newest", [ROWS], ours(), []).unexplained == [ROWS]


def test_an_entry_explains_the_aspects_that_it_names() -> None:
    exit_code = Finding("exit code", "az account list --refresh", "0", "1")
    verdict = judge(CASE, "newest", [ROWS, exit_code], ours(), [KEEPS])
    assert verdict.unexplained == [exit_code]
    assert verdict.shown == {"keeps"}


def test_an_entry_says_nothing_about_other_cases_and_hosts() -> None:
    assert judge(Case("account list"), "newest", [ROWS], ours(), [KEEPS]).unexplained == [ROWS]
    oldest = Difference("keeps", "", "", "", ("--refresh",), frozenset({"rows"}), hosts=("oldest",))
    assert judge(CASE, "newest", [ROWS], ours(), [oldest]).unexplained == [ROWS]


def test_an_entry_that_is_not_needed_has_not_been_shown() -> None:
    assert judge(CASE, "newest", [], ours(), [KEEPS]).shown == frozenset()


def test_what_we_promise_to_say_must_be_said() -> None:
    tells = Difference("tells", "", "", "", ("--refresh",), here_says="was left out")
    assert judge(CASE, "newest", [], ours("Tenant x was left out"), [tells]).shown == {"tells"}
    (finding,) = judge(CASE, "newest", [], ours("nothing"), [tells]).unexplained
    assert finding.aspect == "announced difference"
