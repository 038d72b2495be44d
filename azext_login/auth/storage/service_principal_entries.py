"""The service principals with their secrets on disk, shared with the host's own commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from azext_login.auth.storage.assertion_entries import EXPIRES_ON, assertion_of, own_part, with_assertion
from azext_login.auth.storage.secret_file import SharedSecretFile
from azext_login.auth.storage.token_cache import sections_in
from azext_login.errors import NotSignedInError, StoreError
from azext_login.system.damaged_files import quarantine_file
from azext_login.system.directory import PrivateDirectory
from azext_login.system.log import get_logger
from azext_login.system.text import printable

logger = get_logger(__name__)

ServicePrincipalEntry = dict[str, Any]
"""One service principal in one tenant. Its keys: azext_login.auth.workload.service_principal."""


class ServicePrincipalEntries:
    """The host's list of service principals with their secrets."""

    def __init__(self, config_dir: PrivateDirectory, *, encrypt: bool, sleep: Callable[[float], None] = time.sleep):
        """:param sleep: waits for some seconds before a torn file is read again."""
        self._file = SharedSecretFile(config_dir, "service_principal_entries", encrypt=encrypt, kind=list, sleep=sleep)

    @property
    def shares_the_keyring(self) -> bool:
        """Whether the host keeps the entries and the tokens in one item of the keyring."""
        return self._file.shares_the_keyring

    def find(self, client_id: str, tenant: str, *, asked: str | None = None) -> ServicePrincipalEntry:
        """Return the entry of an application in a tenant; without one, that of another tenant.

        An application that is registered in several tenants may have the same secret in all of them.

        :param asked: the tenant of the requested token, if it is another one; its entry is preferred.
        :raises NotSignedInError: the application has no entry.
        :raises StoreError: the file cannot be read, or the keyring item holds tokens.
        """
        entries = self._of_client(client_id, tenant)
        own = [entry for wanted in (asked or tenant, tenant) for entry in entries if _is_of(entry, wanted)]
        if not own:
            logger.warning(
                "No credential of service principal %s is stored for tenant %s. The credential that is stored for "
                "tenant %s is used instead.", client_id, tenant, printable(entries[0]["tenant"]),
            )  # fmt: skip
        return dict((own or entries)[0])

    def has_credential(self, client_id: str, tenant: str) -> bool:
        """Tell whether the entry of an application in a tenant has a credential, and not only an access token.

        :raises StoreError: the file cannot be read, or the keyring item holds tokens.
        """
        found = [entry for entry in self._usable() if _is_client(entry, client_id) and _is_of(entry, tenant)]
        return any(EXPIRES_ON not in own_part(entry) for entry in found)

    def require(self, client_id: str, tenant: str) -> None:
        """Check that an application has an entry in any tenant.

        :param tenant: the tenant to name in the advice.
        :raises NotSignedInError: the application has no entry.
        :raises StoreError: the file cannot be read, or the keyring item holds tokens.
        """
        self._of_client(client_id, tenant)

    def _of_client(self, client_id: str, tenant: str) -> list[ServicePrincipalEntry]:
        found = [entry for entry in self._usable() if _is_client(entry, client_id)]
        if not found:
            from azext_login.system.command_line import quote_command

            raise NotSignedInError(
                f"No credential of service principal '{client_id}' is stored.",
                next_step="Run `az login` for this service principal:\n"
                + quote_command(
                    "az", "login", "--service-principal", "--username", client_id, "--password=@-", "--tenant", tenant
                ),
            )
        return found

    def entries_of(self, client_id: str, tenants: Collection[str]) -> list[ServicePrincipalEntry]:
        """Return the entries of an application in some tenants (IDs, in any case); without any, those in all tenants.

        :raises StoreError: the file cannot be read, or the keyring item holds tokens.
        """
        own = [entry for entry in self._usable() if _is_client(entry, client_id)]
        return [entry for entry in own if any(_is_of(entry, tenant) for tenant in tenants)] or own

    @contextmanager
    def saving(self, entry: ServicePrincipalEntry) -> Iterator[None]:
        """Store an entry in place of the one for the same application and tenant. If the block raises, undo that.

        :raises StoreError: the file cannot be written, or the keyring item holds tokens.
        """
        client_id, tenant = str(entry["client_id"]), str(entry["tenant"])
        self._usable()

        def replace(by: list[ServicePrincipalEntry]) -> list[ServicePrincipalEntry]:
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

    def find_assertion(self, client_id: str, tenant: str) -> str | None:
        """Return the federated token of an application in a tenant; None if no token is stored. A secret.

        :raises NotSignedInError: the application has no entry.
        :raises StoreError: the file cannot be read, or the keyring item holds tokens.
        """
        for entry in self._of_client(client_id, tenant):
            if _is_of(entry, tenant):
                return assertion_of(entry)
        return None

    def renew_assertion(self, client_id: str, tenant: str, assertion: str) -> None:
        """Replace the federated token of an entry, if the entry still exists and still has one, or where it comes from.

        :raises StoreError: the file cannot be read or written.
        """
        with self._file.change() as write:
            entries = self._entries()
            for index, entry in enumerate(entries):
                if _is_client(entry, client_id) and _is_of(entry, tenant):
                    renewed = with_assertion(entry, assertion)
                    if renewed != entry:
                        write([*entries[:index], renewed, *entries[index + 1 :]])
                    return

    def forget(self, client_id: str) -> bool:
        """Remove the entries of an application, in any case, and those without a client ID.

        The latter cannot be used, and no sign-out could name them.

        :return: whether the application had an entry.
        """
        known = False
        if self._entries():
            with self._file.change() as write:
                entries = self._entries()
                known = any(_is_client(entry, client_id) for entry in entries)
                remaining = _of_others(entries, client_id)
                if len(remaining) != len(entries):
                    write(remaining)
        self._file.purge(client_id, lambda content: _of_others(content, client_id))
        return known

    def _usable(self) -> list[ServicePrincipalEntry]:
        """Return the entries that built-in code can use. A file on which it would fail is quarantined first.

        :raises StoreError: the file cannot be read, or the keyring item holds tokens.
        """
        content = self._file.read()
        if isinstance(content, dict) and content and self._file.shares_the_keyring:
            from azext_login.auth.storage.encryption import keyring_conflict

            accounts = sections_in(content).get("Account", {}).values()
            names = [str(account.get("username")) for account in accounts]
            raise keyring_conflict("tokens instead of secrets of service principals", names)
        entries = content if isinstance(content, list) else []
        usable = [entry for entry in entries if _is_usable_entry(entry)]
        if len(usable) != len(entries):
            with self._file.change() as write:
                # Another process may have repaired the file, or added an entry, before we had the lock.
                entries = self._entries()
                usable = [entry for entry in entries if _is_usable_entry(entry)]
                if len(usable) != len(entries):
                    quarantine_file(self._file.file, keep_original=True)
                    write(usable)
                    logger.warning(
                        "%s contained entries that cannot be used. A copy was quarantined, and the usable entries were "
                        "kept.",
                        self._file.file,
                    )
        return usable

    def clear(self) -> None:
        """Delete the entries."""
        self._file.delete()

    def _entries(self) -> list[Any]:
        # With encryption, the keyring item may hold tokens, which this class must not change.
        entries = self._file.read()
        return entries if isinstance(entries, list) else []

    def client_ids(self) -> frozenset[str]:
        """Return the application IDs that have an entry, case folded."""
        return frozenset(str(entry.get("client_id", "")).casefold() for entry in self._entries() if _is_entry(entry))


def _of_others(content: Any, client_id: str) -> Any:
    """Return the parsed entries of other applications. Content that is not a list is returned unchanged."""
    if not isinstance(content, list):
        return content
    return [entry for entry in content if _has_client_id(entry) and not _is_client(entry, client_id)]


def _has_client_id(entry: Any) -> bool:
    return _is_entry(entry) and isinstance(entry.get("client_id"), str)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict)


def _is_client(entry: Any, client_id: str) -> bool:
    return _is_entry(entry) and str(entry.get("client_id", "")).casefold() == client_id.casefold()


def _is_of(entry: Any, tenant: str) -> bool:
    return str(entry.get("tenant", "")).casefold() == tenant.casefold()


def _is_usable_entry(entry: Any) -> bool:
    return _is_entry(entry) and all(isinstance(entry.get(key), str) for key in ("client_id", "tenant"))
