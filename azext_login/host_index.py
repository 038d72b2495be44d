"""The host's command index: which modules it loads for the first word of a command.

azure-cli 2.91 has the words of its own commands in its package, and those of extensions in `extensionIndex.json`. Older
releases, and cloud profiles other than `latest`, have all of them in `commandIndex.json`. Both files have one shape
(azure.cli.core, `CommandIndex`): `{"version": ..., "cloudProfile": ..., "commandIndex": {word: [module, ...]}}`. They
count for that version and that profile only. The host has read them before it loads us.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

OWN_MODULE = "azext_login"

OWN_WORDS = ("account", "login", "logout")
"""The words of our commands, for which the host lists us by itself."""

AUTO, ON, OFF = "auto", "on", "off"
"""The values of the setting login.every_command."""

_SEEN = "azext_login_loaded"

Words = dict[str, list[str]]
"""Word -> the modules that the host loads for it."""


def index_of(cli_ctx: Any) -> Any:
    """Return the host's copy of the index that lists extensions (azure.cli.core._session.Session).

    None for a host that has another index.
    """
    from azure.cli.core import _session

    has_package = cli_ctx.cloud.profile == "latest" and _packaged_words_file() is not None
    return getattr(_session, "EXTENSION_INDEX" if has_package else "INDEX", None)


def packaged_words(cli_ctx: Any) -> Words:
    """Return the words of the host's own commands that are in its package; empty if they are not."""
    from azure.cli.core import CommandIndex

    read = getattr(CommandIndex(cli_ctx), "get_packaged_core_index", None)
    found = read() if read is not None and _packaged_words_file() is not None else None
    return found if isinstance(found, dict) else {}


def words_in(document: object, cli_ctx: Any) -> Words | None:
    """Return the words of an index; None if it has another shape, or does not count for this host."""
    import azure.cli.core as core

    if not isinstance(document, dict) or document.get("version") != core.__version__:
        return None
    words = document.get("commandIndex")
    is_index = isinstance(words, dict) and all(isinstance(modules, list) for modules in words.values())
    return words if is_index and document.get("cloudProfile") == cli_ctx.cloud.profile else None


def is_listed(words: Mapping[str, Sequence[str]] | None, word: str) -> bool:
    """Tell whether the host loads us for a word."""
    return words is not None and OWN_MODULE in words.get(word, ())


def needs_our_commands(cli_ctx: Any, args: Sequence[str] | None) -> bool:
    """Tell whether the host needs our commands, or has loaded us for the hooks only.

    It needs them for our words, and whenever it loads all extensions: it does that for help, and where its index does
    not list what it looks for, and then makes a new index of all commands that it finds.

    :param args: the words of the command.
    """
    word = args[0].lower() if args and not args[0].startswith("-") else ""
    if not word or word in OWN_WORDS or cli_ctx.invocation is None:
        return True
    loaded_before = cli_ctx.invocation.data.setdefault(_SEEN, [])
    loaded_before.append(word)
    index = index_of(cli_ctx)
    words = None if index is None else words_in(index.data, cli_ctx)
    # The host looks a command up in its index at first, and loads everything if that was not enough.
    if len(loaded_before) > 1 or words is None:
        return True
    meant = _meant_words(cli_ctx, words, word)
    return not any(is_listed(words, each) for each in meant) or any(each in OWN_WORDS for each in meant)


def _meant_words(cli_ctx: Any, words: Words, word: str) -> list[str]:
    """Return what the host looks up in its index for the first word of a command, which may be a part of one."""
    if word in words or not cli_ctx.data.get("completer_active"):
        return [word]
    return [each for each in words if each.startswith(word)]


def _packaged_words_file() -> str | None:
    import azure.cli.core as core

    name = getattr(core.CommandIndex, "_PACKAGED_COMMAND_INDEX_LATEST", None)
    file = os.path.join(os.path.dirname(core.__file__), name) if name else None
    return file if file is not None and os.path.isfile(file) else None


def every_command_setting(cli_ctx: Any) -> str:
    """Return the setting login.every_command: AUTO, ON or OFF. Anything else counts as AUTO."""
    value = _setting(cli_ctx, "every_command")
    return value if value in (ON, OFF) else AUTO


def follows_directories(cli_ctx: Any) -> bool:
    """Tell whether the files `.azure-context` count: the setting login.directory_contexts is not OFF."""
    return _setting(cli_ctx, "directory_contexts") != OFF


def _setting(cli_ctx: Any, name: str) -> str:
    """Return a setting of the section `login`, or "" if it is not set or cannot be read."""
    import configparser

    try:
        return str(cli_ctx.config.get("login", name, fallback="")).strip().lower()
    except configparser.Error:
        return ""
