"""A config directory for one command: empty, or with one sign-in copied. Nothing of it is stored elsewhere.

The copy is complete for what `az` does with this account, and has nothing of another one.
"""

from __future__ import annotations

import configparser
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azext_login.profile import subscriptions as rules
from azext_login.profile.choice import Choice, ChosenContext
from azext_login.profile.chosen_view import apply_choice
from azext_login.profile.clouds import CloudConfig
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.profile.state import INSTALLATION_ID, SUBSCRIPTIONS, Document, ProfileState, key_of
from azext_login.system.directory import PrivateDirectory
from azext_login.system.files import read_bytes, write_atomically
from azext_login.system.run_directories import RunDirectories, RunDirectory
from azext_login.usecases.contexts import find_row_of

if TYPE_CHECKING:
    from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntry
    from azext_login.auth.storage.token_cache import Sections
    from azext_login.profile.contexts import Context
    from azext_login.usecases.session import Session

RUNS = "login_runs"
"""The directory of the directories of all runs, and of their locks."""

# The host makes these from the installed extensions, which takes seconds. They contain nothing of an account.
_INDEXES = ("commandIndex.json", "extensionIndex.json")

HAS_SHARED_KEYRING = sys.platform != "win32"
"""Whether the host has one encrypted store for all config directories, so that such a directory needs plain files."""

Settings = Mapping[str, Mapping[str, str]]
"""Section -> name -> value, as in the host's file `config`."""


@dataclass(frozen=True)
class _SignIn:
    """What is copied of an account. It is read before anything is written."""

    cloud: str
    cloud_settings: Mapping[str, str]
    document: Document
    tokens: Sections = field(repr=False)
    entries: Sequence[ServicePrincipalEntry] = field(repr=False)
    keys: Mapping[int, str] = field(repr=False)
    """Index in `entries` -> the decrypted key that the entry names."""


@contextmanager
def isolated_run(
    session: Session, settings: Settings, context: Context | None, *, installation_id: str | None = None
) -> Iterator[RunDirectory]:
    """Yield a new config directory, which is removed when the block ends.

    Directories whose processes have been killed are removed as well.

    :param settings: written to its file `config`.
    :param context: the sign-in to copy is that of its account in its cloud; None for none.
    :param installation_id: without it, the host would count the run as another installation.
    :raises NotSignedInError: the account of the context is not signed in.
    :raises AccountError: the account does not have the subscription of the context.
    :raises StoreError: a file cannot be read or written.
    """
    sign_in = None if context is None else _read_sign_in(session, context)
    runs = runs_in(session.config_dir)
    with runs.new() as run:
        runs.remove_unused()
        _write_config(run.directory, settings, sign_in)
        _copy_indexes(session.config_dir, run.directory)
        if sign_in is not None:
            _write_credentials(session, run.directory, sign_in)
        document = {SUBSCRIPTIONS: []} if sign_in is None else sign_in.document
        installation = {} if installation_id is None else {INSTALLATION_ID: installation_id}
        write_atomically(run.directory / "azureProfile.json", json.dumps(installation | document).encode("ascii"))
        yield run


def runs_in(config_dir: PrivateDirectory) -> RunDirectories:
    """Return the config directories of the runs that were started with another config directory."""
    return RunDirectories(config_dir, RUNS)


def _read_sign_in(session: Session, context: Context) -> _SignIn:
    clients = session.clients
    document = _document_of(session, context)
    account = context.account
    tokens: Sections = {}
    entries: list[ServicePrincipalEntry] = []
    if not account.keeps_to_its_tenant:
        from azext_login.auth.storage.token_cache import only_identity

        tokens = only_identity(clients.token_cache.usable(), account.name)
        if not account.is_user:
            tenants = {str(row["tenantId"]) for row in document[SUBSCRIPTIONS]}
            entries = clients.service_principals.entries_of(account.name, tenants)
    keys = {index: clients.decrypted_keys.read(entry.get("certificate")) for index, entry in enumerate(entries)}
    return _SignIn(
        cloud=context.cloud,
        cloud_settings=CloudConfig(session.config_dir).registered(context.cloud),
        document=document,
        tokens=tokens,
        entries=entries,
        keys={index: key for index, key in keys.items() if key is not None},
    )


def _document_of(session: Session, context: Context) -> Document:
    """Return azureProfile.json with the rows of the context's account in its cloud alone.

    :raises NotSignedInError: its account is not signed in.
    :raises AccountError: its account does not have the subscription any more.
    """
    state = session.state()
    find_row_of(session, state, context)
    view = apply_choice(state, Choice(chosen=ChosenContext(context.name, context)), context.cloud)

    def own(rows: Sequence[SubscriptionRow]) -> list[SubscriptionRow]:
        return [row for row in rules.in_cloud(rows, context.cloud) if account_of(row).key == view.account]

    rows = [dict(row) for row in own(view.rows)]
    shown = {key_of(row) for row in rows}
    shadowed = [dict(row) for row in own(state.all_rows()) if key_of(row) not in shown]
    document: Document = {}
    ProfileState(rows=rows, shadowed=shadowed).write_to(document, generation=1)
    return document


def _write_config(directory: PrivateDirectory, settings: Settings, sign_in: _SignIn | None) -> None:
    config = {section: dict(values) for section, values in settings.items()}
    config.setdefault("core", {})["collect_telemetry"] = "false"
    # The host would put the tokens of this directory in the place of all others in the keyring.
    if HAS_SHARED_KEYRING:
        config.setdefault("core", {})["encrypt_token_cache"] = "false"
    config.setdefault("login", {})["directory_contexts"] = "off"
    if sign_in is not None:
        config["cloud"] = {"name": sign_in.cloud}
        write_atomically(directory / "clouds.config", _text_of({sign_in.cloud: _with_default(sign_in)}))
    write_atomically(directory / "config", _text_of(config))


def _with_default(sign_in: _SignIn) -> dict[str, str]:
    """Return the settings of the cloud with the subscription that is active in it."""
    active = rules.active_row(sign_in.document[SUBSCRIPTIONS])
    others = {name: value for name, value in sign_in.cloud_settings.items() if name != "subscription"}
    return {**others, **({} if active is None else {"subscription": active["id"]})}


def _text_of(sections: Settings) -> bytes:
    # Raw: the values were read as they are in the file.
    config = configparser.RawConfigParser()
    config.read_dict(sections)
    stream = io.StringIO()
    config.write(stream)
    return stream.getvalue().encode("utf-8", "surrogateescape")


def _copy_indexes(source: PrivateDirectory, target: PrivateDirectory) -> None:
    for name in _INDEXES:
        with suppress(OSError):
            write_atomically(target / name, read_bytes(source / name))


def _write_credentials(session: Session, directory: PrivateDirectory, sign_in: _SignIn) -> None:
    from azext_login.auth.storage.decrypted_keys import DecryptedKeys
    from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
    from azext_login.auth.storage.token_cache import TokenCache

    encrypt = not HAS_SHARED_KEYRING and session.settings.encrypt_token_cache
    if any(sign_in.tokens.values()):
        TokenCache(directory, encrypt=encrypt).commit({}, sign_in.tokens)
    store, certificates = ServicePrincipalEntries(directory, encrypt=encrypt), DecryptedKeys(directory)
    for index, entry in enumerate(sign_in.entries):
        copy: dict[str, Any] = dict(entry)
        if index in sign_in.keys:
            with certificates.keeping(str(entry["client_id"]), str(entry["tenant"]), sign_in.keys[index]) as path:
                copy["certificate"] = str(path)
        with store.saving(copy):
            pass
