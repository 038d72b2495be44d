"""The code blocks of docs/install.rst, run as they are written there, with a release on loopback."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.environments import ROOT
from tests.harness.folder_server import FolderServer
from tests.harness.hosts import Host
from tests.harness.stage import Stage
from tests.harness.wheel import without_package_index
from tests.integration.documentation import bash, block
from tests.localcloud import User
from tests.release.build import digest_of
from tests.release.contents import read_wheel
from tests.release.index import read_index, with_release
from tests.release.sources import version_in

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the blocks are written for bash")

_PLACE = "https://HOST/PATH"
_VERSION = version_in((ROOT / "setup.py").read_text(encoding="utf-8"))
_WHEEL = f"login-{_VERSION}-py3-none-any.whl"
_ADDRESS = f"az extension add --source {_PLACE}/{_WHEEL}"
_VARIABLE = f"export AZURE_EXTENSION_INDEX_URL={_PLACE}/index.json"
_SETTING = f"az config set extension.index_url={_PLACE}/index.json"
_SUMS = "sha256sum --check --ignore-missing SHA256SUMS"
_UPDATE, _REMOVE = "az extension update --name login", "az extension remove --name login"
_DEBIAN = "python3 -m venv ~/azure-cli"

#: First line of each block that is tested here.
TESTED = {_ADDRESS, _VARIABLE, _SETTING, _SUMS, _UPDATE, _REMOVE, _DEBIAN}


@pytest.fixture
def site(stage: Stage, tmp_path: Path) -> Iterator[FolderServer]:
    """A web server with the wheel, its index and its sum."""
    folder = tmp_path / "site"
    folder.mkdir()
    wheel = Path(shutil.copy(stage.wheel(), folder))
    assert wheel.name == _WHEEL
    (folder / "SHA256SUMS").write_text(f"{digest_of(wheel)}  {wheel.name}\n{'0' * 64}  missing\n", encoding="utf-8")
    with FolderServer(folder) as server:
        index = with_release(read_index(None, _VERSION), read_wheel(wheel), server.url)
        (folder / "index.json").write_text(index, encoding="utf-8")
        yield server


def _ready(az: Az, tmp_path: Path) -> Az:
    """Return `az` without extensions, for a shell in which nobody answers questions."""
    az = replace(az, extension_dir=tmp_path / "extensions")
    return az.with_env(AZURE_CORE_DISABLE_CONFIRM_PROMPT="yes", **without_package_index())


@pytest.fixture
def bare(stock_az: Az, tmp_path: Path) -> Az:
    """The newest `az`, without extensions and without the local cloud's proxy settings in the way."""
    return _ready(stock_az, tmp_path)


def _lines(first: str, site: FolderServer) -> list[str]:
    return [line.replace(_PLACE, site.url) for line in block(first)]


def _microsofts_package(folder: Path, host: Host) -> Host:
    """Return the host with the layout of Microsoft's Debian package.

    /opt/az has the Python and the packages, and /usr/bin/az is a script that says who installed it
    (https://github.com/Azure/azure-cli, scripts/release/debian/build.sh).
    """
    (folder / "opt").mkdir(parents=True)
    (folder / "opt" / "az").symlink_to(host.bin.parent)
    launcher = folder / "usr" / "bin" / "az"
    launcher.parent.mkdir(parents=True)
    python = '"$(dirname "$BASH_SOURCE")/../../opt/az/bin/python3"'
    launcher.write_text(f'#!/usr/bin/env bash\nAZ_INSTALLER=DEB exec {python} -Im azure.cli "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    return Host(host.name, host.version, launcher)


@pytest.mark.executable
@pytest.mark.parametrize("package", ["pip", "microsoft"])
def test_three_commands_lead_to_a_token(
    make_az: Callable[..., Az], site: FolderServer, alice: User, tmp_path: Path, package: str
) -> None:
    host = hosts.newest()
    if package == "microsoft":
        if not (host.bin / "python3").exists():
            pytest.skip("this azure-cli is not in an environment of its own")
        host = _microsofts_package(tmp_path / "root", host)
    az = _ready(replace(make_az(extension=False), host=host), tmp_path)
    lines = _lines(_ADDRESS, site)
    assert len(lines) == 3
    # In place of the user at a browser.
    lines[1] += f" -u {alice.username} --password=@- --output none"
    lines[2] += " --query tokenType --output tsv"
    assert bash(az, lines, stdin=alice.password) == "Bearer\n"


def test_the_extension_is_added_by_its_name_for_one_shell(bare: Az, site: FolderServer) -> None:
    shown = bash(bare, [*_lines(_VARIABLE, site), "az extension list --query [].version --output tsv"])
    assert _VERSION in shown.splitlines()


def test_the_setting_lists_adds_updates_and_removes_it(bare: Az, site: FolderServer) -> None:
    names = "az extension list --query [].name --output tsv"
    assert bash(bare, [*_lines(_SETTING, site), names]).splitlines()[-1] == "login"
    bash(bare, block(_UPDATE))
    assert bash(bare, [*block(_REMOVE), names]) == ""
    bash(bare, ["az config unset extension.index_url"])


def test_a_file_is_compared_and_added(bare: Az, site: FolderServer) -> None:
    bare = bare.with_env(PATH=f"{bare.host.search_path}:/usr/bin:/bin")
    shown = bash(bare, [f"cd {site.folder}", *block(_SUMS), "az extension list --query [].name --output tsv"])
    assert shown.splitlines() == [f"{_WHEEL}: OK", "login"]


def test_the_environment_for_debian_is_made_with_the_packages_that_the_page_names() -> None:
    """The lines download azure-cli, as the set-up of these tests does: here they are only read."""
    venv, pip, path = block(_DEBIAN)
    folder = venv.split()[-1]
    assert pip == f"{folder}/bin/pip install azure-cli"
    assert path == f"export PATH={folder}/bin:$PATH"
