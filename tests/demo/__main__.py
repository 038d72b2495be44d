"""`python -m tests.demo [--shell]`: show the extension at work, unattended or at the user's own prompt."""

from __future__ import annotations

import sys
import time

from tests.demo.setting import DemoError, say
from tests.demo.shell import shell
from tests.demo.tour import tour
from tests.harness.environments import SetUpError


def main(args: list[str]) -> int:
    """Run one or the other. Return the exit code: 1 if anything did not work."""
    began = time.monotonic()
    try:
        if args == ["--shell"]:
            shell()
            return 0
        tour()
    except (DemoError, SetUpError, AssertionError, RuntimeError) as problem:
        print(f"\nThe demonstration failed: {problem}", file=sys.stderr)
        return 1
    say(f"\nAll of it worked, in {time.monotonic() - began:.0f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
