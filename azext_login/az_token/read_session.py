"""Opens the session of this program, which reads what the commands read, by the same rules, and writes nothing.

Where a command would write, for example to restore a row, the directory raises an error, and `az` does all of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from azext_login.az_token.hand_over import NotAnsweredError
from azext_login.az_token.host_files import HostFiles, config_directory, text_of
from azext_login.az_token.local_config import check_local_config
from azext_login.cli.private_files import PRIVATE_FILES
from azext_login.cli.process_choice import choice_of_process
from azext_login.profile.clouds import CloudConfig
from azext_login.profile.last_good import LARGEST_LIST
from azext_login.profile.store import ProfileStore
from azext_login.system.directory import PrivateDirectory
from azext_login.system.files import make_all_private
from azext_login.usecases.session import Session

# The host writes it.
_BYTE_ORDER_MARK = "\ufeff"


class _HostAccount:
    """What the host has read of azureProfile.json."""

    def __init__(self, data: Any):
        self.data = data


def open_read_session() -> Session:
    """Return a session on the config directory of this process.

    :raises NotAnsweredError: only `az` can tell what the settings mean.
    :raises FinalError: `az` would wait for ever for a file.
    :raises NotWritableError: a command would write something.
    :raises configparser.Error: the host's configuration is not valid.
    :raises ValueError: a file is not valid.
    :raises OSError: a file cannot be read.
    """
    path = config_directory(os.environ)
    check_local_config(path)
    config_dir = PrivateDirectory(Path(path), is_writable=False)
    make_all_private(config_dir, PRIVATE_FILES)
    clouds = CloudConfig(config_dir)
    clouds.restore_if_removed()
    files = HostFiles(config_dir, os.environ)
    files.check_usual()
    text = text_of(config_dir / "azureProfile.json", limit=LARGEST_LIST)
    if text is None:
        raise NotAnsweredError("no account has signed in")
    document = json.loads(text.removeprefix(_BYTE_ORDER_MARK))
    choice = choice_of_process(files, document, config_dir)
    if choice.refused is not None:
        raise NotAnsweredError("a file of the directory does not count")
    settings = files.settings_of(choice.cloud or files.cloud)
    store = ProfileStore(config_dir, active_cloud=settings.cloud)
    return Session(
        settings,
        config_dir,
        store,
        clouds,
        host_account=_HostAccount(document),
        choice=choice,
        stored_cloud=files.cloud,
    )
