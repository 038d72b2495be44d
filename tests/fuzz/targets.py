"""Every boundary at which something from outside is read."""

from __future__ import annotations

from tests.fuzz import answers, federation, files, words

TARGETS = (*answers.TARGETS, *federation.TARGETS, *files.TARGETS, *words.TARGETS)
