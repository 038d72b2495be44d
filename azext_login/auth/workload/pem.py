"""PEM blocks (RFC 7468, and OpenSSL's older form with headers) in text that users and tools have edited."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_MARKER = re.compile(r"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]*)-----")
_COLUMNS = 64
_CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")


@dataclass(frozen=True)
class PemBlock:
    """One block. `body` is its base64 on one line, a secret if the block is a private key."""

    label: str
    headers: tuple[str, ...]
    body: str = field(repr=False)

    @property
    def is_certificate(self) -> bool:
        """Whether this is an X.509 certificate, with its current label or OpenSSL's older one."""
        return self.label in _CERTIFICATE_LABELS

    @property
    def is_private_key(self) -> bool:
        """Whether this is a private key of any kind."""
        return self.label.endswith("PRIVATE KEY")

    @property
    def is_encrypted(self) -> bool:
        """Whether this is a private key with a passphrase: PKCS#8 (RFC 5958), or a key with the header of RFC 1421."""
        return self.label == "ENCRYPTED PRIVATE KEY" or any(
            header.replace(" ", "").upper() == "PROC-TYPE:4,ENCRYPTED" for header in self.headers
        )

    def text(self) -> str:
        """Return the block as OpenSSL writes it, with a line feed at the end."""
        lines = [self.body[start : start + _COLUMNS] for start in range(0, len(self.body), _COLUMNS)]
        if self.headers:
            lines = [*self.headers, "", *lines]
        return "\n".join([f"-----BEGIN {self.label}-----", *lines, f"-----END {self.label}-----", ""])


def find_blocks(text: str) -> list[PemBlock]:
    """Return the blocks in `text`, in its order. Line ends, indentation and surrounding text do not matter.

    A block whose end is missing or has another label is left out. The content of the blocks is not checked.
    """
    blocks = []
    begin: re.Match[str] | None = None
    for marker in _MARKER.finditer(text):
        if marker[1] == "BEGIN":
            begin = marker
        elif begin is not None and begin[2] == marker[2]:
            blocks.append(_block(begin[2], text[begin.end() : marker.start()]))
            begin = None
        else:
            begin = None
    return blocks


def _block(label: str, inside: str) -> PemBlock:
    lines = [line.strip() for line in inside.splitlines()]
    # Every header has a colon, and base64 has none.
    headers = tuple(line for line in lines if ":" in line)
    return PemBlock(label, headers, "".join("".join(line.split()) for line in lines if ":" not in line))


def is_plain(text: str) -> bool:
    """Tell whether OpenSSL finds every marker, and certificates have their current label.

    For OpenSSL, a marker has to be alone on its line. The length and indentation of the lines between do not matter.
    """
    for line in map(str.rstrip, text.split("\n")):
        marker = _MARKER.search(line)
        if marker is not None:
            if marker.group() != line:
                return False
            if marker[2].endswith("CERTIFICATE") and marker[2] != "CERTIFICATE":
                return False
    return True
