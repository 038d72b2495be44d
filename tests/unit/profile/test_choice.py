"""What chooses for a process: variables, a context by its name, the file of the directory, in this order."""

from __future__ import annotations

from typing import Any

import pytest

from azext_login.profile.choice import Choice, find_choice
from azext_login.profile.context_file import ContextFile
from tests.users import ALICE, BOB

_ACCOUNT, _SUBSCRIPTION, _CONTEXT = "AZURE_LOGIN_ACCOUNT", "AZURE_LOGIN_SUBSCRIPTION", "AZURE_LOGIN_CONTEXT"
_FILE = ContextFile("/project", "work")


def _record(name: str, user: str = ALICE) -> dict[str, Any]:
    return {"name": name, "cloud": "LocalCloud", "user": {"name": user}, "tenant": "t-1", "subscription": "s-1"}


def _choice(
    environ: dict[str, str], file: ContextFile | None = None, allowed: dict[str, Any] | None = None, *names: str
) -> Choice:
    records = [_record("work"), _record("Private", BOB), *map(_record, names)]
    return find_choice(environ, lambda: (records, allowed or {}), lambda: file)


def _name(choice: Choice) -> str | None:
    return None if choice.chosen is None or choice.chosen.context is None else choice.chosen.context.name


def test_without_anything_nothing_stored_is_read() -> None:
    def fail() -> Any:
        raise AssertionError("read")

    for environ in ({}, {_CONTEXT: " "}, {_ACCOUNT: ALICE}):
        assert find_choice(environ, fail, lambda: None) == Choice(account=environ.get(_ACCOUNT))


def test_the_variable_takes_precedence_over_the_file_which_is_not_looked_for() -> None:
    def fail() -> Any:
        raise AssertionError("looked for")

    choice = find_choice({_CONTEXT: "private"}, lambda: ([_record("Private")], {}), fail)
    assert (_name(choice), choice.origin, choice.cloud) == ("Private", _CONTEXT, "LocalCloud")


def test_an_allowed_file_chooses() -> None:
    choice = _choice({}, _FILE, {"/project": "work"})
    assert (_name(choice), choice.origin, choice.refused) == ("work", "/project/.azure-context", None)


@pytest.mark.parametrize("allowed", [{}, {"/project": "Work"}, {"/": "work"}, {"/project": ["work"]}])
def test_another_file_is_refused_and_chooses_nothing(allowed: dict[str, Any]) -> None:
    choice = _choice({}, _FILE, allowed)
    assert (bool(choice), choice.refused) == (False, _FILE)


def test_a_file_that_cannot_count_is_refused_whatever_is_allowed() -> None:
    file = ContextFile("/project", None, "it is a symbolic link")
    assert _choice({}, file, {"/project": None}).refused is file


def test_an_account_takes_precedence_over_a_context_of_another_account() -> None:
    for environ, file in (({_CONTEXT: "work"}, None), ({}, _FILE), ({_CONTEXT: "nothing"}, None)):
        choice = _choice({_ACCOUNT: BOB, **environ}, file, {"/project": "work"})
        assert (choice, choice.cloud) == (Choice(BOB), None)
    # The directory could not choose anything either, so there is nothing to warn about.
    assert _choice({_ACCOUNT: BOB}, _FILE) == Choice(BOB)


def test_a_context_of_the_chosen_account_counts_too() -> None:
    choice = _choice({_ACCOUNT: ALICE.upper(), _CONTEXT: "WORK"})
    assert (_name(choice), choice.cloud, choice.origin) == ("work", "LocalCloud", _ACCOUNT)


def test_a_chosen_subscription_keeps_the_context() -> None:
    choice = _choice({_SUBSCRIPTION: "One", _CONTEXT: "work"})
    assert (_name(choice), choice.subscription, choice.names_account) == ("work", "One", True)


def test_a_name_that_no_context_has_is_kept_for_the_error() -> None:
    for name in ("nothing", "..", "wor\u212a"):
        choice = _choice({_CONTEXT: name})
        assert choice.chosen is not None
        assert (choice.chosen.name, choice.chosen.context, bool(choice)) == (name, None, True)
