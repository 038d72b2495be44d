"""What a demonstration plays in: a local cloud, a wheel, and an `az` whose files are all temporary."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import hosts, wheel
from tests.harness.az import Az, Result
from tests.harness.environments import ROOT
from tests.harness.stage import CLOUD_NAME
from tests.localcloud import LocalCloud

_BOLD, _FAINT, _PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class DemoError(Exception):
    """A command of the demonstration did not do what it promises."""


def say(text: str = "") -> None:
    """Print a line between the commands."""
    print(f"{_FAINT}{text}{_PLAIN}" if text else "", flush=True)


class Terminal:
    """Show commands, run them, and stop at the first one that fails."""

    def __init__(self, az: Az) -> None:
        self.az = az

    def type(self, *args: str | Path) -> None:
        """Show the command, the way a user would type it."""
        words = [str(Path(arg).relative_to(ROOT)) if isinstance(arg, Path) else arg for arg in args]
        print(f"\n{_BOLD}$ az {shlex.join(words)}{_PLAIN}", flush=True)

    def run(self, *args: str | Path, env: dict[str, str] | None = None) -> Result:
        """Type a command, run it, and show its output."""
        self.type(*args)
        result = self.az.run(*args, env=env, timeout=120)
        self.show(result.stderr)
        self.show(result.stdout)
        self.require(result)
        return result

    @staticmethod
    def show(text: str) -> None:
        """Print the output of a command."""
        if text.strip():
            print(text.rstrip("\n"), flush=True)

    @staticmethod
    def require(result: Result) -> None:
        """Stop the demonstration if the command failed, or printed what it must not print.

        Raises:
            DemoError: it did.
        """
        if result.exit_code:
            raise DemoError(f"az {shlex.join(result.args)} ended with exit code {result.exit_code}")
        try:
            result.assert_clean()
        except AssertionError as problem:
            raise DemoError(str(problem)) from None


@contextmanager
def setting() -> Iterator[tuple[LocalCloud, Terminal]]:
    """Start the cloud, build the wheel and add it to `az`; take everything away at the end."""
    with tempfile.TemporaryDirectory(prefix="login-demo-", ignore_cleanup_errors=True) as folder, LocalCloud() as cloud:
        home = Path(folder)
        az = Az(
            hosts.newest(),
            config_dir=home / "azure",
            extension_dir=home / "extensions",
            ca_bundle=Path(cloud.ca_bundle),
        )
        terminal = Terminal(az)
        say(f"A local cloud runs at {cloud.url}; az {az.host.version} keeps its files in {home}.")
        add = ("extension", "add", "--source", wheel.build(ROOT / "dist"), "--yes")
        terminal.run(*add, env=wheel.without_package_index())
        terminal.run("cloud", "register", "-n", CLOUD_NAME, "--endpoint-resource-manager", cloud.url)
        terminal.run("cloud", "set", "-n", CLOUD_NAME)
        terminal.run("config", "set", "core.instance_discovery=false")
        yield cloud, terminal
