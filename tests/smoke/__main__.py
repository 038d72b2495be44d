"""`python -m tests.smoke [--host PYTHON] [--wheel FILE]`: add the wheel, sign in, list, get a token, sign out.

Runs on Linux, macOS and Windows: it needs the local cloud, a Python with azure-cli, and nothing else of the tests.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.localcloud import LocalCloud
from tests.users import ALICE

ROOT = Path(__file__).resolve().parents[2]
_SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
#: Seconds that one command may take. The first ones compile azure-cli, and one installs the extension.
_LONGEST = 600
#: Nothing listens there: whatever would leave the computer is refused at once.
_NOWHERE = "http://127.0.0.1:9"
_WINDOWS = ("SYSTEMROOT", "COMSPEC", "PATHEXT", "WINDIR", "PROCESSOR_ARCHITECTURE")
#: What pip may be told about where packages are.
_PIP = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CERT", "PIP_CONFIG_FILE")


class SmokeError(Exception):
    """A command did not do what it promises."""


class Smoke:
    """`az` with a config directory of its own.

    python: the one that azure-cli is installed in.
    """

    def __init__(self, python: Path, folder: Path, cloud: LocalCloud) -> None:
        self._python = python
        self._folder = folder
        self._cloud = cloud
        home = folder / "home"
        home.mkdir()
        kept = {name: os.environ[name] for name in (*_WINDOWS, *_PIP) if name in os.environ}
        self._environment = {
            **kept,
            **{name: str(home) for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP", "TMPDIR")},
            "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
            "PYTHONIOENCODING": "utf-8",
            "AZURE_CONFIG_DIR": str(folder / "azure"),
            "AZURE_EXTENSION_DIR": str(folder / "extensions"),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "NO_PROXY": "localhost,127.0.0.1,::1",
        }

    def install(self, wheel: Path) -> None:
        """Add the wheel. pip may have to download what it depends on."""
        self._run("extension", "add", "--source", str(wheel), "--yes")
        # From here on, nothing needs a network.
        self._environment |= {"HTTPS_PROXY": _NOWHERE, "HTTP_PROXY": _NOWHERE}
        self._environment["REQUESTS_CA_BUNDLE"] = str(self._cloud.ca_bundle)
        self._run("cloud", "register", "-n", "LocalCloud", "--endpoint-resource-manager", self._cloud.url)
        self._run("cloud", "set", "-n", "LocalCloud")
        self._run("config", "set", "core.instance_discovery=false")

    def sign_in_and_out(self) -> None:
        """Sign in, list, get a token, sign out, and look that nothing is left.

        Raises:
            SmokeError: a command failed, or returned something else than it should.
        """
        password = self._cloud.directory.user(ALICE).password
        rows = self._json("login", "-u", ALICE, "--password=@-", stdin=password)
        self._require({row["user"]["name"] for row in rows} == {ALICE}, "the sign-in returned rows of another user")
        self._run("account", "set", "--subscription", "Contoso Development")
        listed = self._json("account", "list")
        active = [row["name"] for row in listed if row["isDefault"]]
        self._require(active == ["Contoso Development"], f"the active subscription is {active}")
        token = self._json("account", "get-access-token")["accessToken"]
        self._require(token.count(".") == 2, "there is no token")
        self._require(isinstance(self._json("group", "list"), list), "a built-in command got no answer")
        self._run("logout")
        self._require(self._json("account", "list") == [], "an account is left after the sign-out")
        left = [path.name for path in (self._folder / "azure").rglob("*") if path.is_file() and self._has(path, token)]
        self._require(not left, f"the token is left in {left}")

    @staticmethod
    def _has(path: Path, token: str) -> bool:
        return token.encode() in path.read_bytes()

    @staticmethod
    def _require(holds: bool, otherwise: str) -> None:
        if not holds:
            raise SmokeError(otherwise)

    def _json(self, *words: str, stdin: str = "") -> Any:
        return json.loads(self._run(*words, stdin=stdin))

    def _run(self, *words: str, stdin: str = "") -> str:
        print(f"$ az {' '.join(words)}", flush=True)
        # `az.bat` and `az` of pip do the same.
        done = subprocess.run(
            [str(self._python), "-m", "azure.cli", *words],
            env=self._environment,
            cwd=self._folder,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_LONGEST,
        )
        if done.returncode or "Traceback" in done.stderr:
            raise SmokeError(f"az {' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout


def main(arguments: list[str]) -> int:
    """Run the commands. Return the exit code: 1 if one did not work."""
    parser = argparse.ArgumentParser(prog="python -m tests.smoke", description=__doc__)
    parser.add_argument("--host", type=Path, help="a Python with azure-cli, or the folder of its environment")
    parser.add_argument("--wheel", type=Path, help="the wheel to add (the one in dist)")
    options = parser.parse_args(arguments)
    python = python_of(options.host or ROOT / ".hosts" / "newest")
    wheel = options.wheel or next(iter(sorted((ROOT / "dist").glob("login-*.whl"))), None)
    if wheel is None:
        print("There is no wheel in dist. Run: make wheel", file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory(prefix="login-smoke-", ignore_cleanup_errors=True) as folder,
        LocalCloud() as cloud,
    ):
        try:
            smoke = Smoke(python, Path(folder), cloud)
            smoke.install(wheel.resolve())
            smoke.sign_in_and_out()
        except (SmokeError, subprocess.TimeoutExpired) as problem:
            print(f"\nThe smoke test failed: {problem}", file=sys.stderr)
            return 1
    print(f"\nAll of it worked on {sys.platform} with {python}.")
    return 0


def python_of(host: Path) -> Path:
    """Return the Python of an environment, or `host` itself if it is one."""
    if host.is_dir():
        return host.absolute() / _SCRIPTS / ("python.exe" if sys.platform == "win32" else "python")
    return host.absolute()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
