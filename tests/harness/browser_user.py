"""A user with a browser: a headless Chromium."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.harness.environments import ROOT, browser_executable

_PROGRAM = ROOT / "tests" / "browser" / "open_as_user.py"


@dataclass(frozen=True)
class Report:
    """What the user saw. `steps` are what they did; `url`, `title` and `text` are of the last page."""

    opened: str
    steps: tuple[str, ...]
    url: str
    title: str
    text: str
    screenshot: Path


class BrowserUser:
    """A user who answers the sign-in pages in Chromium.

    Give `browser` to `az` as the environment variable BROWSER. Use as a context manager: at the end no
    Chromium is left.

    folder: a new folder for the plan, the report, the screenshot, and the browser's profile.
    cloud_url: where the sign-in pages are; the key of its certificate is the one thing that the browser
    trusts
        beyond the system's authorities.
    profile: an earlier user's `profile`, for a browser that remembers who signed in.
    plan: user_code, for the device page; mfa_code, to enter another one than the authenticator shows;
    cancel_at, a
        selector: press Cancel on the page that shows it.
    """

    def __init__(
        self,
        folder: Path,
        cloud_url: str,
        username: str,
        password: str,
        *,
        seconds: float = 90,
        profile: Path | None = None,
        **plan: str,
    ) -> None:
        folder.mkdir(parents=True)
        self.profile = profile or folder / "profile"
        self._seconds = seconds
        self._report, self._pid_file, self._log = (folder / n for n in ("report.json", "pid", "log"))
        self._screenshot = folder / "last-page.png"
        plan_file = folder / "plan.json"
        plan_file.write_text(
            json.dumps(
                {
                    "cloud": cloud_url,
                    "username": username,
                    "password": password,
                    "seconds": seconds,
                    "browser": browser_executable(),
                    "driver": shutil.which("chromedriver"),
                    "browser_profile": str(self.profile),
                    "trusted_key": key_pin(cloud_url),
                    "report": str(self._report),
                    "pid_file": str(self._pid_file),
                    "log": str(self._log),
                    "screenshot": str(self._screenshot),
                    **plan,
                }
            ),
            encoding="utf-8",
        )
        wrapper = folder / "browser"
        wrapper.write_text(
            "#!/bin/sh\n"
            "PATH=/usr/local/bin:/usr/bin:/bin; export PATH\n"
            f"exec '{sys.executable}' '{_PROGRAM}' '{plan_file}' \"$1\"\n",
            encoding="utf-8",
        )
        wrapper.chmod(0o755)
        self.browser = f"{wrapper} %s"

    def report(self) -> Report:
        """Wait for the user to finish, and return what they saw.

        Fails the test if they could not finish, with the page that they were stuck on.
        """
        deadline = time.monotonic() + self._seconds + 15
        while not self._report.exists():
            assert time.monotonic() < deadline, f"the browser never finished: {self._read_log()}"
            time.sleep(0.05)
        told: dict[str, Any] = json.loads(self._report.read_text(encoding="utf-8"))
        assert not told["error"], f"{told['error']}\nAfter: {told['steps']}\n{told.get('text')}"
        return Report(
            told["opened"],
            tuple(told["steps"]),
            told["url"],
            told["title"],
            told["text"],
            self._screenshot,
        )

    @property
    def was_called(self) -> bool:
        """Tell whether `az` opened the browser at all."""
        return self._pid_file.exists()

    def _read_log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else "it was never opened"

    def __enter__(self) -> BrowserUser:
        return self

    def __exit__(self, *exception: object) -> None:
        if sys.platform == "win32":
            raise NotImplementedError
        if self.was_called and not self._report.exists():
            # The whole session of the program: it, the driver and every process of Chromium.
            with suppress(ProcessLookupError, ValueError):
                os.killpg(os.getpgid(int(self._pid_file.read_text(encoding="utf-8"))), signal.SIGKILL)


def open_page(user: BrowserUser, url: str) -> None:
    """Open `url` in the user's browser, as a user does who was given an address."""
    subprocess.run([*shlex.split(user.browser.replace("%s", "")), url], check=True, timeout=60)


class AddressTaker:
    """A browser command that shows no page: it keeps the address for the test."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._file = folder / "address"
        wrapper = folder / "browser"
        wrapper.write_text(
            f"#!/bin/sh\nprintf '%s' \"$1\" > '{self._file}.draft' && /bin/mv '{self._file}.draft' '{self._file}'\n",
            encoding="utf-8",
        )
        wrapper.chmod(0o755)
        self.browser = f"{wrapper} %s"

    def address(self, seconds: float = 60) -> str:
        """Wait until `az` opens the browser, and return the address. Fails the test if it never does."""
        deadline = time.monotonic() + seconds
        while not self._file.exists():
            assert time.monotonic() < deadline, "no browser was opened"
            time.sleep(0.02)
        return self._file.read_text(encoding="utf-8")


def key_pin(url: str) -> str:
    """Return the base64 SHA-256 of the public key at `url`, as Chromium wants it (RFC 7469, section 2.4)."""
    place = urlsplit(url)
    pem = ssl.get_server_certificate((place.hostname or "localhost", place.port or 443))
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode()
