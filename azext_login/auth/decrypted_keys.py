"""Private keys that somebody asked to have stored without their passphrase, for built-in commands to read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .._files import remove_if_present, sweep, write_atomically

_FOLDER = "login_certificates"


class DecryptedKeys:
    """PEM files in a directory of their own, one for each service principal and tenant, readable by their owner."""

    def __init__(self, config_dir: Path):
        self._folder = config_dir / _FOLDER

    def keep(self, client_id: str, tenant: str, pem: str) -> Path:
        """Store a key with its certificates, and return the path of the file.

        :raises StoreError: the file cannot be written.
        """
        path = self._path(client_id, tenant)
        write_atomically(path, pem.encode("ascii"))
        return path

    def forget(self, client_id: str) -> None:
        """Delete the keys of an application in every tenant.

        :raises StoreError: a file cannot be deleted.
        """
        self._remove(f"{_digest(client_id)}-*.pem")

    def clear(self) -> None:
        """Delete every key.

        :raises StoreError: a file cannot be deleted.
        """
        self._remove("*.pem")

    def _path(self, client_id: str, tenant: str) -> Path:
        return self._folder / f"{_digest(client_id)}-{_digest(tenant)}.pem"

    def _remove(self, pattern: str) -> None:
        # A writer that was killed has left a key behind as well.
        sweep(self._folder / pattern)
        for path in self._folder.glob(pattern):
            remove_if_present(path)
        try:
            self._folder.rmdir()
        except OSError:
            # It is not there, or something else is in it.
            return


def _digest(name: str) -> str:
    """Return a name for a file: what was typed as an ID may hold anything."""
    return hashlib.sha256(name.casefold().encode("utf-8")).hexdigest()[:16]
