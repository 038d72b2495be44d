"""Edits one line of typed and pasted characters, and shows stars in their place."""

from __future__ import annotations

from collections.abc import Callable

MAX_LENGTH = 64 * 1024
"""Characters of the longest line. One more is kept, so that the caller can recognise a longer line."""

_MAX_STARS = 40
# Pasted text arrives without pauses, line breaks included. A line break before a pause (seconds) is the Enter key.
_ENTER_PAUSE = 0.1
# A bracketed paste has an end marker. The longer pause (seconds) is for terminals that do not send it.
_BRACKETED_PAUSE = 1.0

_CTRL_C, _CTRL_D, _CTRL_U, _ESCAPE = "\x03", "\x04", "\x15", "\x1b"
_BACKSPACES = "\x08\x7f"


class LineEditor:
    """A line with Backspace, Ctrl-U, Ctrl-C, Ctrl-D and bracketed paste; other control sequences are dropped.

    Line breaks inside a paste belong to it: terminals and mail programs wrap long lines.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float]) -> None:
        """:param write: receives the stars, at most 40, and never a character of the line.
        :param clock: counts seconds.
        """
        self._write = write
        self._clock = clock
        self._text: list[str] = []
        self._stars = 0
        self._escape = ""
        self._in_paste = False
        self._complete_at: float | None = None
        self.has_ended = False

    def feed(self, characters: str) -> None:
        """Add what was typed.

        :raises KeyboardInterrupt: Ctrl-C arrived as a character.
        """
        for char in characters:
            if char < " " and char != _ESCAPE:
                self._escape = ""  # a sequence without its end does not swallow Ctrl-C or Enter
            if self._escape or char == _ESCAPE:
                self._take_escape(char)
            elif char == _CTRL_C:
                raise KeyboardInterrupt
            elif char == _CTRL_D:
                self._take_end()
            elif char in "\r\n":
                self._append("\n")
                self._complete_at = self._clock() + (_BRACKETED_PAUSE if self._in_paste else _ENTER_PAUSE)
            elif char in _BACKSPACES:
                self._text = self._text[:-1]
            elif char == _CTRL_U:
                self._text = []
            elif char.isprintable() or char == "\t":
                self._append(char)
                self._complete_at = None
        self._show()

    def take(self) -> str | None:
        """Return the line if it is complete, else None. What follows starts the next line."""
        if self._complete_at is None or self._clock() < self._complete_at:
            return None
        line = "".join(self._text).strip("\n")
        self._write(f" ({len(line)} characters)\n" if len(line) > _MAX_STARS else "\n")
        self._text, self._stars, self._complete_at, self._in_paste = [], 0, None, False
        return line

    def _append(self, char: str) -> None:
        if len(self._text) <= MAX_LENGTH:
            self._text.append(char)

    def _take_end(self) -> None:
        # As in canonical mode: Ctrl-D completes the line, and on an empty line it ends the input.
        if self._text:
            self._complete_at = self._clock()
        else:
            self.has_ended = True

    def _take_escape(self, char: str) -> None:
        """Collect a control sequence (ECMA-48 section 5.4). ESC[200~ and ESC[201~ enclose a paste (xterm)."""
        if char == _ESCAPE:
            self._escape = char
            return
        self._escape += char
        introducer = self._escape[1]
        if len(self._escape) == 2 and introducer in "[O":
            return
        if introducer == "[" and not "\x40" <= char <= "\x7e" and len(self._escape) < 32:
            return
        if self._escape == "\x1b[200~":
            self._in_paste = True
        elif self._escape == "\x1b[201~":
            self._in_paste = False
            self._complete_at = None
        self._escape = ""

    def _show(self) -> None:
        stars = min(_MAX_STARS, sum(char != "\n" for char in self._text))
        if stars != self._stars:
            self._write("*" * (stars - self._stars) or "\b \b" * (self._stars - stars))
            self._stars = stars
