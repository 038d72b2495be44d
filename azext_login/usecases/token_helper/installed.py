"""What a new launcher has to name: the interpreter of the running `az`, the program, and what `az` needs to start."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from azext_login.errors import StoreError
from azext_login.usecases.token_helper.launcher import Launcher

_PACKAGE = Path(os.path.abspath(__file__)).parents[2]

# Homebrew: the directory of a version, which the next `brew upgrade` removes.
_CELLAR = re.compile(r"(?P<prefix>.*)/Cellar/(?P<formula>[^/]+)/[^/]+/(?P<rest>.*)", re.DOTALL)


def launcher_of_this_az(
    extensions: Path, *, environ: Mapping[str, str] = os.environ, interpreter: str = sys.executable
) -> Launcher:
    """Return the launcher that starts `az-token` with the Azure CLI that is running.

    The packages of the Azure CLI start it in different ways, and all of them set AZ_INSTALLER. The RPM package starts
    the Python of the system with its own packages in PYTHONPATH:
    https://github.com/Azure/azure-cli/blob/azure-cli-2.90.0/scripts/release/rpm/azure-cli.spec

    :param extensions: the directory in which `az` looks for extensions. Another config directory has another one, and
        `az-token` may run with any config directory.
    :raises StoreError: the program is not in the installed extension.
    """
    if not interpreter:
        raise StoreError(
            "The Azure CLI does not run with a Python that other programs can start, so no launcher was written.",
            "Install the Azure CLI with one of the packages of https://aka.ms/azure-cli; then run the command again.",
        )
    variables = {name: environ[name] for name in ("AZ_INSTALLER",) if environ.get(name)}
    packages = _packages_of_host(environ)
    if packages:
        variables["PYTHONPATH"] = packages
    defaults = {}
    if _PACKAGE.parents[1] == Path(os.path.abspath(extensions)):
        defaults["AZURE_EXTENSION_DIR"] = str(_PACKAGE.parents[1])
    return Launcher(_lasting(interpreter), str(_program()), variables, defaults)


def _program() -> Path:
    # A checkout that `az` loads as an extension has it beside its modules.
    for path in (_PACKAGE.parent / "bin" / "az-token", _PACKAGE / "az_token" / "az-token"):
        if path.is_file():
            return path
    raise StoreError(
        f"The extension in {_PACKAGE.parent} does not have the program az-token, so no launcher was written.",
        "Add the extension again with `az extension add`; then run the command again.",
    )


def _packages_of_host(environ: Mapping[str, str]) -> str | None:
    """Return the directory of PYTHONPATH without which the interpreter does not find the Azure CLI, if there is one."""
    import azure.cli.core

    own = Path(azure.cli.core.__file__).parents[3]
    for entry in environ.get("PYTHONPATH", "").split(os.pathsep):
        if os.path.isabs(entry) and Path(os.path.normpath(entry)) == own:
            return str(own)
    return None


def _lasting(interpreter: str) -> str:
    """Return a path of the interpreter that survives an update of the Azure CLI, as far as there is one.

    A link is kept: a virtual environment is found by the link to its Python.
    """
    shorter = os.path.normpath(interpreter)
    if not (os.path.exists(shorter) and os.path.samefile(shorter, interpreter)):
        shorter = os.path.abspath(interpreter)
    match = _CELLAR.fullmatch(shorter)
    if match:
        # https://docs.brew.sh/Formula-Cookbook: opt/FORMULA is a link to the current version.
        lasting = os.path.join(match["prefix"], "opt", match["formula"], match["rest"])
        if os.path.exists(lasting) and os.path.samefile(lasting, shorter):
            return lasting
    return shorter
