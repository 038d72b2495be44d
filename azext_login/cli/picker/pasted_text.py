"""Tells what is pasted from what is typed, also if the end of a paste never arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

_START, _END = "\x1b[200~", "\x1b[201~"
_CTRL_C, _ESCAPE = "\x03", "\x1b"
# A paste arrives in pieces. After a longer pause (seconds), keys are keys again even if its end has not arrived.
_LONGEST_PAUSE = 1.0


class Piece(NamedTuple):
    """A part of the input."""

    text: str
    is_pasted: bool


class PasteSplitter:
    """Splits the input of a terminal into typed and pasted text, as it arrives.

    A bracketed paste (xterm) is enclosed in ESC[200~ and ESC[201~. Its end may be missing, so it also ends with Ctrl-C,
    with an Escape that nothing follows, and at a pause.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """:param clock: counts seconds and never goes back."""
        self._clock = clock
        self._in_paste = False
        self._held = ""
        self._fed_at = 0.0

    @property
    def has_escape(self) -> bool:
        """Whether an escape was held."""
        return bool(self._held)

    def feed(self, text: str) -> Iterator[Piece]:
        """Yield the pieces. The beginning of a marker is held until more follows, or `flush`."""
        before, self._fed_at = self._fed_at, self._clock()
        if self._fed_at - before > _LONGEST_PAUSE:
            self._in_paste = False
        text, self._held = self._held + text, ""
        while text:
            cut = self._cut_pasted if self._in_paste else self._cut_typed
            piece, text = cut(text)
            if piece.text:
                yield piece

    def flush(self) -> Iterator[Piece]:
        """Yield what was held: nothing has followed it for the time that tells an Escape from a longer sequence."""
        if self._held == _ESCAPE or not self._in_paste:
            held, self._held, self._in_paste = self._held, "", False
            if held:
                yield Piece(held, is_pasted=False)

    def _cut_typed(self, text: str) -> tuple[Piece, str]:
        typed, marker, rest = text.partition(_START)
        if marker:
            self._in_paste = True
        else:
            typed, self._held = _without_beginning(typed, _START)
        return Piece(typed, is_pasted=False), rest

    def _cut_pasted(self, text: str) -> tuple[Piece, str]:
        pasted, marker, rest = text.partition(_END)
        if _CTRL_C in pasted:
            pasted = pasted.partition(_CTRL_C)[0]
            self._in_paste = False
            return Piece(pasted, is_pasted=True), text[len(pasted) :]
        if marker:
            self._in_paste = False
        else:
            pasted, self._held = _without_beginning(pasted, _END)
        return Piece(pasted, is_pasted=True), rest


def _without_beginning(text: str, marker: str) -> tuple[str, str]:
    """Split off the end of a text that may be the beginning of a marker."""
    longest = next((length for length in range(len(marker) - 1, 0, -1) if text.endswith(marker[:length])), 0)
    return text[: len(text) - longest], text[len(text) - longest :]
