"""A keyring of Linux for one test: gnome-keyring on a message bus of its own, and PyGObject for the Python of `az`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.harness.environments import KEYRING, SYSTEM_PACKAGES


class KeyringMissingError(RuntimeError):
    """This computer has no keyring that tests can use. The message explains why."""


def pygobject(python: Path, folder: Path) -> Path:
    """Return a new folder for PYTHONPATH that has the system's PyGObject and nothing else.

    Raises:
        KeyringMissingError: it does not fit this Python, or libsecret is not installed.
    """
    folder.mkdir(exist_ok=True)
    (folder / "gi").symlink_to(SYSTEM_PACKAGES / "gi", target_is_directory=True)
    program = "import gi; gi.require_version('Secret', '1'); from gi.repository import Secret"
    done = subprocess.run([str(python), "-c", program], env={"PYTHONPATH": str(folder)}, capture_output=True, text=True)
    if done.returncode:
        raise KeyringMissingError(f"{python} cannot use libsecret. {_ADVICE}\n{done.stderr[-300:]}")
    return folder


@contextlib.contextmanager
def running_keyring(home: Path, pygobject: Path) -> Iterator[dict[str, str]]:
    """Run an unlocked keyring in a directory, and yield the environment variables that `az` needs to use it.

    Raises:
        KeyringMissingError: it is not installed, or does not start.
    """
    bus, daemon = shutil.which("dbus-daemon"), shutil.which("gnome-keyring-daemon")
    if not bus or not daemon:
        raise KeyringMissingError(f"gnome-keyring is not installed. {_ADVICE}")
    home.mkdir(mode=0o700, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "XDG_DATA_HOME": str(home / "data"),
    }
    with contextlib.ExitStack() as running:
        address = running.enter_context(
            _process([bus, "--session", "--nofork", "--print-address", f"--address=unix:path={home}/bus"], environment)
        )
        assert address.stdout
        environment["DBUS_SESSION_BUS_ADDRESS"] = address.stdout.readline().strip()
        keyring = running.enter_context(
            _process([daemon, "--foreground", "--unlock", "--components=secrets"], environment)
        )
        assert keyring.stdin
        keyring.stdin.write("a password for the keyring")
        keyring.stdin.close()
        _wait_for(home / "data" / "keyrings" / "login.keyring", keyring)
        yield {
            "DBUS_SESSION_BUS_ADDRESS": environment["DBUS_SESSION_BUS_ADDRESS"],
            "PYTHONPATH": str(pygobject),
            "AZURE_CORE_ENCRYPT_TOKEN_CACHE": "true",
        }


_ADVICE = f"On Debian, run: sudo apt-get install {' '.join(KEYRING)}"


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise KeyringMissingError("gnome-keyring does not start.")
        time.sleep(0.05)


# PyGObject as far as msal-extensions needs it to fail in the ways that it does on real computers.
_GI_WITHOUT_SERVICE = """
import sys, types
class Error(RuntimeError): pass
def fail(*words): raise Error("g-dbus-error-quark: ServiceUnknown")
repository = types.ModuleType("gi.repository")
repository.GLib = types.SimpleNamespace(Error=Error)
class Secret:
    class Schema:
        new = staticmethod(lambda *words: None)
    class SchemaFlags: NONE = 0
    class SchemaAttributeType: STRING = 0
    password_store_sync = password_lookup_sync = password_clear_sync = staticmethod(fail)
repository.Secret = Secret
def require_version(*words): pass
sys.modules["gi.repository"] = repository
"""

_BROKEN = {
    "no PyGObject": "raise ImportError('it is missing')",
    "no libsecret": "def require_version(*words): raise ValueError('Namespace Secret not available')",
    "no keyring service": _GI_WITHOUT_SERVICE,
}
FAILURES = tuple(_BROKEN)
"""The ways in which a computer has no keyring."""


def broken_pygobject(folder: Path, failure: str) -> Path:
    """Return a folder for PYTHONPATH with a PyGObject that fails in one of the ways in FAILURES."""
    gi = folder / "broken-pygobject" / "gi"
    gi.mkdir(parents=True)
    (gi / "__init__.py").write_text(_BROKEN[failure], encoding="utf-8")
    return gi.parent
