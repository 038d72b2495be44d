"""The options of `az account context hook`: each is declared here, and nowhere else."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from azext_login.cli.options import option

#: Shell -> how the name of its script ends, in the directory `shells`.
SHELLS = {"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "ps1"}


@dataclass(frozen=True, kw_only=True)
class HookOptions:
    """The options of `az account context hook`."""

    shell: str = option(
        "--shell",
        default=dataclasses.MISSING,
        choices=tuple(SHELLS),
        help="Shell that reads the script. powershell stands for Windows PowerShell 5.1 and for PowerShell 7.",
    )
