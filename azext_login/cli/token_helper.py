"""`az account token-helper`: installs, removes and lists the launchers of `az-token`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azext_login.cli.options import serves
from azext_login.cli.token_helper_options import InstallHelperOptions, ListHelpersOptions, UninstallHelperOptions
from azext_login.errors import StoreError
from azext_login.host import extensions_directory
from azext_login.system.command_line import Shell, quote_word, shell_in_use
from azext_login.system.log import get_logger
from azext_login.system.text import printable
from azext_login.usecases.token_helper import manage
from azext_login.usecases.token_helper.places import default_directory

if TYPE_CHECKING:
    from azext_login.usecases.token_helper.launcher import Launcher
    from azext_login.usecases.token_helper.manage import HelperStatus

logger = get_logger(__name__)


@serves("account token-helper install", InstallHelperOptions)
def install_helper(cmd: Any, options: InstallHelperOptions) -> dict[str, Any]:
    """Write a launcher, report on standard error what keeps its name from starting it, and return what it is."""
    directory = _directory(options.to)
    installed = manage.install(directory, _current())
    if not installed.is_on_path:
        _report_missing_on_path(directory)
    elif installed.shadowed_by is not None:
        logger.warning(
            "The name az-token still starts %s. Remove that, or move %s to the beginning of PATH.",
            printable(installed.shadowed_by), printable(directory),
        )  # fmt: skip
    if manage.is_open_to_others(directory):
        logger.warning(
            "Other users can write to %s, and replace what the name az-token starts. To prevent that, run: %s",
            printable(directory), f"chmod go-w {quote_word(str(directory))}",
        )  # fmt: skip
    return _document(installed)


@serves("account token-helper uninstall", UninstallHelperOptions)
def uninstall_helper(cmd: Any, options: UninstallHelperOptions) -> None:
    """Remove a launcher."""
    manage.uninstall(_directory(options.to))


@serves("account token-helper status", ListHelpersOptions)
def list_helpers(cmd: Any, options: ListHelpersOptions) -> list[dict[str, Any]]:
    """Return every program called `az-token` that is found."""
    current = None
    with contextlib.suppress(StoreError):
        current = _current()
    found = manage.find(() if options.to is None else (_directory(options.to),), current)
    if not any(each.launcher is not None for each in found):
        logger.warning("az-token is not installed. To install it, run: az account token-helper install")
    return [_document(each) for each in found]


def _current() -> Launcher:
    from azext_login.usecases.token_helper.installed import launcher_of_this_az

    return launcher_of_this_az(extensions_directory())


def _directory(given: str | None) -> Path:
    """Return the directory that an option names. The shell leaves the tilde of `--to=~/bin` to us."""
    return default_directory() if given is None else Path(os.path.abspath(os.path.expanduser(given)))


def _report_missing_on_path(directory: Path) -> None:
    where, line = line_for_path(directory)
    logger.warning(
        "%s is not on PATH, so the name az-token does not start it yet. Add this line to %s, and open a new shell:\n%s",
        printable(directory), where, printable(line),
    )  # fmt: skip


def line_for_path(
    directory: Path, environ: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> tuple[str, str]:
    """Return where the user's shell reads its settings, and the line that puts a directory on PATH there."""
    shell = os.path.basename(environ.get("SHELL", ""))
    if shell_in_use(environ, platform) is not Shell.POSIX:
        # A single quotation mark is doubled between two of them.
        quoted = "'{}'".format(str(directory).replace("'", "''"))
        return "the file that $PROFILE names", f"$env:PATH = {quoted} + [IO.Path]::PathSeparator + $env:PATH"
    word = _with_home(directory, environ)
    if shell == "fish":
        return "~/.config/fish/config.fish", f"fish_add_path {word}"
    files = {"bash": "~/.bashrc", "zsh": "~/.zshrc"}
    return files.get(shell, "~/.profile"), f'export PATH={word}:"$PATH"'


def _with_home(directory: Path, environ: Mapping[str, str]) -> str:
    """Return a directory as a word of a POSIX shell or of fish, with $HOME where that is possible."""
    home = environ.get("HOME")
    if home and directory.is_relative_to(home):
        below = directory.relative_to(home).as_posix()
        if quote_word(below, Shell.POSIX) == below:
            return f'"$HOME/{below}"'
    return quote_word(str(directory), Shell.POSIX)


def _document(found: HelperStatus) -> dict[str, Any]:
    launcher = found.launcher
    return {
        "interpreter": launcher.interpreter if launcher else None,
        "isOnPath": found.is_on_path,
        "missing": found.missing,
        "path": str(found.path),
        "program": launcher.program if launcher else None,
        "shadowedBy": str(found.shadowed_by) if found.shadowed_by else None,
        "state": found.state.value,
    }
