"""Encrypted secrets, in a file or in an item of the operating system's keyring, as the host stores them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from azext_login.auth.storage.host_persistence import open_host_persistence
from azext_login.errors import EncryptionError, StoreError
from azext_login.system.directory import Entry
from azext_login.system.files import find, read_bytes, remove_if_present, write_atomically
from azext_login.system.links import LINK_ADVICE
from azext_login.system.signals import defer_signals


class UndecryptableError(Exception):
    """A file cannot be read or decrypted at the moment. The argument is the reason."""


class EncryptedContent:
    """The content of one store. The caller holds the locks while it writes."""

    def __init__(self, location: Entry, persistence: Any):
        """:param location: the file without its extension.
        :param persistence: the host's object (msal_extensions.persistence.BasePersistence).
        """
        self._location = location
        self._persistence = persistence

    @property
    def file(self) -> Entry:
        """The encrypted file, or the empty file whose time tells when the item of the keyring was changed."""
        return _file_of(self._location, self._persistence)

    @property
    def is_in_keyring(self) -> bool:
        """Whether the content is in the keyring. On Windows it is in the file."""
        return not any(one.__name__ == "FilePersistence" for one in type(self._persistence).__mro__)

    def is_item_of(self, other: EncryptedContent) -> bool:
        """Tell whether another store has the same item of the keyring, so that one overwrites the other."""
        return self.is_in_keyring and other.is_in_keyring and _item(self._persistence) == _item(other._persistence)

    def read(self) -> str | None:
        """Return the decrypted text, or None if nothing is stored.

        :raises UndecryptableError: the file cannot be decrypted. Another process may be writing it.
        :raises EncryptionError: the keyring cannot be used.
        """
        with encryption_errors(self.file):
            try:
                if not self.is_in_keyring:
                    # The file must not be a pipe or a link of another user, which msal-extensions would open.
                    os.close(self.file.open_to_read())
                text: str = self._persistence.load()
                return text
            except OSError as error:
                # PersistenceNotFound of msal-extensions has this number too.
                if error.errno == errno.ENOENT:
                    return None
                if self.is_in_keyring:
                    raise
                raise UndecryptableError(f"it could not be decrypted ({error})") from error
            except ValueError as error:
                if self.is_in_keyring:
                    raise
                raise UndecryptableError("it could not be decrypted") from error

    def write(self, text: str, *, locked: bool) -> None:
        """Encrypt and store a text, in one step for readers.

        :param locked: whether the caller's lock excludes every other writer.
        :raises EncryptionError: the text cannot be encrypted, or the keyring cannot be used.
        :raises StoreError: the file cannot be written.
        """
        if self.is_in_keyring:
            self._refuse_foreign_link()
            with encryption_errors(self.file):
                self._persistence.save(text)
            return
        # msal-extensions writes into the file that readers read. So it writes another one, which then replaces that.
        beside = self._location.with_name(f".{self._location.name}.{os.urandom(8).hex()}.tmp")
        with defer_signals():
            with encryption_errors(self.file):
                self.file.directory.descriptor(create=True)
                persistence = open_host_persistence(self._location.name, str(beside))
            encrypted = _file_of(beside, persistence)
            try:
                with encryption_errors(self.file):
                    persistence.save(text)
                    content = read_bytes(encrypted)
                write_atomically(self.file, content, locked=locked)
            finally:
                remove_if_present(encrypted)
        if locked:
            remove_encrypted_leftovers(self._location)

    def _refuse_foreign_link(self) -> None:
        """:raises StoreError: the file is a link of another user. msal-extensions would change what it points to."""
        try:
            self.file.resolved()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError(f"{self.file} could not be written: {error.strerror or error}.", LINK_ADVICE) from error


def _file_of(location: Entry, persistence: Any) -> Entry:
    """Return the file of a store, whose extension the host chooses."""
    return location.with_name(Path(persistence.get_location()).name)


def open_encrypted(location: Entry) -> EncryptedContent | None:
    """Return the encrypted content of a store, or None if the host stores it in plain text: there is no keyring.

    :param location: the file without its extension.
    :raises EncryptionError: there is no keyring, and this host does not store plain text instead.
    """
    with encryption_errors(location.with_name(f"{location.name}.bin")):
        persistence = open_host_persistence(location.name, str(location))
        return EncryptedContent(location, persistence) if persistence.is_encrypted else None


def remove_encrypted_leftovers(location: Entry) -> None:
    """Remove the files of processes that were killed while they encrypted. The caller's lock excludes other writers."""
    for leftover in find(location.with_name(f".{location.name}.*.tmp.*")):
        with suppress(OSError):
            leftover.unlink()


def keyring_conflict(problem: str, names: list[str]) -> EncryptionError:
    """Return the error for a keyring item that holds the other one of the host's two stores.

    :param problem: what the item holds instead, for example "secrets of service principals instead of tokens".
    :param names: the accounts in it, to sign out with.
    """
    from azext_login.system.command_line import quote_word

    commands = " or ".join(f"`az logout --username {quote_word(name)}`" for name in names) or "`az account clear`"
    return EncryptionError(
        f"The keyring holds {problem}. On this system, both encrypted stores share one keyring item "
        "(core.encrypt_token_cache).",
        f"Sign out with {commands}, or turn encryption off with `az config set core.encrypt_token_cache=false`; then "
        "sign in again with `az login`.",
    )


@contextmanager
def encryption_errors(file: Entry) -> Iterator[None]:
    """Turn the errors of the operating system's encryption into one that names the setting."""
    try:
        yield
    except (ImportError, AttributeError, OSError, ValueError, RuntimeError) as error:
        # msal-extensions and PyGObject raise all of these where no keyring is available.
        raise EncryptionError(
            f"The encrypted credentials in {file} could not be used: {error}.",
            "Unlock the keyring, or turn encryption off with `az config set core.encrypt_token_cache=false` "
            "and sign in again with `az login`.",
        ) from error


def _item(persistence: Any) -> object:
    """Return the names of an item of the keyring (Linux: schema and attributes, macOS: service and account).

    If this version of msal-extensions has neither, items count as the same, so that none is overwritten.
    """
    agent = getattr(persistence, "_agent", None)
    schema = getattr(agent, "_schema", None)
    attributes = getattr(agent, "_attributes", None)
    return (
        getattr(schema, "name", None),
        sorted(attributes.items()) if isinstance(attributes, dict) else None,
        getattr(persistence, "_service_name", None),
        getattr(persistence, "_account_name", None),
    )
