"""Who may use a new file on Windows: in a directory outside the user's profile, everyone whom that directory admits.

The profile of a user admits the user, the system and the administrators. A config directory elsewhere may admit every
user of the computer, and new files inherit that. POSIX systems have modes instead.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from azext_login.system.log import get_logger

logger = get_logger(__name__)

# In Microsoft's language for security descriptors (learn.microsoft.com/windows/win32/secauthz/ace-strings): D:P is an
# access list that inherits nothing, OICI passes an entry on to files and directories below, FA is full access, SY is
# the system, BA are the administrators.
_ENTRY = "(A;OICI;FA;;;{})"
_OTHERS = ("SY", "BA")

_TOKEN_QUERY = 0x0008  # winnt.h


def is_in_profile(path: Path, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a path is below the profile of the user, whose access list is passed on to it."""
    profile = environ.get("USERPROFILE")
    if not profile:
        return False
    real, base = (os.path.normcase(os.path.realpath(each)) for each in (path, profile))
    with contextlib.suppress(ValueError):  # On two drives.
        return os.path.commonpath([real, base]) == base
    return False


def restrict_to_owner(path: Path) -> None:
    """Give a new file or directory to this user, the system and the administrators alone. A failure is only logged.

    The owner is named: a file that an elevated process creates belongs to the administrators. The functions are those
    of pywin32, which azure-cli brings for its locks (portalocker).
    """
    try:
        security: Any = import_module("win32security")
        process: Any = import_module("win32api").GetCurrentProcess()
        token = security.OpenProcessToken(process, _TOKEN_QUERY)
        user, _ = security.GetTokenInformation(token, security.TokenUser)
        names = (security.ConvertSidToStringSid(user), *_OTHERS)
        descriptor = security.ConvertStringSecurityDescriptorToSecurityDescriptor(
            "D:P" + "".join(map(_ENTRY.format, names)), security.SDDL_REVISION_1
        )
        security.SetNamedSecurityInfo(
            str(path),
            security.SE_FILE_OBJECT,
            security.DACL_SECURITY_INFORMATION | security.PROTECTED_DACL_SECURITY_INFORMATION,
            None,
            None,
            descriptor.GetSecurityDescriptorDacl(),
            None,
        )
    except Exception as error:  # noqa: BLE001  # pywin32 raises an exception of its own, and may be missing
        logger.debug("The access rights of %s were not restricted: %s", path, error)
