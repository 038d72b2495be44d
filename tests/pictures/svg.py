"""A terminal's window as SVG, drawn by rich. The file loads nothing, and describes itself to screen readers."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape

from rich.console import Console
from rich.segment import Segment, Segments
from rich.terminal_theme import TerminalTheme

# Fonts of the reader's computer: rich's template loads one from a server. Each run of characters has its length, so
# that columns are aligned whatever the font.
_FONTS = "ui-monospace, 'Cascadia Mono', 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"

_TEMPLATE = """\
<svg role="img" aria-labelledby="{unique_id}-title {unique_id}-description" viewBox="0 0 {width} {height}" \
xmlns="http://www.w3.org/2000/svg">
<title id="{unique_id}-title">@TITLE@</title>
<desc id="{unique_id}-description">@DESCRIPTION@</desc>
<style>
.{unique_id}-matrix {{ font-family: @FONTS@; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 16px; }}
{styles}
</style>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""

_BLACK, _WHITE = (22, 27, 34), (222, 227, 233)
_THEME = TerminalTheme(
    _BLACK,
    _WHITE,
    # black, red, green, yellow, blue, magenta, cyan, white
    [(72, 79, 88), (255, 123, 114), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255), (86, 212, 221),
     (201, 209, 217)],
    [(110, 118, 129), (255, 161, 152), (126, 231, 135), (242, 204, 96), (165, 214, 255), (226, 197, 255),
     (179, 240, 255), (255, 255, 255)],
)  # fmt: skip


def svg_of(lines: Sequence[Sequence[Segment]], *, name: str, title: str, description: str) -> str:
    """Return the picture of `lines`, which are all of one width.

    name: distinguishes the ids of the picture from those of others on one page.
    title: is in the title bar of the window.
    """
    width = sum(segment.cell_length for segment in lines[0])
    console = Console(width=width, record=True, file=io.StringIO(), color_system="truecolor", _environ={})
    console.print(Segments([segment for line in lines for segment in (*line, Segment.line())]))
    template = _TEMPLATE
    for mark, text in (("@TITLE@", title), ("@DESCRIPTION@", description), ("@FONTS@", _FONTS)):
        template = template.replace(mark, escape(text, quote=False).replace("{", "{{").replace("}", "}}"))
    picture = console.export_svg(title=title, theme=_THEME, code_format=template, unique_id=name)
    return _tidied(picture)


def _tidied(picture: str) -> str:
    """Return the picture with one element per line, and without rich's line breaks and clip paths.

    No line is wider than the window. The clip path of the whole window would cut the descenders of the last line.
    """
    picture = re.sub(r"<text [^>]*>\n</text>", "", picture)
    picture = re.sub(r' clip-path="url\(#[\w-]+-line-\d+\)"', "", picture)
    picture = re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):g}", picture)
    picture = re.sub(r">(?=<(?:text|rect) )", ">\n", picture)
    return "".join(f"{line.strip()}\n" for line in picture.splitlines() if line.strip())
