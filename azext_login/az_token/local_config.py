"""The host's configuration in the working directory and those above it (`az config set --local`).

It has defaults for options, which no option of this program has. But the host reads it in every command (`CLIConfig` in
https://github.com/microsoft/knack/blob/dev/knack/config.py), and fails if it is not valid.
"""

from __future__ import annotations

import configparser
import os
from functools import partial

from azext_login.az_token.hand_over import FinalError
from azext_login.system.directory import LARGEST_FILE
from azext_login.system.entries import NotRegularError, open_regular


def check_local_config(config_dir: str) -> None:
    """Read the files that the host reads.

    :param config_dir: the path of the config directory, as the user gives it.
    :raises configparser.Error: `az` fails because of one.
    :raises ValueError: the same, because one is not UTF-8.
    :raises FinalError: `az` would wait for ever for a file.
    :raises OSError: `az` warns that the working directory was removed.
    """
    own, name = _normal(config_dir), os.path.basename(config_dir)
    directory, above = os.getcwd(), ""
    while directory != above:
        local = os.path.join(directory, name)
        if _normal(local) == own:
            return
        _parse(os.path.join(local, "config"))
        directory, above = os.path.dirname(directory), directory


def _normal(path: str) -> str:
    return os.path.normcase(os.path.normpath(path))


def _parse(file: str) -> None:
    try:
        with open(file, encoding="utf-8", opener=partial(open_regular, limit=LARGEST_FILE)) as stream:
            configparser.ConfigParser().read_file(stream)
    except NotRegularError as error:
        raise FinalError(f"{file} could not be read: {error.strerror}.") from error
    except OSError:
        # There is none, as almost everywhere. The host, too, ignores one that may not be read.
        pass
