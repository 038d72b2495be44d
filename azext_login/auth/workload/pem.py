"""PEM blocks (RFC 7468, and OpenSSL's older form with headers) in text that people and tools have edited."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_MARKER = re.compile(r"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]*)-----")
_COLUMNS = 64
_CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")


@dataclass(frozen=True)
class PemBlock:
    """One block. `body` is its base64 on one line, which is a secret when the block is a private key."""

    label: str
    headers: tuple[str, ...]
    body: str = field(repr=False)

    @property
    def is_certificate(self) -> bool:
        """Whether this is an X.509 certificate, under its name of today or OpenSSL's older one."""
        return self.label in _CERTIFICATE_LABELS

    @property
    def is_private_key(self) -> bool:
        """Whether this is a private key of any kind."""
        return self.label.endswith("PRIVATE KEY")

    @property
    def is_encrypted(self) -> bool:
        """Whether this is a private key that takes a passphrase (PKCS#8: RFC 5958; RFC 1421's header in OpenSSL's)."""
        return self.label == "ENCRYPTED PRIVATE KEY" or any(
            header.replace(" ", "").upper() == "PROC-TYPE:4,ENCRYPTED" for header in self.headers
        )

    def text(self) -> str:
        """Return the block the way OpenSSL writes it, with a line feed at the end."""
        lines = [self.body[start : start + _COLUMNS] for start in range(0, len(self.body), _COLUMNS)]
        if self.headers:
            lines = [*self.headers, "", *lines]
        return "\n".join([f"-----BEGIN {self.label}-----", *lines, f"-----END {self.label}-----", ""])


def find_blocks(text: str) -> list[PemBlock]:
    """Return the blocks in `text`, in its order, whatever line ends, indentation and other text they stand in.

    A block without an end, or with another one's, is left out. What is inside the blocks is not looked at.
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
    # Base64 has no colon, and every header has one.
    headers = tuple(line for line in lines if ":" in line)
    return PemBlock(label, headers, "".join("".join(line.split()) for line in lines if ":" not in line))


def is_plain(text: str) -> bool:
    """Tell whether every marker is where OpenSSL's own reader looks for it, and certificates have their name of today.

    It wants a marker to be alone on its line. How the lines between are indented and how long they are is all the same.
    """
    for line in map(str.rstrip, text.split("\n")):
        marker = _MARKER.search(line)
        if marker is not None:
            if marker.group() != line:
                return False
            if marker[2].endswith("CERTIFICATE") and marker[2] != "CERTIFICATE":
                return False
    return True
