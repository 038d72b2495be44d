"""The service principals with their secrets on disk, shared with the host's own commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from knack.log import get_logger

from azext_login.auth.storage.secret_file import SharedSecretFile, one_place
from azext_login.auth.storage.token_cache import sections_in
from azext_login.errors import NotSignedInError, StoreError
from azext_login.system.damaged_files import quarantine_file

logger = get_logger(__name__)

Entry = dict[str, Any]
"""One service principal in one tenant. What is in it: azext_login.auth.workload.service_principal."""


class ServicePrincipalEntries:
    """The host's list of service principals with their secrets."""

    def __init__(self, config_dir: Path, *, encrypt: bool, sleep: Callable[[float], None] = time.sleep):
        """:param sleep: waits for so many seconds, before a torn file is read again."""
        self._file = SharedSecretFile(config_dir, "service_principal_entries", encrypt=encrypt, kind=list, sleep=sleep)

    @property
    def shares_the_keyring(self) -> bool:
        """Whether the host keeps the entries where it keeps tokens."""
        return self._file.shares_the_keyring

    def find(self, client_id: str, tenant: str, *, asked: str | None = None) -> Entry:
        """Return the entry of an application in a tenant, or else in another one: the application may be the same.

        :param asked: the tenant that a token is wanted of, if that may be another; an entry for it comes first.
        :raises NotSignedInError: the application has none.
        :raises StoreError: the file cannot be read, or its place in the keyring holds tokens.
        """
        entries = self._of_client(client_id, tenant)
        own = [entry for wanted in (asked or tenant, tenant) for entry in entries if _is_of(entry, wanted)]
        if not own:
            logger.warning(
                "Nothing is stored of service principal %s in tenant %s. What is stored for tenant %s is tried, as if "
                "it were the same application.", client_id, tenant, entries[0]["tenant"],
            )  # fmt: skip
        return dict((own or entries)[0])

    def require(self, client_id: str, tenant: str) -> None:
        """Make sure that an application has an entry, in whichever tenant.

        :param tenant: the one to name in the advice.
        :raises NotSignedInError: it has none.
        :raises StoreError: the file cannot be read, or its place in the keyring holds tokens.
        """
        self._of_client(client_id, tenant)

    def _of_client(self, client_id: str, tenant: str) -> list[Entry]:
        found = [entry for entry in self._usable() if _is_client(entry, client_id)]
        if not found:
            raise NotSignedInError(
                f"Nothing is stored of service principal '{client_id}'.",
                next_step="Run `az login` for this service principal:\n"
                f'az login --service-principal --username "{client_id}" --password=@- --tenant "{tenant}"',
            )
        return found

    @contextmanager
    def saving(self, entry: Entry) -> Iterator[None]:
        """Store an entry instead of the one for the same application and tenant. It is undone if what follows fails.

        :raises StoreError: the file cannot be written, or its place in the keyring holds tokens.
        """
        client_id, tenant = str(entry["client_id"]), str(entry["tenant"])
        self._usable()

        def replace(by: list[Entry]) -> list[Entry]:
            with self._file.change() as write:
                entries = self._entries()
                same = [one for one in entries if _is_client(one, client_id) and _is_of(one, tenant)]
                write([*(one for one in entries if one not in same), *by])
            return same

        before = replace([entry])
        try:
            yield
        except BaseException:
            with suppress(StoreError):
                replace(before)
            raise

    def renew_assertion(self, client_id: str, tenant: str, assertion: str) -> bool:
        """Replace the federated token of an entry, unless that was signed out or stored without one since.

        :return: whether there was one to replace.
        :raises StoreError: the file cannot be read or written.
        """
        with self._file.change() as write:
            entries = self._entries()
            for entry in entries:
                if _is_client(entry, client_id) and _is_of(entry, tenant) and "client_assertion" in entry:
                    if entry["client_assertion"] != assertion:
                        entry["client_assertion"] = assertion
                        write(entries)
                    return True
        return False

    def forget(self, client_id: str) -> bool:
        """Remove the entries of an application, compared without regard to case, and those that name none.

        The latter nobody can use, and nobody could ever sign out.

        :return: whether there was anything of the application.
        """
        known = False
        if self._entries():
            with self._file.change() as write:
                entries = self._entries()
                known = any(_is_client(entry, client_id) for entry in entries)
                remaining = _of_others(entries, client_id)
                if len(remaining) != len(entries):
                    write(remaining)
        self._file.purge(client_id, lambda aside: _of_others(aside, client_id))
        return known

    def _usable(self) -> list[Entry]:
        """Return the entries that built-in code can use. A file over which it would fail is set aside before.

        :raises StoreError: the file cannot be read, or its place in the keyring holds tokens.
        """
        content = self._file.read()
        if isinstance(content, dict) and content and self._file.shares_the_keyring:
            accounts = sections_in(content).get("Account", {}).values()
            names = [str(account.get("username")) for account in accounts]
            raise one_place("tokens where secrets of service principals belong", names)
        entries = content if isinstance(content, list) else []
        usable = [entry for entry in entries if _is_usable_entry(entry)]
        if len(usable) != len(entries):
            with self._file.change() as write:
                # Another process may have put that right, or added something, before we had the lock.
                entries = self._entries()
                usable = [entry for entry in entries if _is_usable_entry(entry)]
                if len(usable) != len(entries):
                    quarantine_file(self._file.path, keep_original=True)
                    write(usable)
                    logger.warning("%s held entries that cannot be used. It was set aside, and the others were kept.",
                                   self._file.path)  # fmt: skip
        return usable

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


def _of_others(content: Any, client_id: str) -> Any:
    """Return those of parsed entries that name another application; what is no list as it is."""
    if not isinstance(content, list):
        return content
    return [entry for entry in content if _names_one(entry) and not _is_client(entry, client_id)]


def _names_one(entry: Any) -> bool:
    return _is_entry(entry) and isinstance(entry.get("client_id"), str)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict)


def _is_client(entry: Any, client_id: str) -> bool:
    return _is_entry(entry) and str(entry.get("client_id", "")).casefold() == client_id.casefold()


def _is_of(entry: Any, tenant: str) -> bool:
    return str(entry.get("tenant", "")).casefold() == tenant.casefold()


def _is_usable_entry(entry: Any) -> bool:
    return _is_entry(entry) and all(isinstance(entry.get(key), str) for key in ("client_id", "tenant"))
