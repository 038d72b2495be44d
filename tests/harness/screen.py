"""What a user sees: a terminal emulator around `az` on a pseudo-terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pexpect
import pyte


class Screen:
    """The lines that a terminal of a given size shows, and the keys that are pressed on it.

    said: everything that was written to the terminal, control sequences included.
    """

    def __init__(self, terminal: pexpect.spawn[str]) -> None:
        rows, columns = terminal.getwinsize()
        self.terminal = terminal
        self.said = ""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)

    @property
    def lines(self) -> list[str]:
        """Return what is on the screen, without trailing blanks."""
        return [line.rstrip() for line in self._screen.display]

    def columns_of(self, pattern: str) -> list[int]:
        """Return the column in which a pattern first begins, for each line that has it. Wide characters count twice."""
        found = []
        for y in range(self._screen.lines):
            cells = [self._screen.buffer[y][x].data for x in range(self._screen.columns)]
            begins = (x for x in range(len(cells)) if cells[x] and re.match(pattern, "".join(cells[x:])))
            found += [next(begins, -1)]
        return [column for column in found if column >= 0]

    def wait_for(self, what: str | Callable[[list[str]], bool], seconds: float = 60) -> list[str]:
        """Wait until a text is on the screen, or lines fulfil a condition, and return the lines.

        A list that is drawn anew hides the cursor until it is whole, and half a drawing fulfils nothing.
        """
        deadline = time.monotonic() + seconds
        while self._screen.cursor.hidden or not self._has(what):
            assert time.monotonic() < deadline, f"{what} never came\n" + "\n".join(self.lines)
            assert self._read(0.2), f"it ended before {what}\n{self.said}"
        return self.lines

    def press(self, *keys: str) -> None:
        """Press keys at once."""
        self.terminal.send("".join(keys))

    def resize(self, rows: int, columns: int) -> None:
        """Give the window another size."""
        self._screen.resize(rows, columns)
        self._screen.reset()
        self.terminal.setwinsize(rows, columns)

    def finish(self) -> int:
        """Wait for the command to end, and return its exit code; fail the test on a traceback."""
        while self._read(60):
            pass
        self.terminal.close()
        assert "Traceback" not in self.said, self.said
        assert self.terminal.exitstatus is not None, f"ended by signal {self.terminal.signalstatus}\n{self.said}"
        return int(self.terminal.exitstatus)

    def _has(self, what: str | Callable[[list[str]], bool]) -> bool:
        return what in "\n".join(self.lines) if isinstance(what, str) else what(self.lines)

    def _read(self, seconds: float) -> bool:
        """Read what was written, or wait for it; False at the end."""
        try:
            text = self.terminal.read_nonblocking(65536, timeout=seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.said += text
        self._stream.feed(text)
        return True
