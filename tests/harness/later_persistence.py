"""A stand-in for `azure.cli.core.auth.persistence` as a later azure-cli has it (azure-cli#33849); see later_host.py.

Tokens and secrets are separate items of the keyring. The file beside an item is called `.sig`. Where there is no
keyring, secrets are stored in plain text, and only a sign-in reports that. With LATER_HOST_STORE=file, they are in
encrypted files, as on Windows.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from knack.log import get_logger
from msal_extensions import CrossPlatLock, FilePersistence, LibsecretPersistence, PersistedTokenCache
from msal_extensions.persistence import PersistenceDecryptionError, PersistenceNotFound

logger = get_logger(__name__)

#: The host's own `identity` module deletes the files with these extensions.
file_extensions = {True: ".bin", False: ".json", None: ".sig"}

_fell_back = False


class SealedFile(FilePersistence):  # type: ignore[misc]  # msal-extensions is untyped
    """Encrypts a file like FilePersistenceWithDataProtection, so that anybody can decrypt it."""

    is_encrypted = True

    def save(self, content: str) -> None:
        """Write in place, like msal-extensions."""
        with open(self._location, "wb") as stream:
            stream.write(b"sealed:" + base64.b64encode(content.encode()) + b":end")

    def load(self) -> str:
        """Read the file. A part of it cannot be decrypted."""
        try:
            content = Path(self._location).read_bytes()
        except FileNotFoundError:
            raise PersistenceNotFound(location=self._location) from None
        if not (content.startswith(b"sealed:") and content.endswith(b":end")):
            raise PersistenceDecryptionError(13, "Decryption failed", self._location)
        return base64.b64decode(content[7:-4]).decode()


def build_persistence(location: str, encrypt: bool, type: str | None = None) -> Any:
    """Return the object that stores one of the two stores."""
    global _fell_back
    logger.debug("build_persistence: location=%r, encrypt=%r, type=%r", location, encrypt, type)
    if encrypt and os.environ.get("LATER_HOST_STORE") == "file":
        return SealedFile(location + ".bin")
    if encrypt:
        try:
            attributes = {"type": type} if type else {}
            return LibsecretPersistence(location + ".sig", schema_name="Later Azure CLI", attributes=attributes)
        except (ImportError, ValueError, RuntimeError) as error:
            logger.debug("There is no keyring: %s", error)
            _fell_back = True
    return FilePersistence(location + ".json")


def load_persisted_token_cache(location: str, encrypt: bool) -> Any:
    """Open the store of tokens."""
    return PersistedTokenCache(build_persistence(location, encrypt, type="Token cache"))


def load_secret_store(location: str, encrypt: bool) -> Any:
    """Open the store of secrets."""
    return SecretStore(build_persistence(location, encrypt, type="Secret store"))


def warn_if_encryption_unavailable() -> None:
    """Report once that secrets are stored in plain text."""
    if _fell_back:
        logger.warning("This later azure-cli stores secrets in plain text.")


class SecretStore:
    """What the host's `identity` module expects."""

    def __init__(self, persistence: Any):
        self._persistence = persistence

    def save(self, content: Any) -> None:
        """Store a JSON value."""
        with CrossPlatLock(self._persistence.get_location() + ".lockfile"):
            self._persistence.save(json.dumps(content))

    def load(self) -> Any:
        """Return the stored JSON value."""
        try:
            return json.loads(self._persistence.load())
        except PersistenceNotFound:
            return []
