"""The script `az` that started this Python, and whether it still runs.

Linux packages and Homebrew install `az` as a shell script, Windows has `az.cmd` or `az.bat`. A job knows the process ID
of that script alone, and ending the script does not reach Python. Where `az` is Python from the start, the parent is
the job's shell, which tells nothing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

# cmd.exe, and what it runs after /c or /k. Blanks in a path and quotes around it split the words in many ways.
_CMD = re.compile(
    r"[\s\"]*(?:[^\"]*?[\\/])?cmd(?:\.exe)?\"?(?:\s+/\S+)*?\s+/[ck][\s\"]*(?:call[\s\"]+)?(?P<command>.*)",
    re.IGNORECASE | re.DOTALL,
)
_AZ_FIRST = re.compile(r"(?:[^\"&|<>]*[\\/])?az(?:\.cmd|\.bat|\.exe)?(?=[\"\s]|$)", re.IGNORECASE)

_AZ_ON_WINDOWS = ("az", "az.cmd", "az.bat", "az.exe")


def is_script(words: Sequence[str], platform: str = sys.platform) -> bool:
    """Tell whether a process with this command line runs the script `az`."""
    if platform != "win32":
        return any(os.path.basename(word) == "az" for word in words[:3])
    by_cmd = _CMD.match(" ".join(words))
    if by_cmd is not None:
        return _AZ_FIRST.match(by_cmd["command"]) is not None
    return any(re.split(r"[\\/]", word)[-1].lower() in _AZ_ON_WINDOWS for word in words[:3])


def watch_script(this: Any = None, platform: str = sys.platform) -> Callable[[], bool]:
    """Return a function that tells whether the script that started this Python has ended: never, without a script.

    :param this: a `psutil.Process`; this one unless given.
    """
    import psutil

    try:
        this = this or psutil.Process()
        script = this.parent()
        if platform == "win32" and script is not None and script.cmdline()[1:] == this.cmdline()[1:]:
            # The python.exe of a virtual environment starts another one.
            script = script.parent()
        if script is None or not is_script(script.cmdline(), platform):
            return lambda: False
        parent = this.ppid()
    except psutil.Error:
        return lambda: False
    # A script that has ended may be a zombie, but it is no parent any more. On Windows, the parent never changes.
    return lambda: this.ppid() != parent or not script.is_running()
