"""Run the program `az-token` of an installed extension, in the environment of an `az`."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.harness.az import Az, Environment, Result

_PROGRAM = Path("login", "bin", "az-token")

NOT_ANSWERED = 99
"""Exit code of `without_az`."""

_WITHOUT_AZ = f"""
import json, sys
sys.path.insert(0, sys.argv[1])
from azext_login.az_token import hand_over, program

def record(words):
    reason = repr(sys.exc_info()[1])
    print(json.dumps([reason, hand_over.az_words(words), sys.stdin.read()]), file=sys.stderr)
    sys.exit({NOT_ANSWERED})

program.hand_over = record
sys.exit(program.main(sys.argv[2:]))
"""


@dataclass(frozen=True)
class HandOver:
    """What the program would have let `az` answer."""

    reason: str
    words: tuple[str, ...]
    """Of `az`."""
    input: str
    """What is left of standard input."""


def command(az: Az) -> list[str]:
    """Return the words that start the program as a launcher does: without the packages of the interpreter."""
    if az.extension_dir is None:
        raise ValueError("this az has no extension")
    return [str(az.host.bin / "python"), "-I", "-S", str(az.extension_dir / _PROGRAM)]


def start(
    az: Az, *words: str, env: Environment | None = None, cwd: Path | None = None, program: list[str] | None = None
) -> subprocess.Popen[str]:
    """Start the program with these words, and return at once. Its standard streams are pipes.

    program: what to start in place of `command(az)`.
    """
    return subprocess.Popen(
        [*(program or command(az)), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=az.environment(env),
        cwd=cwd or az.config_dir,
    )


def run(
    az: Az,
    *words: str,
    input: str = "",
    env: Environment | None = None,
    cwd: Path | None = None,
    program: list[str] | None = None,
    timeout: float = 60,
) -> Result:
    """Run the program with these words; fail the test if that takes over `timeout` seconds."""
    began = time.monotonic()
    process = start(az, *words, env=env, cwd=cwd, program=program)
    try:
        stdout, stderr = process.communicate(input, timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"az-token {' '.join(words)} took over {timeout} s: {process.communicate()}") from None
    return Result(("az-token", *words), process.returncode, stdout, stderr, time.monotonic() - began, az.secrets)


def without_az(az: Az) -> list[str]:
    """Return what starts the program, and exits with NOT_ANSWERED where it would let `az` answer (`handed_over`)."""
    if az.extension_dir is None:
        raise ValueError("this az has no extension")
    return [*command(az)[:-1], "-c", _WITHOUT_AZ, str(az.extension_dir / "login")]


def handed_over(result: Result) -> HandOver | None:
    """Return what a run of `without_az` would have let `az` answer; None if it answered itself."""
    if result.exit_code != NOT_ANSWERED:
        return None
    assert result.stdout == "", "something was written before az was to answer"
    reason, words, rest = json.loads(result.stderr)
    return HandOver(reason, tuple(words), rest)
