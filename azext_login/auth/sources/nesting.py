"""Keeps a source whose code runs `az` from being asked by that `az` again, which would have no end.

The environment of what a source starts names the sources that are being asked, as digests with spaces between them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

VARIABLE = "AZURE_LOGIN_TOKEN_COMMANDS"


def is_asked(source: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a source, by a text that only it has, is being asked by a process that this one comes from."""
    return _digest(source) in environ.get(VARIABLE, "").split()


def naming(source: str, environ: Mapping[str, str]) -> str:
    """Return the value of VARIABLE for what a source starts."""
    return " ".join([*environ.get(VARIABLE, "").split(), _digest(source)])


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "replace")).hexdigest()
