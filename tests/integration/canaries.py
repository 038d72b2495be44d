"""Looking for secrets where none may be: files, what a command prints, and the process list."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus

import psutil
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

# So many bytes of a secret are its own: in any encoding of a canary, some of its random characters are among them.
_PART = 16


def new_canary(prefix: str = "") -> str:
    """Return a secret that looks different in every encoding."""
    return prefix + secrets.token_hex(8) + "".join(f"{awkward}{secrets.token_hex(2)}" for awkward in "\"ü '\\%+/~=☃𝄞")


def sightings(secret: str, places: Mapping[str, bytes]) -> set[str]:
    """Return the names of the places that hold a secret or a part of it, in whatever form."""
    patterns = {part for form in _forms(secret) for part in _parts(form)}
    return {name for name, content in places.items() if any(pattern in content for pattern in patterns)}


def files_in(*folders: Path) -> dict[str, bytes]:
    """Return the content of every file in these folders and below, by its path there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def stored_tokens(config_dir: Path) -> set[str]:
    """Return the tokens in the cache that built-in commands share."""
    path = config_dir / "msal_token_cache.json"
    if not path.exists():
        return set()
    content: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    kinds = ("AccessToken", "RefreshToken", "IdToken")
    return {entry["secret"] for kind in kinds for entry in content.get(kind, {}).values()}


def signature_of(token: str) -> str:
    """Return the part of a JSON Web Token that no other one has: headers look alike."""
    return token.rpartition(".")[2] if token.count(".") == 2 else token


def private_parts(key: rsa.RSAPrivateKey) -> tuple[str, ...]:
    """Return what is private of a 2048-bit key, as PEM files of either form hold it: the exponent and the primes."""
    forms = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    texts = [key.private_bytes(Encoding.PEM, form, NoEncryption()).decode("ascii") for form in forms]
    # Before it, in less than 300 bytes, comes the modulus, which is public.
    return tuple("".join(text.splitlines()[1:-1])[400:] for text in texts)


class CommandLines:
    """A look at the process list, again and again, until the block is left.

    seen: every command line, its words separated by blanks.
    """

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._done.wait(0.05):
            for process in psutil.process_iter():
                try:
                    self.seen.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue  # it has ended, or belongs to another user

    def __enter__(self) -> CommandLines:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def as_place(self) -> bytes:
        """Return everything that was seen, to look for secrets in."""
        return "\n".join(self.seen).encode("utf-8", "surrogateescape")


def _forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode("utf-8")
    yield raw
    for text in (
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        raw.hex(),
        raw.hex().upper(),
    ):
        yield text.encode("utf-8")
    yield secret.encode("utf-16-le")
    for offset in range(3):
        # Base64 of a text looks different at each of three places in another one. The ends depend on what is around.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * offset + raw).rstrip(b"=")[4:-4]


def _parts(form: bytes) -> Iterator[bytes]:
    last = len(form) - _PART
    if last < 1:
        yield form
        return
    # A long one is looked at in steps.
    step = max(1, len(form) // 200)
    for start in range(0, last + 1, step):
        yield form[start : start + _PART]
