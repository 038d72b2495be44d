"""What the list looks like on terminals of every size."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from azext_login.cli.picker.choices import ChoiceList, choices_of
from azext_login.cli.picker.drawing import Drawer, Drawing
from tests.unit.cli.picker.picker_rows import row, rows_of
from tests.users import BOB

_TOKYO = "東京商事株式会社"
_ROWS = [
    row("Contoso Production", id="11111111-1111-4111-8111-111111111111", isDefault=True),
    row("開発環境 🚀", id="22222222-2222-4222-8222-222222222222", tenantDisplayName=_TOKYO),
    row("Sandbox", id="33333333-3333-4333-8333-333333333333", state="Disabled", tenantDisplayName=None),
    row("x" * 200, id="44444444-4444-4444-8444-444444444444", tenantDisplayName="Fabrikam"),
]


def _choices(rows: list[dict[str, Any]], typed: str = "") -> ChoiceList:
    choices = ChoiceList(choices_of(rows))
    choices.type(typed)
    return choices


def _draw(choices: ChoiceList, width: int, height: int) -> Drawing:
    return Drawer(choices, get_cwidth).draw(width, height)


def _text(drawing: Drawing) -> list[str]:
    return ["".join(text for _, text in line).rstrip() for line in drawing.lines]


def _style(drawing: Drawing, beginning: str) -> str:
    ((style, _),) = next(line for line in drawing.lines if line and line[0][1].startswith(beginning))
    return style


def test_a_wide_terminal_shows_everything_in_columns() -> None:
    drawn = _text(_draw(_choices(_ROWS[:3]), 100, 17))
    assert drawn == [
        "Select a subscription and tenant",
        "",
        "Search:                                                                                       3 of 3",
        "   Subscription name   Tenant            Subscription ID",
        ">* Contoso Production  Contoso Ltd       11111111-1111-4111-8111-111111111111",
        "   Sandbox             contoso-id        33333333-3333-4333-8333-333333333333",
        "   開発環境 🚀         東京商事株式会社  22222222-2222-4222-8222-222222222222",
        *([""] * 6),
        "Contoso Production",
        "ID 11111111-1111-4111-8111-111111111111",
        "Tenant Contoso Ltd, contoso.example, contoso-id",
        "Enter: choose  Esc: cancel  Type to search  Up/Down/PgUp/PgDn: move",
    ]


def test_forty_columns_and_ten_rows_are_enough() -> None:
    drawn = _text(_draw(_choices(_ROWS), 40, 10))
    assert drawn == [
        "Search:                           4 of 4",
        ">* Contoso Production       Contoso Ltd",
        "   Sandbox                  contoso-id",
        "   xxxxxxxxxxxxxxxxxxxx...  Fabrikam",
        "   開発環境 🚀              東京商事...",
        "",
        "Contoso Production",
        "ID 11111111-1111-4111-8111-111111111111",
        "Tenant Contoso Ltd, contoso.example, ...",
        "Enter: choose  Esc: cancel",
    ]


def test_twenty_columns_show_names() -> None:
    assert _text(_draw(_choices(_ROWS), 20, 5)) == [
        "Search:       4 of 4",
        ">* Contoso Produc...",
        "   Sandbox",
        "   xxxxxxxxxxxxxx...",
        "Enter: choose  Es...",
    ]


def test_the_account_has_a_column_where_there_are_several() -> None:
    bob = {"name": BOB, "type": "user"}
    drawn = _text(_draw(_choices([_ROWS[0], {**_ROWS[0], "user": bob, "isDefault": False}]), 120, 20))
    assert "Account" in drawn[3]
    assert [line for line in drawn if BOB in line] == [drawn[5]]
    assert drawn[-2] == "Account alice@contoso.example"


def test_the_account_is_in_the_details_where_there_is_no_room_for_a_column() -> None:
    bob = {"name": BOB, "type": "user"}
    drawn = _text(_draw(_choices([_ROWS[0], {**_ROWS[0], "user": bob}]), 40, 12))
    assert [line for line in drawn if "alice" in line] == ["Account alice@contoso.example"]


def test_a_subscription_that_cannot_be_used_says_so() -> None:
    assert "Sandbox (Disabled)" in _text(_draw(_choices(_ROWS, "sandbox"), 80, 24))


def test_the_default_is_bold_and_what_is_pointed_at_is_reversed() -> None:
    choices = _choices(_ROWS)
    assert _style(_draw(choices, 80, 24), ">* Contoso Production") == "bold reverse"
    choices.move(1)
    drawing = _draw(choices, 80, 24)
    assert _style(drawing, " * Contoso Production") == "bold"
    assert _style(drawing, ">  Sandbox") == "reverse"
    assert _style(drawing, "   x") == ""


def test_the_search_text_is_shown_from_its_end_where_it_is_long() -> None:
    drawing = _draw(_choices(_ROWS, "a long search text that ends here"), 30, 10)
    assert _text(drawing)[0] == "Search: h text that ends here"
    assert drawing.cursor == (0, 29)


def test_of_a_wide_search_text_as_much_is_shown_as_fits() -> None:
    drawing = _draw(_choices(_ROWS, "東京" * 20), 30, 10)
    assert _text(drawing)[0] == "Search: 東京東京東京東京東京"
    assert drawing.cursor == (0, 28)


@pytest.mark.parametrize("width", range(60, 140))
def test_an_id_is_shown_whole_or_not_at_all(width: int) -> None:
    drawing = _draw(
        _choices([{**_ROWS[3], "tenantDisplayName": "y" * 200, "user": {"name": "z" * 200}}, *_ROWS]), width, 24
    )
    _, _, _, header, *listed = _text(drawing)[:7]
    assert all(re.search(r" [\d-]{36}$", line) for line in listed) == header.endswith("  Subscription ID")


def test_titles_of_columns_are_whole_also_over_short_names() -> None:
    short = rows_of("a", "b", tenantDisplayName="c")
    other = {**short[1], "user": {"name": "d"}}
    assert (
        _text(_draw(_choices([short[0], other]), 120, 20))[3]
        == "   Subscription name  Tenant  Account                Subscription ID"
    )


def test_what_is_pointed_at_is_reversed_in_all_its_width() -> None:
    drawing = _draw(_choices(_ROWS), 80, 24)
    assert [get_cwidth(text) for line in drawing.lines for style, text in line if "reverse" in style] == [80]


def test_the_text_cursor_is_behind_what_was_typed_also_if_that_is_wide() -> None:
    assert _draw(_choices(_ROWS, "東京"), 80, 24).cursor == (2, 12)


def test_nothing_found_says_how_to_go_on() -> None:
    drawn = _text(_draw(_choices(_ROWS, "no such thing"), 80, 24))
    assert drawn[2].endswith("0 of 4")
    assert "   Nothing matches. Press Backspace or Ctrl-U." in drawn


def test_one_very_long_name_leaves_the_tenants_whole() -> None:
    drawn = _text(_draw(_choices(_ROWS), 80, 24))
    assert [line for line in drawn if line.endswith(_TOKYO)]


@pytest.mark.parametrize(("height", "listed"), [(2, 1), (5, 3), (7, 2), (10, 5), (24, 15)])
def test_a_short_terminal_shows_as_much_of_the_list_as_it_can(height: int, listed: int) -> None:
    rows = rows_of(*(f"subscription {number:02d}" for number in range(50)))
    drawn = _text(_draw(_choices(rows), 80, height))
    assert sum("subscription" in line and "Contoso Ltd" in line for line in drawn) == listed
    assert sum(line.startswith("Search:") for line in drawn) == 1


def test_a_key_on_a_list_of_five_thousand_takes_a_moment() -> None:
    rows = [row(f"subscription {number:04d} 開発", id=f"{number:036d}") for number in range(5000)]
    choices = _choices(rows)
    drawer = Drawer(choices, get_cwidth)
    drawer.draw(120, 40)
    began = time.process_time()
    for character in "contoso 49":
        choices.type(character)
        drawer.draw(120, 40)
    # In seconds of the processor, so that other load does not count: 5 ms a key on an old one.
    assert (time.process_time() - began) / 10 < 0.05
    assert len(choices.matches) == 199


_NAME = st.text(min_size=1, max_size=60)


@given(
    names=st.lists(_NAME, min_size=1, max_size=30),
    tenants=st.lists(_NAME, min_size=1, max_size=4),
    users=st.lists(_NAME, min_size=1, max_size=2),
    typed=st.sampled_from(["", "a", "zzzzzz", "東" * 50]),
    moved=st.integers(-3, 40),
    width=st.integers(1, 200),
    height=st.integers(1, 60),
)
def test_every_line_fits_whatever_the_names_and_the_size(
    names: list[str], tenants: list[str], users: list[str], typed: str, moved: int, width: int, height: int
) -> None:
    rows = [
        row(name, user={"name": users[n % len(users)]}, tenantDisplayName=tenants[n % len(tenants)])
        for n, name in enumerate(names)
    ]
    choices = _choices(rows, typed)
    choices.move(moved)
    drawing = _draw(choices, width, height)
    assert len(drawing.lines) == height
    assert max(get_cwidth("".join(text for _, text in line)) for line in drawing.lines) <= width
    line, column = drawing.cursor
    assert line < height
    assert column < width
    reversed_lines = [line for line in drawing.lines if any("reverse" in style for style, _ in line)]
    assert len(reversed_lines) == (1 if choices.current and height > 1 else 0)


@given(st.lists(_NAME, min_size=2, max_size=20), st.integers(40, 160))
def test_the_columns_are_aligned_whatever_the_width_of_the_characters(names: list[str], width: int) -> None:
    drawing = _draw(_choices(rows_of(*names)), width, 40)
    lines = ["".join(text for _, text in line) for line in drawing.lines]
    tenant_at = {
        get_cwidth(line[: line.rindex("Contoso Ltd")]) for line in lines if line.rstrip().endswith("Contoso Ltd")
    }
    assert len(tenant_at) <= 1
