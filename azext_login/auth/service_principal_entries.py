"""The service principals with their secrets on disk, shared with the host's own commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from knack.log import get_logger

from .._files import set_aside
from .secret_file import SharedSecretFile, one_place
from .token_cache import sections_in

logger = get_logger(__name__)


class ServicePrincipalEntries:
    """The host's list of service principals with their secrets."""

    def __init__(self, config_dir: Path, *, encrypt: bool):
        self._file = SharedSecretFile(config_dir, "service_principal_entries", encrypt=encrypt, kind=list)

    @property
    def shares_the_keyring(self) -> bool:
        """Whether the host keeps the entries where it keeps tokens."""
        return self._file.shares_the_keyring

    def forget(self, client_id: str) -> bool:
        """Remove the entries of an application, compared without regard to case.

        :return: whether there was anything.
        """
        known = False
        if self._entries():
            with self._file.change() as write:
                entries = self._entries()
                remaining = [entry for entry in entries if not _is_client(entry, client_id)]
                known = len(remaining) != len(entries)
                if known:
                    write(remaining)
        self._file.purge()
        return known

    def make_usable(self) -> None:
        """Set the file aside if built-in code would fail over it, and keep the entries that it can use.

        :raises StoreError: its place in the keyring holds tokens instead.
        """
        content = self._file.read()
        if isinstance(content, dict) and content and self._file.shares_the_keyring:
            accounts = sections_in(content).get("Account", {}).values()
            names = [str(account.get("username")) for account in accounts]
            raise one_place("tokens where secrets of service principals belong", names)
        entries = self._entries()
        usable = [entry for entry in entries if _is_usable_entry(entry)]
        if len(usable) != len(entries):
            with self._file.change() as write:
                set_aside(self._file.path)
                write(usable)
            logger.warning("%s held entries that cannot be used. It was set aside, and the others were kept.",
                           self._file.path)  # fmt: skip

    def clear(self) -> None:
        """Delete the entries."""
        self._file.delete()

    def _entries(self) -> list[Any]:
        # With encryption, the one place in the keyring may hold tokens. Those are not for this class to touch.
        entries = self._file.read()
        return entries if isinstance(entries, list) else []

    def client_ids(self) -> frozenset[str]:
        """Return the application IDs that have an entry, case folded."""
        return frozenset(str(entry.get("client_id", "")).casefold() for entry in self._entries() if _is_entry(entry))


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict)


def _is_client(entry: Any, client_id: str) -> bool:
    return _is_entry(entry) and str(entry.get("client_id", "")).casefold() == client_id.casefold()


def _is_usable_entry(entry: Any) -> bool:
    return _is_entry(entry) and all(isinstance(entry.get(key), str) for key in ("client_id", "tenant"))
