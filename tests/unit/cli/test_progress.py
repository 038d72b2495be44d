"""The line that shows the progress of a discovery."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from azext_login.cli.progress import line_of
from azext_login.resource_manager.discovery import Progress
from azext_login.resource_manager.resources import Tenant

_names = (
    st.none() | st.text(max_size=30) | st.sampled_from(["Contoso", "測試株式会社", "Łódź 🚀❤️", "\x1b[31mred\r\n", "é"])
)
_waiting = st.lists(st.builds(Tenant, st.just("0f1e2d3c"), _names), max_size=6).map(tuple)
_progresses = st.builds(Progress, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**7), _waiting)


@given(_progresses, st.integers(1, 200))
def test_the_line_is_never_wider_than_the_terminal_and_moves_nothing_else(progress: Progress, width: int) -> None:
    line = line_of(progress, width)
    # wcswidth returns -1 for control characters.
    assert 0 <= wcswidth(line) <= width


def test_the_line_says_how_far_it_is_and_who_is_waited_for() -> None:
    contoso, nameless = Tenant("a", "Contoso"), Tenant("0f1e2d3c")
    assert line_of(Progress(50, 3, 1, (contoso,)), 80) == "3 of 50 tenants, 1 subscription; waiting for Contoso"
    assert line_of(Progress(1, 0, 0, (nameless,)), 80) == "0 of 1 tenant, 0 subscriptions; waiting for 0f1e2d3c"
    assert line_of(Progress(0, 0, 0, ()), 80) == "looking for tenants"
    assert line_of(Progress(2, 2, 12, ()), 80) == "2 of 2 tenants, 12 subscriptions"


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (80, "1 of 6 tenants, 4 subscriptions; waiting for One, Two, Three and 2 more"),
        (68, "1 of 6 tenants, 4 subscriptions; waiting for One, Two and 3 more"),
        (60, "1 of 6 tenants, 4 subscriptions; waiting for One and 4 more"),
        (50, "1 of 6 tenants, 4 subscriptions"),
        (12, "1 of 6 tenan"),
    ],
)
def test_a_narrow_terminal_gets_the_beginning(width: int, expected: str) -> None:
    waiting = tuple(Tenant(name, name) for name in ("One", "Two", "Three", "Four", "Five"))
    assert line_of(Progress(6, 1, 4, waiting), width) == expected


@pytest.mark.parametrize("width", range(20, 121, 4))
def test_characters_that_take_two_columns_are_counted_as_two(width: int) -> None:
    wide = Tenant("a", "測試株式会社")
    assert wcswidth(line_of(Progress(9, 1, 4, (wide, wide, wide, wide)), width)) <= width
