"""Run a sign-in and answer its pages: with the device code from standard error, or where a browser would open."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.harness.az import Az
from tests.harness.http_user import HttpUser

#: The prompt of the device code, the same on both sides: it is the service's `message`.
_DEVICE = re.compile(r"open the page (https://\S+) and enter the code (\S+) to authenticate")
#: Seconds until a command that does not exit is killed.
PATIENCE = 60.0


@dataclass
class _Output:
    """What a process has written so far. Reading it in a thread keeps its pipe from filling up."""

    stream: IO[str]
    text: str = ""
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for line in self.stream:
            self.text += line


@dataclass(frozen=True)
class Visitor:
    """A user who signs in where `az login` sends them. `declines`: they press Cancel at the last question."""

    username: str
    password: str
    ca_bundle: Path
    declines: bool = False

    def visit(self, url: str, user_code: str = "") -> None:
        """Answer the pages that begin at `url`."""
        cancel_at = ("accept" if user_code else "username") if self.declines else ""
        user = HttpUser(self.ca_bundle, self.username, self.password, user_code=user_code, cancel_at=cancel_at)
        user.visit(url)


def browser_command(folder: Path) -> tuple[str, Path]:
    """Return a value for BROWSER, and the file that the address to open will be in.

    Like a desktop's browser it returns at once: the sign-in starts to listen afterwards.
    """
    address, program = folder / "address", folder / "browser"
    program.write_text(
        f"#!/bin/sh\nprintf '%s' \"$1\" > '{address}.draft' && /bin/mv '{address}.draft' '{address}'\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return f"{program} %s", address


def run_sign_in(
    az: Az,
    args: tuple[str, ...],
    *,
    visitor: Visitor | None,
    cwd: Path,
    env: Mapping[str, str],
    address: Path | None,
    stdin: str,
) -> tuple[int, str, str]:
    """Run `az` with `args`, send `visitor` to the pages, and return exit code, standard output and error.

    address: where the browser command leaves the address, if there is a browser.
    """
    process = az.start(*args, env=env, cwd=cwd)
    assert process.stdin
    assert process.stdout
    assert process.stderr
    out, err = _Output(process.stdout), _Output(process.stderr)
    process.stdin.write(stdin)
    process.stdin.close()
    visits: list[threading.Thread] = []
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            err.text += f"\nended after {PATIENCE:.0f} s"
            break
        if visitor and not visits and (where := _where_to_go(err.text, address)):
            visits.append(threading.Thread(target=visitor.visit, args=where, daemon=True))
            visits[0].start()
        time.sleep(0.02)
    for thread in (out.thread, err.thread, *visits):
        thread.join(timeout=60)
    return process.returncode, out.text, err.text


def run(az: Az, args: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], stdin: str) -> tuple[int, str, str]:
    """Run any other command, and return exit code, standard output and error."""
    try:
        result = az.run(*args, env=env, cwd=cwd, input=stdin, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return -9, "", f"ended after {PATIENCE:.0f} s"
    return result.exit_code, result.stdout, result.stderr


def _where_to_go(output: str, address: Path | None) -> tuple[str, str] | None:
    if address and address.exists():
        return address.read_text(encoding="utf-8"), ""
    if found := _DEVICE.search(output):
        return found[1], found[2]
    return None
