"""The file with the names of the contexts, which shells read for `azctx` and its completion without starting `az`."""

from __future__ import annotations

from collections.abc import Iterable

from azext_login.errors import StoreError
from azext_login.profile.contexts import Context
from azext_login.system.directory import PrivateDirectory
from azext_login.system.files import read_bytes, write_atomically
from azext_login.system.log import get_logger

logger = get_logger(__name__)

FILE_NAME = "login_contexts"
"""One name in each line, sorted, in ASCII."""


def write_names(config_dir: PrivateDirectory, contexts: Iterable[Context]) -> None:
    """Write the file if it is not up to date. A failure is a warning: the contexts themselves are stored elsewhere."""
    file = config_dir / FILE_NAME
    content = "".join(f"{context.name}\n" for context in contexts).encode("ascii")
    try:
        if read_bytes(file) == content:
            return
    except FileNotFoundError:
        if not content:
            return
    except OSError as error:
        logger.debug("%s is written again: %s", file, error)
    try:
        write_atomically(file, content)
    except StoreError as error:
        logger.warning("%s Until then, the shell function azctx does not know every context.", error)
