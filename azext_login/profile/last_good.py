"""login_last_good.json: a copy of the azureProfile.json that we wrote last, from which lost rows are restored."""

from __future__ import annotations

import json
import os
import re

from azext_login.profile.state import Document, is_generation
from azext_login.system.directory import PrivateDirectory
from azext_login.system.files import read_bytes, remove_if_present, write_atomically

_FILE = "login_last_good.json"

LARGEST_LIST = 1_000_000_000
"""Bytes of the largest list of subscriptions. A million of them need less."""

# The copy begins with its generation, so that a command that only reads need not parse the rest.
_HEAD = re.compile(rb'^\{"generation": (\d{1,15}), "profile": ')
_HEAD_LENGTH = 64
_TAIL = b"}"


class LastGoodCopy:
    """The copy beside azureProfile.json. It is written after the file, so it is never newer than the file."""

    def __init__(self, config_dir: PrivateDirectory):
        self.file = config_dir / _FILE

    def generation(self) -> int | None:
        """Return the generation of the copy, or None without a copy.

        A copy whose generation cannot be read has generation 0, which is less than any of ours. Another program may
        have written a good copy in another layout, so it has to be parsed before a file without a generation replaces
        it.
        """
        try:
            with os.fdopen(self.file.open_to_read(limit=LARGEST_LIST), "rb") as stream:
                match = _HEAD.match(stream.read(_HEAD_LENGTH))
        except FileNotFoundError:
            return None
        except OSError:
            return 0
        generation = int(match[1]) if match else 0
        return generation if is_generation(generation) else 0

    def read(self) -> Document | None:
        """Return the profile in the copy; None without a copy, or if it holds no profile."""
        try:
            profile = json.loads(read_bytes(self.file, limit=LARGEST_LIST))["profile"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return profile if isinstance(profile, dict) else None

    def write(self, generation: int, content: list[bytes], *, locked: bool) -> None:
        """Replace the copy.

        :param content: the text of azureProfile.json, in parts.
        :param locked: as for `write_atomically`.
        :raises StoreError: the copy cannot be written.
        """
        write_atomically(self.file, _head(generation), *content, _TAIL, locked=locked)

    def is_copy_of(self, generation: int, content: list[bytes]) -> bool:
        """Tell whether the copy has this generation, and the length of this content.

        It may not: a process may be killed after writing the file and before writing its copy, and built-in commands
        write the file alone.
        """
        try:
            size = self.file.resolved().status().st_size
        except OSError:
            return False
        expected = len(_head(generation)) + sum(map(len, content)) + len(_TAIL)
        return size == expected and self.generation() == generation

    def remove(self) -> None:
        """Delete the copy.

        :raises StoreError: the copy cannot be deleted.
        """
        remove_if_present(self.file)


def _head(generation: int) -> bytes:
    return f'{{"generation": {generation}, "profile": '.encode("ascii")
