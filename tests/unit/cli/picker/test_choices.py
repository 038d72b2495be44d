"""What matches a search, what is pointed at, and what of a name is shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.cli.picker.choices import ChoiceList, choices_of
from azext_login.system.text import printable
from tests.unit.cli.picker.picker_rows import row, rows_of

_NAMES = ("a-dev", "Dev", "dev-east", "Ελλάδα ΣΑΣ", "ｆｕｌｌ　ｗｉｄｔｈ", "preprod", "Prod", "straße")


def _list_of(*names: str, default: str | None = None) -> ChoiceList:
    return ChoiceList(choices_of(rows_of(*names, default=default)))


def _matching(choices: ChoiceList, *typed: str) -> list[str]:
    for text in typed:
        choices.type(text)
    return [choice.name for choice in choices.matches]


def _pointed_at(choices: ChoiceList) -> str | None:
    return choices.current.name if choices.current else None


def test_the_order_is_that_of_the_built_in_list() -> None:
    assert [choice.name for choice in choices_of(rows_of("b", "A", "c", "B"))] == ["A", "b", "B", "c"]


@pytest.mark.parametrize(
    "typed",
    [
        *("contoso ltd", "CONTOSO.EXAMPLE", "1111-tenant", "0007-sub", "alice@"),
        *("ltd alice", "  example   0007", "payments ltd"),
    ],
)
def test_every_word_may_be_anywhere_in_what_is_known(typed: str) -> None:
    wanted = row("Payments", id="0007-sub", tenantId="1111-tenant")
    others = rows_of("Other", tenantId="2222", tenantDisplayName="Fabrikam", tenantDefaultDomain="fabrikam.test")
    others[0]["user"] = {"name": "bob@fabrikam.test", "type": "user"}
    choices = ChoiceList(choices_of([wanted, *others]))
    choices.type(typed)
    assert [choice.row for choice in choices.matches] == [wanted]


@pytest.mark.parametrize(
    ("typed", "found"),
    [("ελλάδα σας", "Ελλάδα ΣΑΣ"), ("full width", "ｆｕｌｌ　ｗｉｄｔｈ"), ("STRASSE", "straße")],
)
def test_what_reads_the_same_matches_whatever_its_characters(typed: str, found: str) -> None:
    assert _matching(_list_of(*_NAMES), typed) == [found]


def test_a_word_does_not_reach_from_one_field_into_the_next() -> None:
    assert _matching(ChoiceList(choices_of([row("abc", id="def")])), "cdef") == []


def test_the_same_name_comes_first_then_what_begins_with_it() -> None:
    assert _matching(_list_of(*_NAMES), "dev") == ["Dev", "dev-east", "a-dev"]


def test_an_exact_id_comes_before_a_name_that_begins_with_it() -> None:
    rows = [row("0007 and more", id="9"), row("z", id="0007")]
    choices = ChoiceList(choices_of(rows))
    choices.type("0007")
    assert _pointed_at(choices) == "z"


def test_the_default_is_pointed_at_until_something_is_typed_and_again_afterwards() -> None:
    choices = _list_of(*_NAMES, default="preprod")
    assert _pointed_at(choices) == "preprod"
    choices.type("dev")
    assert _pointed_at(choices) == "Dev"
    choices.erase_all()
    assert _pointed_at(choices) == "preprod"


def test_without_a_default_the_first_one_is_pointed_at() -> None:
    assert _pointed_at(_list_of("b", "a")) == "a"


def test_nothing_is_pointed_at_where_nothing_matches() -> None:
    choices = _list_of(*_NAMES)
    assert _matching(choices, "no such thing") == []
    for action in (choices.move_to_end, choices.move_to_start, lambda: choices.move(1), lambda: choices.move_pages(1)):
        action()
        assert choices.current is None
        assert choices.window(5) == []


def test_what_was_typed_can_be_taken_back_by_character_word_and_altogether() -> None:
    choices = _list_of(*_NAMES)
    choices.type("dev east  ")
    choices.erase()
    assert choices.search == "dev east "
    choices.erase_word()
    assert choices.search == "dev "
    choices.erase_word()
    assert choices.search == ""
    choices.erase_word()
    choices.erase()
    assert len(choices.matches) == len(_NAMES)


def test_a_pasted_line_break_is_a_blank_and_control_characters_are_nothing() -> None:
    choices = _list_of(*_NAMES)
    choices.type("\n dev\r\n\x1b\x07east")
    assert choices.search == "dev  east"
    assert _pointed_at(choices) == "dev-east"


def test_a_pasted_novel_is_cut() -> None:
    choices = _list_of(*_NAMES)
    choices.type("x" * 1_000_000)
    assert len(choices.search) == 200


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x9b31m", "31m"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("two\nlines\tand tabs", "two lines and tabs"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("👨\u200d👩", "👨👩"),
        ("❤\ufe0f", "❤"),
        ("Ça va, 東京?", "Ça va, 東京?"),
    ],
)
def test_nothing_in_a_name_is_obeyed_by_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_whatever_is_shown_stays_in_its_line(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode("utf-8")


_ACTIONS: dict[str, Callable[[ChoiceList], object]] = {
    "up": lambda choices: choices.move(-1),
    "down": lambda choices: choices.move(1),
    "page up": lambda choices: choices.move_pages(-1),
    "page down": lambda choices: choices.move_pages(1),
    "home": lambda choices: choices.move_to_start(),
    "end": lambda choices: choices.move_to_end(),
    "type a digit": lambda choices: choices.type("1"),
    "type a blank": lambda choices: choices.type(" "),
    "erase": lambda choices: choices.erase(),
    "erase all": lambda choices: choices.erase_all(),
    "small window": lambda choices: choices.window(1),
    "window": lambda choices: choices.window(7),
    "large window": lambda choices: choices.window(300),
}


@given(st.integers(1, 120), st.integers(0, 119), st.lists(st.sampled_from(sorted(_ACTIONS)), max_size=40))
def test_whatever_keys_are_pressed_the_choice_pointed_at_is_in_the_window(
    count: int, default: int, actions: list[str]
) -> None:
    names = [f"name {number:03d}" for number in range(count)]
    choices = _list_of(*names, default=names[default % count])
    for action in actions:
        _ACTIONS[action](choices)
        for height in (1, 4, 50):
            window = choices.window(height)
            assert len(window) == min(height, len(choices.matches))
            assert (choices.current in window) if choices.matches else choices.current is None
        found = [name for name in names if all(word in name for word in choices.search.split())]
        assert sorted(choice.name for choice in choices.matches) == found


def test_a_page_down_leaves_one_line_of_the_page_before() -> None:
    choices = _list_of(*(f"{number:03d}" for number in range(100)))
    choices.window(10)
    choices.move(9)
    before = choices.window(10)
    choices.move_pages(1)
    after = choices.window(10)
    assert [choice.name for choice in after] == [f"{number:03d}" for number in range(9, 19)]
    assert before[-1] is after[0]


def test_moving_within_the_window_does_not_move_the_window() -> None:
    choices = _list_of(*(f"{number:03d}" for number in range(100)), default="050")
    before = choices.window(10)
    choices.move(3)
    assert choices.window(10) == before
    choices.move(-6)
    assert choices.window(10) == before
