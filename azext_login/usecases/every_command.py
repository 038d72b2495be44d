"""Whether the host loads this extension for every command, or for our own alone: the setting login.every_command.

The host loads an extension for the words that its index lists it under. It lists ours, and makes a new index whenever
it loads all extensions: after one was added or removed, and after an update of the host. So the other words are added
again after each command for which it has loaded our commands.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from azext_login.errors import StoreError, first_line
from azext_login.host_index import (
    AUTO,
    OFF,
    OWN_MODULE,
    OWN_WORDS,
    Words,
    every_command_setting,
    index_of,
    is_listed,
    packaged_words,
    words_in,
)
from azext_login.profile.choosers import has_variable
from azext_login.profile.state import CONTEXTS, has_rows, own_part
from azext_login.system.directory import PrivateDirectory
from azext_login.system.file_lock import FileLock
from azext_login.system.files import read_bytes, write_atomically

_LOCK = "login_index.lock"

# Seconds. Another process that holds the lock is about to write the same.
_PATIENCE = 2.0


def update_index(cli_ctx: Any) -> None:
    """List this extension under every word of the host's index if the setting wants that, and under its own if not.

    :raises StoreError: the index cannot be written.
    """
    index = index_of(cli_ctx)
    words = None if index is None else words_in(index.data, cli_ctx)
    if words is None or not all(is_listed(words, word) for word in OWN_WORDS):
        # Unknown, or emptied by this very command, such as `az extension add`.
        return
    wanted = _is_wanted(cli_ctx)
    if wanted != _is_listed_for_others(words):
        _write(cli_ctx, index, wanted)


def _is_wanted(cli_ctx: Any) -> bool:
    """Tell whether the setting wants the host to load us for every command."""
    from azure.cli.core._session import ACCOUNT

    setting = every_command_setting(cli_ctx)
    return setting != OFF and (setting != AUTO or _is_needed(ACCOUNT.data))


def obstacle(cli_ctx: Any) -> str | None:
    """Return why other commands run without this extension's help, or None. The index is updated first."""
    if every_command_setting(cli_ctx) == OFF:
        return "the setting login.every_command is off"
    try:
        update_index(cli_ctx)
    except StoreError as error:
        return f"the command index of the Azure CLI could not be changed ({first_line(error)})"
    if not _is_wanted(cli_ctx):
        return "no account is signed in"
    index = index_of(cli_ctx)
    words = None if index is None else words_in(index.data, cli_ctx)
    if words is None or not _is_listed_for_others(words):
        return "this azure-cli has a command index that the extension does not know"
    return None


def _is_needed(document: object) -> bool:
    """Tell whether an account is stored that a command could use, or a variable or a context chooses one.

    The host could not renew its credential without us, or would use it although a variable of that process chooses
    another account.
    """
    if has_variable(os.environ):
        return True
    return isinstance(document, dict) and (has_rows(document) or bool(own_part(document, CONTEXTS)))


def _is_listed_for_others(words: Words) -> bool:
    return any(is_listed(words, word) for word in words if word not in OWN_WORDS)


def _write(cli_ctx: Any, index: Any, wanted: bool) -> None:
    from azure.cli.core.api import get_config_dir

    directory = PrivateDirectory(Path(get_config_dir()))
    file = directory / os.path.basename(index.filename)
    with FileLock(directory / _LOCK, timeout=_PATIENCE) as lock:
        try:
            document = json.loads(read_bytes(file).decode("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{file} could not be read: {error}") from error
        words = words_in(document, cli_ctx)
        if words is None:
            # Another process has emptied it.
            return
        document["commandIndex"] = _with_us(words, packaged_words(cli_ctx)) if wanted else _without_us(words)
        # The host writes a byte order mark too.
        write_atomically(file, codecs.BOM_UTF8, json.dumps(document).encode("ascii"), locked=not lock.is_missing)
    # The host may save its copy.
    index.data = document


def _with_us(words: Words, others: Iterable[str]) -> Words:
    listed = {word: words.get(word, []) for word in (*words, *others)}
    return {word: modules if OWN_MODULE in modules else [*modules, OWN_MODULE] for word, modules in listed.items()}


def _without_us(words: Words) -> Words:
    listed = {
        word: [module for module in modules if module != OWN_MODULE or word in OWN_WORDS]
        for word, modules in words.items()
    }
    return {word: modules for word, modules in listed.items() if modules}
