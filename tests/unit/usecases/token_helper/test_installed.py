"""What a new launcher names: the interpreter that stays, and what each package of the Azure CLI needs to start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import azure.cli.core
import pytest

from azext_login.errors import StoreError
from azext_login.usecases.token_helper.installed import launcher_of_this_az

ROOT = Path(__file__).resolve().parents[4]
HOST_PACKAGES = str(Path(azure.cli.core.__file__).parents[3])


def test_the_installer_is_handed_on() -> None:
    launcher = launcher_of_this_az(ROOT, environ={"AZ_INSTALLER": "DEB", "HOME": "/root"})
    assert launcher.variables == {"AZ_INSTALLER": "DEB"}
    assert launcher_of_this_az(ROOT, environ={}).variables == {}


@pytest.mark.parametrize(
    "path, expected",
    [
        (HOST_PACKAGES, HOST_PACKAGES),
        (os.pathsep.join(["/other", HOST_PACKAGES + os.sep, "", "."]), HOST_PACKAGES),
        ("/other", None),
        ("", None),
    ],
)
def test_of_pythonpath_only_the_host_s_packages_are_handed_on(path: str, expected: str | None) -> None:
    """As the RPM package starts `az`."""
    launcher = launcher_of_this_az(ROOT, environ={"PYTHONPATH": path})
    assert launcher.variables.get("PYTHONPATH") == expected


def test_the_directory_of_extensions_is_handed_on_if_this_extension_is_in_it(tmp_path: Path) -> None:
    assert launcher_of_this_az(ROOT.parent, environ={}).defaults == {"AZURE_EXTENSION_DIR": str(ROOT.parent)}
    assert launcher_of_this_az(tmp_path, environ={}).defaults == {}


def test_a_virtual_environment_is_named_by_its_own_python(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    launcher = launcher_of_this_az(ROOT, environ={}, interpreter=f"{tmp_path}/../{tmp_path.name}/python")
    assert launcher.interpreter == str(tmp_path / "python")


def test_homebrew_s_python_is_named_by_the_link_that_survives_an_update(tmp_path: Path) -> None:
    cellar = tmp_path / "Cellar" / "azure-cli" / "2.91.0" / "libexec" / "bin"
    cellar.mkdir(parents=True)
    (cellar / "python").symlink_to(sys.executable)
    in_cellar = str(cellar / "python")
    assert launcher_of_this_az(ROOT, environ={}, interpreter=in_cellar).interpreter == in_cellar
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "azure-cli").symlink_to("../Cellar/azure-cli/2.91.0")
    launcher = launcher_of_this_az(ROOT, environ={}, interpreter=in_cellar)
    assert launcher.interpreter == str(tmp_path / "opt" / "azure-cli" / "libexec" / "bin" / "python")


def test_a_host_without_an_interpreter_gets_no_launcher() -> None:
    with pytest.raises(StoreError, match="does not run with a Python"):
        launcher_of_this_az(ROOT, environ={}, interpreter="")
