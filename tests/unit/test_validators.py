"""Durations on the command line, in seconds."""

from __future__ import annotations

import argparse
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login._validators import validate_min_validity

_NUMBER = st.integers(0, 99_999)


def seconds(text: str | None) -> object:
    """Return what `--min-validity` becomes."""
    namespace = argparse.Namespace(min_validity=text)
    validate_min_validity(namespace)
    return namespace.min_validity


@pytest.mark.parametrize(
    "text, expected",
    [
        ("300", 300),
        ("300s", 300),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h30", 3630),
        ("2h15m10s", 8110),
        ("0", 0),
        (" 10M ", 600),
        (None, None),
    ],
)
def test_a_duration_is_seconds_or_numbers_with_units(text: str | None, expected: float | None) -> None:
    assert seconds(text) == expected


@given(hours=st.none() | _NUMBER, minutes=st.none() | _NUMBER, rest=_NUMBER)
def test_units_add_up(hours: int | None, minutes: int | None, rest: int) -> None:
    text = (f"{hours}h" if hours is not None else "") + (f"{minutes}m" if minutes is not None else "") + f"{rest}s"
    assert seconds(text) == (hours or 0) * 3600 + (minutes or 0) * 60 + rest


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "h",
        "s",
        "-1",
        "+5",
        "1.5h",
        "1,5",
        "10 m",
        "m10",
        "10m1h",
        "1h1h",
        "1d",
        "ten",
        "1e3",
        "٣",
        "99999999",
        "\n",
    ],
)
def test_what_is_no_duration_is_a_usage_error_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"usage error: .*10m"):
        seconds(text)


@given(st.text(max_size=8))
def test_no_text_becomes_anything_but_seconds_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        found = seconds(text)
        assert isinstance(found, float)
        assert found >= 0
