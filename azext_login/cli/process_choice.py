"""The choice of this process: its environment, its working directory and the stored contexts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from azext_login.host_index import follows_directories
from azext_login.profile.choosers import directories_with_file, has_variable
from azext_login.system.log import get_logger
from azext_login.system.text import printable

if TYPE_CHECKING:
    from azext_login.profile.choice import Choice
    from azext_login.profile.context_file import ContextFile
    from azext_login.system.directory import PrivateDirectory

logger = get_logger(__name__)

# One line each, however many commands a program runs.
_reported: set[ContextFile] = set()


def choice_of_process(
    cli_ctx: Any, document: object, config_dir: PrivateDirectory | None = None, *, context: str | None = None
) -> Choice:
    """Return the choice of this process.

    :param document: the content of azureProfile.json, as the host has read it.
    :param config_dir: None for the config directory of the host.
    :param context: a context that takes precedence over what the process has chosen.
    """

    def find_file() -> ContextFile | None:
        if not _has_file(cli_ctx):
            return None
        from azext_login.profile.context_file import find_context_file

        return find_context_file()

    from azext_login.profile.choice import CONTEXT_VARIABLE, find_choice

    environ = os.environ if context is None else {CONTEXT_VARIABLE: context}
    return find_choice(environ, partial(_stored, document, config_dir), find_file)


def has_chooser(cli_ctx: Any) -> bool:
    """Tell whether a variable or a file `.azure-context` may choose. Loads and reads as little as possible."""
    return has_variable(os.environ) or _has_file(cli_ctx)


def _has_file(cli_ctx: Any) -> bool:
    return follows_directories(cli_ctx) and next(directories_with_file(), None) is not None


def _stored(document: object, config_dir: PrivateDirectory | None) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return the contexts and the allowed directories: those of our copy, if the file is older or damaged."""
    from azext_login.profile.last_good import LastGoodCopy
    from azext_login.profile.state import ALLOWED, CONTEXTS, is_current, own_part

    copy = LastGoodCopy(config_dir or _config_dir_of_host())
    if not is_current(document, copy.generation()):
        document = copy.read() or document
    contexts, allowed = own_part(document, CONTEXTS), own_part(document, ALLOWED)
    return contexts if isinstance(contexts, list) else [], allowed if isinstance(allowed, dict) else {}


def _config_dir_of_host() -> PrivateDirectory:
    from pathlib import Path

    from azure.cli.core.api import get_config_dir

    from azext_login.system.directory import PrivateDirectory

    return PrivateDirectory(Path(get_config_dir()))


def report_refused_file(file: ContextFile) -> None:
    """Warn that the file of the directory does not count, and name the command that changes that."""
    if file in _reported or "_ARGCOMPLETE" in os.environ:
        return
    _reported.add(file)
    path = printable(file.path)
    if file.name is None:
        logger.warning("%s is not used, because %s. The stored default is used.", path, file.problem)
    else:
        logger.warning(
            "%s chooses the context '%s', but it is not used before you allow it. To allow it, run "
            "az account context allow in this directory. The stored default is used.",
            path, file.name,
        )  # fmt: skip
