"""Makes one line out of typed and pasted characters, and shows stars in their place."""

from __future__ import annotations

from collections.abc import Callable

_MAX_LENGTH = 64 * 1024
_MAX_STARS = 40
# Pasted text arrives without pauses, whatever it holds: a line break after which nothing follows is the Enter
# key.
_ENTER_PAUSE = 0.1
# In a bracketed paste the terminal says where the text ends; the long wait is for one that forgets to say so.
_BRACKETED_PAUSE = 1.0

_CTRL_C, _CTRL_D, _CTRL_U, _ESCAPE = "\x03", "\x04", "\x15", "\x1b"
_BACKSPACES = "\x08\x7f"


class LineEditor:
    """A line with Backspace, Ctrl-U, Ctrl-C, Ctrl-D and bracketed paste; other control sequences are dropped.

    Line breaks inside a paste belong to it: terminals and mail programs wrap long addresses. `write` shows
    stars on the terminal, at most 40, never a character. `clock` counts seconds.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._write = write
        self._clock = clock
        self._text: list[str] = []
        self._stars = 0
        self._escape = ""
        self._in_paste = False
        self._ends_at: float | None = None
        self.ended = False

    def feed(self, characters: str) -> None:
        """Add what was typed. Raises KeyboardInterrupt for a Ctrl-C that came as a character."""
        for char in characters:
            if self._escape or char == _ESCAPE:
                self._take_escape(char)
            elif char == _CTRL_C:
                raise KeyboardInterrupt
            elif char == _CTRL_D:
                self._take_end()
            elif char in "\r\n":
                self._append("\n")
                self._ends_at = self._clock() + (_BRACKETED_PAUSE if self._in_paste else _ENTER_PAUSE)
            elif char in _BACKSPACES:
                self._text = self._text[:-1]
            elif char == _CTRL_U:
                self._text = []
            elif char.isprintable() or char == "\t":
                self._append(char)
                self._ends_at = None
        self._show()

    def take(self) -> str | None:
        """The line, once it is finished; None as long as it is not. What follows starts the next one."""
        if self._ends_at is None or self._clock() < self._ends_at:
            return None
        line = "".join(self._text).strip("\n")
        self._write(f" ({len(line)} characters)\n" if len(line) > _MAX_STARS else "\n")
        self._text, self._stars, self._ends_at, self._in_paste = [], 0, None, False
        return line

    def _append(self, char: str) -> None:
        # One more than what can be an address, so that too much is still recognised as that.
        if len(self._text) <= _MAX_LENGTH:
            self._text.append(char)

    def _take_end(self) -> None:
        # As a terminal in canonical mode does it: Ctrl-D finishes what there is, and is the end if there is
        # nothing.
        if self._text:
            self._ends_at = self._clock()
        else:
            self.ended = True

    def _take_escape(self, char: str) -> None:
        """Collect a control sequence (ECMA-48 section 5.4); a paste is bracketed by ESC[200~ and ESC[201~
        (xterm)."""
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
            self._ends_at = None
        self._escape = ""

    def _show(self) -> None:
        stars = min(_MAX_STARS, sum(char != "\n" for char in self._text))
        if stars != self._stars:
            self._write("*" * (stars - self._stars) or "\b \b" * (self._stars - stars))
            self._stars = stars
