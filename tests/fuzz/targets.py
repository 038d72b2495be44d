"""Every boundary at which something from outside is read."""

from __future__ import annotations

from tests.fuzz import answers, endpoint, federation, files, status, words

TARGETS = (*answers.TARGETS, *endpoint.TARGETS, *federation.TARGETS, *files.TARGETS, *status.TARGETS, *words.TARGETS)
