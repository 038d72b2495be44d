"""The one error of a release."""

from __future__ import annotations


class ReleaseRefusedError(Exception):
    """The release cannot be made. The message names the cause and the next step; nothing has been written."""
