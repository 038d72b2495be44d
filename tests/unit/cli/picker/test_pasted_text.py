"""What is pasted and what is typed, whatever pieces it arrives in and whether or not its end arrives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azext_login.cli.picker.pasted_text import PasteSplitter, Piece

_START, _END = "\x1b[200~", "\x1b[201~"
_PAUSE = None  # longer than any within a paste


def _split(*events: str | None) -> tuple[str, str]:
    """Feed texts, and return all that was typed and all that was pasted."""
    now = 0.0
    splitter = PasteSplitter(lambda: now)
    pieces: list[Piece] = []
    for event in events:
        now += 2 if event is None else 0.01
        pieces += splitter.flush() if event is None else splitter.feed(event)
    pieces += splitter.flush()
    return tuple("".join(piece.text for piece in pieces if piece.is_pasted is which) for which in (False, True))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("events", "typed", "pasted"),
    [
        ((f"a{_START}b\n{_END}c",), "ac", "b\n"),
        ((f"{_START}b", _PAUSE, "\r"), "\r", "b"),
        ((f"{_START}b", "\r"), "", "b\r"),
        ((f"{_START}b", "\x03"), "\x03", "b"),
        ((f"{_START}b\x03{_END}",), f"\x03{_END}", "b"),
        ((f"{_START}b", "\x1b", _PAUSE, "c"), "\x1bc", "b"),
        ((f"{_START}b\x1b[31mc", f"d{_END}e"), "e", "b\x1b[31mcd"),
        ((_START,), "", ""),
        (("\x1b", _PAUSE, "\x1b[A"), "\x1b\x1b[A", ""),
        (("\x1b", "[A"), "\x1b[A", ""),
        ((f"{_START}{_START}b{_END}",), "", f"{_START}b"),
        ((_END,), _END, ""),
    ],
)
def test_keys_are_keys_again_after_a_paste_with_or_without_an_end(
    events: tuple[str | None, ...], typed: str, pasted: str
) -> None:
    assert _split(*events) == (typed, pasted)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab\r\n\x1b[201~\x03"), max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_how_the_keys_are_grouped_makes_no_difference(text: str, one: int, two: int) -> None:
    first, second = sorted((one, two))
    whole = f"a{_START}{text}{_END}b"
    assert _split(whole) == _split(whole[:first], whole[first:second], whole[second:])
