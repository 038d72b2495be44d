"""The contract suite for credential sources accepts a good source, and finds what is wrong with each bad one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from azext_login.testing import CredentialSourceContract
from tests.unit.testing.broken_plugin import SOURCES

ROOT = Path(__file__).resolve().parents[3]

# Which test finds what is wrong with a source.
_FOUND_BY = {
    "CachesInTheModule": "test_it_gives_another_credential_after_the_first_has_expired",
    "CachesInTheSource": "test_one_source_renews_too",
    "GivesExpired": "test_it_gives_a_valid_credential",
    "CallsAllValid": "test_an_expired_credential_is_not_called_valid",
    "CallsValidForTooLong": "test_it_gives_a_valid_credential",
    "Exits": "test_a_refusal_is_an_error",
    "GivesNothing": "test_a_refusal_is_an_error",
    "FailsWithoutMessage": "test_a_refusal_is_an_error",
    "Hangs": "test_it_gives_up_before_az_does",
    "TakesAnyArgument": "test_an_unknown_argument_is_an_error_that_names_it",
    "HasDefault": "test_a_missing_argument_is_an_error_that_names_it",
    "IsBusy": "test_many_threads_get_valid_credentials",
    "Logs": "test_no_secret_is_logged_or_shown",
    "ShowsInRepr": "test_no_secret_is_logged_or_shown",
    "ShowsInError": "test_no_secret_is_logged_or_shown",
    "ShowsOnStandardError": "test_no_secret_is_logged_or_shown",
    "Prints": "test_nothing_is_written_to_standard_output",
    "PrintsInChild": "test_nothing_is_written_to_standard_output",
    "Asks": "test_no_user_is_asked_where_none_waits",
    "ReadsInput": "test_no_user_is_asked_where_none_waits",
    "ChangesRequest": "test_the_request_and_the_arguments_stay_as_they_are",
    "ChangesArguments": "test_the_request_and_the_arguments_stay_as_they_are",
    "ChangesEnvironment": "test_the_process_stays_as_it_is",
    "ChangesDirectory": "test_the_process_stays_as_it_is",
    "LeavesThread": "test_the_process_stays_as_it_is",
    "GivesList": "test_it_gives_a_valid_credential",
    "GivesNoVersion": "test_it_gives_a_valid_credential",
    "HasNoFetch": "test_it_gives_a_valid_credential",
    "Loud": "test_importing_the_module_prints_nothing",
    "Missing": "test_the_module_offers_the_source",
}

Outcomes = Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """For each source, the outcome of each test: of a pytest without our settings and fixtures, as an author has it."""
    report = tmp_path_factory.mktemp("contract") / "report.xml"
    words = ["--noconftest", "-c", os.devnull, f"--rootdir={ROOT}", "-p", "no:cacheprovider", f"--junitxml={report}"]
    file = Path(__file__).with_name("contract_runs.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words, str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found: dict[str, dict[str, str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        source = case.attrib["classname"].rpartition(".")[2].removeprefix("Test")
        outcome = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        found.setdefault(source, {})[case.attrib["name"]] = outcome
    return found


def test_a_good_source_passes_every_test(outcomes: Outcomes) -> None:
    expected = [name for name in vars(CredentialSourceContract) if name.startswith("test_")]
    assert outcomes["Good"] == dict.fromkeys(expected, "passed")
    assert len(expected) >= 16


@pytest.mark.parametrize("source, test", _FOUND_BY.items())
def test_what_is_wrong_with_a_source_is_found(outcomes: Outcomes, source: str, test: str) -> None:
    assert outcomes[source][test] == "failure"


def test_every_test_of_the_suite_finds_something_and_every_source_is_tried() -> None:
    suite = {name for name in vars(CredentialSourceContract) if name.startswith("test_")}
    assert set(_FOUND_BY.values()) == suite
    assert set(_FOUND_BY) == (set(SOURCES) - {"good"}) | {"Loud", "Missing"}
