"""What a wheel says about itself, and the files in it."""

from __future__ import annotations

import email
import hashlib
import json
import zipfile
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

METADATA = ".dist-info/METADATA"
GENERATOR = ".dist-info/WHEEL"


@dataclass(frozen=True)
class Contents:
    """A wheel.

    metadata: its METADATA.
    generator: what built it.
    extension: azext_metadata.json, which the host reads. Empty in a wheel that is no extension.
    digests: the SHA-256 of each file in hexadecimal, by the name that it has in the wheel.
    """

    path: Path
    metadata: Message
    generator: str
    extension: dict[str, Any]
    digests: dict[str, str]

    @property
    def requires(self) -> list[str]:
        """What pip installs with it."""
        return [str(line) for line in self.metadata.get_all("Requires-Dist", [])]


def read_wheel(path: Path) -> Contents:
    """Read the wheel at `path`."""
    with zipfile.ZipFile(path) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/")}
    (metadata,) = (text for name, text in files.items() if name.endswith(METADATA))
    (generator,) = (text for name, text in files.items() if name.endswith(GENERATOR))
    extension = files.get("azext_login/azext_metadata.json", b"{}")
    return Contents(
        path,
        email.message_from_bytes(metadata),
        str(email.message_from_bytes(generator)["Generator"]),
        json.loads(extension),
        {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
