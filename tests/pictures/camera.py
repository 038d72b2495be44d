"""What a terminal shows after all that was written to it: characters and how they look."""

from __future__ import annotations

import re

import pyte
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

# ECMA-48 and xterm, "Alternate Screen Buffer": a program that draws has a screen of its own, which pyte does not know.
_ALTERNATE, _MAIN = "\x1b[?1049h", "\x1b[?1049l"

# pyte's names of the colours, where rich has others. One of them is a slip of pyte's.
_COLOURS = {"brown": "yellow", "brightbrown": "bright_yellow", "bfightmagenta": "bright_magenta"}


def cells_of(written: str, rows: int, columns: int, *, shows_cursor: bool) -> list[list[Segment]]:
    """Return the lines of the screen without blank ones at the end, each in full width.

    A segment is a run of characters that look alike. Blanks between columns, and what may be wider or narrower in the
    reader's font than in the terminal, are segments of their own, so that nothing after them is moved.
    """
    _, is_drawing, drawn = written.rpartition(_ALTERNATE)
    screen = pyte.Screen(columns, rows)
    pyte.Stream(screen).feed(drawn if is_drawing and _MAIN not in drawn else written)
    cursor = (screen.cursor.y, screen.cursor.x) if shows_cursor and not screen.cursor.hidden else None
    lines = [_segments(screen, row, cursor) for row in range(rows)]
    while lines and all(segment.text.isspace() and not segment.style for segment in lines[-1]):
        lines.pop()
    return [[part for segment in line for part in _parts(segment)] for line in lines]


def _parts(segment: Segment) -> list[Segment]:
    return [Segment(text, segment.style) for text in re.split(r"(\s{2,}|\s$)", segment.text) if text]


def _segments(screen: pyte.Screen, row: int, cursor: tuple[int, int] | None) -> list[Segment]:
    segments: list[Segment] = []
    may_grow = False
    for column in range(screen.columns):
        char = screen.buffer[row][column]
        if not char.data:  # the second half of a wide character
            continue
        style = _style(char, is_cursor=(row, column) == cursor)
        is_plain = ord(char.data[0]) < 0x2000 and len(char.data) == 1
        if is_plain and may_grow and segments[-1].style == style:
            segments[-1] = Segment(segments[-1].text + char.data, style)
        else:
            segments.append(Segment(char.data, style))
        may_grow = is_plain
    return segments


def _style(char: pyte.screens.Char, *, is_cursor: bool) -> Style:
    return Style(
        color=_colour(char.fg),
        bgcolor=_colour(char.bg),
        bold=char.bold or None,
        italic=char.italics or None,
        underline=char.underscore or None,
        strike=char.strikethrough or None,
        reverse=char.reverse != is_cursor or None,
    )


def _colour(name: str) -> Color | None:
    if name == "default":
        return None
    if name in _COLOURS:
        return Color.parse(_COLOURS[name])
    if name.startswith("bright"):
        return Color.parse(f"bright_{name.removeprefix('bright')}")
    try:
        int(name, 16)
    except ValueError:
        return Color.parse(name)
    return Color.parse(f"#{name}")
