"""Private keys that are stored without their passphrase, at the user's request, for built-in commands to read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from azext_login.errors import StoreError
from azext_login.system.directory import Entry, PrivateDirectory
from azext_login.system.files import read_bytes, read_text, remove_directory, write_atomically

_FOLDER = "login_certificates"


class DecryptedKeys:
    """PEM files in a directory of their own, one for each service principal and tenant, mode 0600."""

    def __init__(self, config_dir: PrivateDirectory):
        self._folder = config_dir / _FOLDER

    @contextmanager
    def keeping(self, client_id: str, tenant: str, pem: str) -> Iterator[Path]:
        """Store a key with its certificates, and yield the path of the file. If the block raises, undo that.

        :raises StoreError: the file cannot be written.
        """
        file = self._file(client_id, tenant)
        before = None
        with suppress(OSError):
            before = read_bytes(file)
        write_atomically(file, pem.encode("ascii"))
        try:
            yield file.path
        except BaseException:
            with suppress(StoreError):
                if before is None:
                    self._forget(file.name)
                else:
                    write_atomically(file, before)
            raise

    def read(self, certificate: object) -> str | None:
        """Return the content of a file by its path; None if it is not one of these files, or is missing. A secret.

        :raises StoreError: it cannot be read.
        """
        files = self._folder.directory.subdirectory(self._folder.name)
        if not isinstance(certificate, str) or Path(certificate).parent != files.path:
            return None
        file = files / Path(certificate).name
        try:
            return read_text(file)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{file} could not be read: {error}.") from error

    def forget_unused(self, client_id: str, tenant: str, certificate: str | None) -> None:
        """Delete the key of an application in one tenant, unless `certificate` is its path.

        :raises StoreError: the file cannot be deleted.
        """
        file = self._file(client_id, tenant)
        if str(file) != certificate:
            self._forget(file.name)

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

    def _file(self, client_id: str, tenant: str) -> Entry:
        return self._folder.directory.subdirectory(self._folder.name) / f"{_digest(client_id)}-{_digest(tenant)}.pem"

    def _forget(self, pattern: str) -> None:
        remove_directory(self._folder, pattern)


def _digest(name: str) -> str:
    """Return a file name for an ID, which a user typed and may contain any character."""
    return hashlib.sha256(name.casefold().encode("utf-8", "surrogatepass")).hexdigest()[:16]
