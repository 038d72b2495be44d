"""Run `az` as a process of its own in an environment built from scratch, with pipes or on a pseudo-terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pexpect

from tests.harness.hosts import Host
from tests.harness.launchers import REAL, Command, Launcher, Process

#: Nothing listens there: whatever would leave the machine is refused at once.
NOWHERE = "http://127.0.0.1:9"
_TOKEN = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")
_TRACEBACK = "Traceback (most recent call last)"

Environment = Mapping[str, "str | os.PathLike[str] | None"]


@dataclass(frozen=True)
class Result:
    """What one run of `az` left behind.

    seconds: wall-clock time.
    secrets: what must not show up in the output.
    """

    args: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def json(self) -> Any:
        """Return standard output as JSON. Fails the test with the whole output if it is not JSON."""
        try:
            return json.loads(self.stdout)
        except ValueError:
            raise AssertionError(f"no JSON on standard output\n{self}") from None

    def ok(self) -> Result:
        """Return this result if the command succeeded and was clean; fail the test otherwise."""
        assert self.exit_code == 0, f"exit code {self.exit_code}\n{self}"
        self.assert_clean()
        return self

    def failed(self, exit_code: int = 1) -> Result:
        """Return this result if the command failed with `exit_code`, one error and no traceback."""
        assert self.exit_code == exit_code, f"exit code {self.exit_code}, not {exit_code}\n{self}"
        assert "ERROR: " in self.stderr or exit_code == 2, f"no error on standard error\n{self}"
        assert self.stderr.count("ERROR: ") <= 1, f"more than one error\n{self}"
        self.assert_clean()
        return self

    def assert_clean(self) -> None:
        """Fail on a traceback, a token on standard error, or one of the known secrets anywhere."""
        for name, text in (("standard output", self.stdout), ("standard error", self.stderr)):
            assert _TRACEBACK not in text, f"a traceback on {name}\n{self}"
            for secret in self.secrets:
                assert secret not in text, f"the secret {secret[:3]}... on {name}\n{self}"
        assert not _TOKEN.search(self.stderr), f"a token on standard error\n{self}"

    def __str__(self) -> str:
        command = " ".join(("az", *self.args))
        return f"$ {command}\n[exit {self.exit_code}, {self.seconds:.2f} s]\n{self.stdout}\n{self.stderr}"


@dataclass(frozen=True)
class Az:
    """One `az` with one config directory.

    host: the azure-cli to run.
    config_dir: becomes AZURE_CONFIG_DIR. Its `home` sub-folder is HOME, so that nothing finds the real one.
    extension_dir: becomes AZURE_EXTENSION_DIR. None is a stock `az`: an empty folder.
    ca_bundle: becomes REQUESTS_CA_BUNDLE.
    env: added to every run; None removes a variable.
    secrets: passwords that `Result.assert_clean` looks for.
    launcher: what starts it: the executable itself, or a stand-in that starts faster.

    PATH holds the folder of `az` alone. No other installed program is found, above all no text
    browser.
    """

    host: Host
    config_dir: Path
    extension_dir: Path | None = None
    ca_bundle: Path | None = None
    env: Environment = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    launcher: Launcher = REAL

    @property
    def profile_path(self) -> Path:
        """The list of subscriptions, azureProfile.json."""
        return self.config_dir / "azureProfile.json"

    def profile(self) -> Any:
        """Return what azureProfile.json holds. The host itself writes it with a byte order mark."""
        return json.loads(self.profile_path.read_text(encoding="utf-8-sig"))

    def with_env(self, **env: str | os.PathLike[str] | None) -> Az:
        """Return the same `az` with more environment variables."""
        return replace(self, env={**self.env, **env})

    def real(self) -> Az:
        """Return the same `az` as the executable itself, for tests of how it starts."""
        return replace(self, launcher=REAL)

    def environment(self, extra: Environment | None = None) -> dict[str, str]:
        """Return the whole environment of a run: nothing of the test process's own gets through."""
        home = self.config_dir / "home"
        extensions = self.extension_dir or self.config_dir / "no-extensions"
        home.mkdir(parents=True, exist_ok=True)
        extensions.mkdir(parents=True, exist_ok=True)
        values: dict[str, str | os.PathLike[str] | None] = {
            "PATH": self.host.search_path,
            "HOME": home,
            "LANG": "C.UTF-8",
            "AZURE_CONFIG_DIR": self.config_dir,
            "AZURE_EXTENSION_DIR": extensions,
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "REQUESTS_CA_BUNDLE": self.ca_bundle,
            "HTTPS_PROXY": NOWHERE,
            "HTTP_PROXY": NOWHERE,
            "NO_PROXY": "localhost,127.0.0.1,::1",
            **self.env,
            **(extra or {}),
        }
        return {name: os.fspath(value) for name, value in values.items() if value is not None}

    def run(
        self,
        *args: str | os.PathLike[str],
        input: str | None = None,
        env: Environment | None = None,
        timeout: float = 60,
        cwd: Path | None = None,
    ) -> Result:
        """Run `az` with `args` and wait for it; fail the test if that takes over `timeout` seconds.

        Standard input is `input`, or empty. The working directory is the config directory's, unless `cwd`
        is given.
        """
        words = tuple(os.fspath(arg) for arg in args)
        began = time.monotonic()
        process = self.start(*words, env=env, cwd=cwd)
        result = self.result(process, *words, input=input or "", timeout=timeout)
        return replace(result, seconds=time.monotonic() - began)

    def result(self, process: Process, *args: str, input: str | None = None, timeout: float = 60) -> Result:
        """Wait for what `start` started with `args`; fail the test if that takes over `timeout` seconds."""
        began = time.monotonic()
        try:
            stdout, stderr = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()
            raise AssertionError(f"az {' '.join(args)} took over {timeout} s. It said:\n{said}") from None
        return Result(args, process.returncode, stdout, stderr, time.monotonic() - began, self.secrets)

    def start(self, *args: str | os.PathLike[str], env: Environment | None = None, cwd: Path | None = None) -> Process:
        """Start `az` and return at once. Standard input is an open pipe; output and errors are pipes too."""
        return self.launcher.start(self._command(args, env, cwd))

    def pty(
        self,
        *args: str | os.PathLike[str],
        env: Environment | None = None,
        timeout: float = 60,
        cwd: Path | None = None,
        size: tuple[int, int] = (40, 160),
    ) -> pexpect.spawn[str]:
        """Start `az` on a pseudo-terminal of `size` (rows, columns); `expect` waits `timeout` seconds."""
        command = self._command(args, {"TERM": "xterm", **(env or {})}, cwd)
        return self.launcher.start_on_terminal(command, size, timeout)

    def _command(self, args: Iterable[str | os.PathLike[str]], env: Environment | None, cwd: Path | None) -> Command:
        words = [os.fspath(arg) for arg in args]
        return Command(self.host, words, self.environment(env), cwd or self.config_dir)


def secrets_of(passwords: Iterable[str]) -> tuple[str, ...]:
    """Return the passwords worth looking for in output: those too short to mean anything are left out."""
    return tuple(password for password in passwords if len(password) >= 6)
