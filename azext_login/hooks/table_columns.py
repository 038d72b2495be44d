"""Keeps the columns of tables where they are without this extension."""

from __future__ import annotations

import os


def count_columns_as_built_in() -> None:
    """Let tabulate count a wide character as one column, as it does without wcwidth.

    prompt_toolkit depends on wcwidth. tabulate uses it if it is installed, and counts wide characters as two columns.
    All text after them would move, and scripts cut tables by position. A host that has wcwidth itself keeps that.
    """
    import tabulate

    wcwidth = getattr(tabulate, "wcwidth", None)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    here = os.path.dirname(package)
    if wcwidth is not None and os.path.abspath(wcwidth.__file__).startswith(here + os.sep):
        tabulate.WIDE_CHARS_MODE = False
