"""Sign in where neither a browser nor a terminal is needed: with a password, or with a device code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tests.harness.az import Az, Result

if TYPE_CHECKING:  # most tests of the harness need no web server
    from tests.localcloud import LocalCloud

_Page = TypeVar("_Page")
#: Entra's message, the same with and without the extension.
DEVICE_PROMPT = re.compile(r"(https://\S+)\s.*\bcode\s+(\S+)\s", re.DOTALL)


def sign_in(az: Az, cloud: LocalCloud, username: str, *options: str, timeout: float = 60) -> Result:
    """Run `az login` with the password that `cloud` has for `username`, and return the result, whatever it is.

    options: more arguments of `az login`.
    timeout: seconds until the test fails.
    """
    # `-p=`, because a password may begin with `-`.
    password = cloud.directory.user(username).password
    return az.run("login", "-u", username, f"-p={password}", *options, timeout=timeout)


def sign_in_with_code(az: Az, answer: Callable[[str, str], _Page], *options: str) -> tuple[Result, _Page]:
    """Run `az login --use-device-code`, and return its result and what `answer` returned.

    answer: receives the address and the code that the command shows, and answers the pages there.
    """
    words = ("login", "--use-device-code", *options)
    process = az.start(*words)
    assert process.stderr
    shown, prompt = "", None
    while prompt is None and (line := process.stderr.readline()):
        shown += line
        prompt = DEVICE_PROMPT.search(shown)
    assert prompt, shown
    page = answer(prompt[1], prompt[2])
    result = az.result(process, *words)
    return Result(words, result.exit_code, result.stdout, shown + result.stderr, 0.0, az.secrets), page
