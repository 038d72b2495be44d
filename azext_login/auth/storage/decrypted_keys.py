"""Private keys that somebody asked to have stored without their passphrase, for built-in commands to read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from azext_login.errors import StoreError
from azext_login.system.files import remove_if_present, remove_leftovers, write_atomically

_FOLDER = "login_certificates"


class DecryptedKeys:
    """PEM files in a directory of their own, one for each service principal and tenant, readable by their owner."""

    def __init__(self, config_dir: Path):
        self._folder = config_dir / _FOLDER

    @contextmanager
    def keeping(self, client_id: str, tenant: str, pem: str) -> Iterator[Path]:
        """Store a key with its certificates, and yield the path of the file. It is undone if what follows fails.

        :raises StoreError: the file cannot be written.
        """
        path = self._path(client_id, tenant)
        before = None
        with suppress(OSError):
            before = path.read_bytes()
        write_atomically(path, pem.encode("ascii"))
        try:
            yield path
        except BaseException:
            with suppress(StoreError):
                if before is None:
                    self._forget(path.name)
                else:
                    write_atomically(path, before)
            raise

    def forget_unused(self, client_id: str, tenant: str, certificate: str | None) -> None:
        """Delete the key of an application in one tenant, unless it is the certificate that is in use.

        :raises StoreError: the file cannot be deleted.
        """
        path = self._path(client_id, tenant)
        if str(path) != certificate:
            self._forget(path.name)

    def forget(self, client_id: str) -> None:
        """Delete the keys of an application in every tenant.

        :raises StoreError: a file cannot be deleted.
        """
        self._forget(f"{_digest(client_id)}-*.pem")

    def clear(self) -> None:
        """Delete every key.

        :raises StoreError: a file cannot be deleted.
        """
        self._forget("*.pem")

    def _path(self, client_id: str, tenant: str) -> Path:
        return self._folder / f"{_digest(client_id)}-{_digest(tenant)}.pem"

    def _forget(self, pattern: str) -> None:
        # A writer that was killed has left a key behind as well.
        remove_leftovers(self._folder / pattern)
        for path in self._folder.glob(pattern):
            remove_if_present(path)
        with suppress(OSError):  # It is not there, or something else is in it.
            self._folder.rmdir()


def _digest(name: str) -> str:
    """Return a name for a file: what was typed as an ID may hold anything."""
    return hashlib.sha256(name.casefold().encode("utf-8", "surrogatepass")).hexdigest()[:16]
