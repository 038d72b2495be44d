"""Words that a shell, a terminal or a parser could take for something other than text."""

from __future__ import annotations

HOSTILE_WORDS = (
    "$(touch PWN)",
    "`touch PWN`",
    "; touch PWN #",
    "| touch PWN",
    "&& touch PWN",
    "> PWN",
    "\ntouch PWN\n",
    "'; touch PWN; '",
    '"; touch PWN; "',
    "\\'; touch PWN; '",
    "'\"$(touch PWN)\"'",
    "a\\",
    "a\\'$(touch PWN)\\",
    "it's",
    "two words",
    "",
    "~",
    "*",
    "a*b?[c]",
    "{a,b}",
    "!touch",
    "%PATH%",
    "$HOME",
    "#comment",
    "=ls",
    "^a^b",
    "-dash",
    "--option=$(touch PWN)",
    "Bücher",
    "\u201c$(touch PWN)\u201d",
    "\u2018$(touch PWN)\u2019",
    "中文",
)

# A terminal executes them, or shows the text in another order or on another line.
UNPRINTABLE_WORDS = (
    "a\x1b]0;title\x07b",
    "a\x07b",
    "a\u202eb",
    "a\x9b2Jb",
    "a\u2028b",
    "a\u2029b",
    "a\rb",
    "a\tb",
    "a\udcffb",
    "a\u200bb",
)
