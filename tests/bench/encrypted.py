"""`python -m tests.bench encrypted [PAIRS]`: `az account get-access-token` with a cached token in a real keyring.

Each pair runs the command with the extension and without it, with core.encrypt_token_cache on, one right after the
other and in changing order. Both find the token in the same item of the keyring.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.tokens import PAIRS, measure_warm, sides
from tests.harness import hosts
from tests.harness.keyring import pygobject, running_keyring
from tests.localcloud import LocalCloud

LIMIT = 0.85


def main(pairs: int = PAIRS) -> int:
    """Print what was measured; return 1 if the limit is broken."""
    with (
        tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as folder,
        LocalCloud() as cloud,
    ):
        python = pygobject(hosts.newest().az.parent / "python", Path(folder, "pygobject"))
        with running_keyring(Path(folder, "keyring"), python) as environment:
            both = sides(Path(folder), cloud, environment)
            print(f"{'':<26}{'built in':>10}{'ours':>9}{'ratio':>8}{'limit':>7}")
            within = measure_warm(both, pairs, title="token in the keyring", limit=LIMIT)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
