"""Build the wheel, and install it into an azure-cli as a user does.

`python -m tests.harness.wheel dist` leaves the wheel in dist/.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.harness.environments import ROOT, wheels
from tests.harness.hosts import Host

SAMPLE = Path(__file__).with_name("sample")
ACCOUNT = ROOT / "tests" / "samples" / "azext_account"
VAULTLOGIN = ROOT / "tests" / "samples" / "azext_vaultlogin"
SOURCES = ("setup.py", "pyproject.toml", "README.rst", "HISTORY.rst", "LICENSE")


def build(destination: Path, root: Path = ROOT) -> Path:
    """Build the wheel of the sources in `root` into `destination`, replacing an earlier one, and return its path.

    The sources are copied first: setuptools keeps a build/ folder beside setup.py, and a module that was
    deleted since the last build would still be in the wheel.

    Raises:
        RuntimeError: the build failed; the message is its output.
    """
    with tempfile.TemporaryDirectory(prefix="login-wheel-") as folder:
        source, out = Path(folder, "source"), Path(folder, "out")
        source.mkdir()
        for name in SOURCES:
            shutil.copy(root / name, source)
        shutil.copytree(root / "azext_login", source / "azext_login", ignore=shutil.ignore_patterns("__pycache__"))
        run_build(source, out)
        (built,) = out.glob("login-*.whl")
        destination.mkdir(parents=True, exist_ok=True)
        for old in destination.glob("login-*.whl"):
            old.unlink()
        return Path(shutil.copy(built, destination))


def build_sample(destination: Path, folder: Path = SAMPLE) -> Path:
    """Build the wheel of another extension into `destination`, and return its path.

    folder: has its setup.py. The default is the sample extension.

    Raises:
        RuntimeError: the build failed; the message is its output.
    """
    with tempfile.TemporaryDirectory(prefix="sample-wheel-") as scratch:
        source = Path(scratch, "source")
        shutil.copytree(folder, source, ignore=shutil.ignore_patterns("__pycache__"))
        run_build(source, destination)
    (built,) = destination.glob("*.whl")
    return built


def run_build(source: Path, out: Path, env: Mapping[str, str] | None = None) -> None:
    """Build the wheel of the sources in `source` into `out`.

    env: the environment of the build, if it is not the one of this process.

    Raises:
        RuntimeError: the build failed; the message is its output.
    """
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    # The modes of the files in the wheel are those that the build gives them.
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, umask=0o022)
    if done.returncode:
        raise RuntimeError(f"the wheel could not be built:\n{done.stdout}")


def without_package_index() -> dict[str, str]:
    """Return the environment in which `az extension add` finds what the wheel depends on, without a network.

    The versions are those that the development requirements pin.
    """
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels())}


def install(wheel: Path, host: Host, extension_dir: Path, scratch: Path) -> None:
    """Run `az extension add --source WHEEL` on `host`, into `extension_dir`.

    `scratch` holds the home and config directory of that one command.

    Raises:
        RuntimeError: az refused; the message is its output.
    """
    from tests.harness.az import Az

    az = Az(host, config_dir=scratch, extension_dir=extension_dir)
    result = az.run("extension", "add", "--source", wheel, "--yes", env=without_package_index())
    if result.exit_code:
        raise RuntimeError(f"az extension add failed:\n{result}")


if __name__ == "__main__":
    print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist"))
