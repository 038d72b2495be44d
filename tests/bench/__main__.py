"""`python -m tests.bench [RUNS]`: time a few commands with and without the extension, signed in to a local cloud.

`python -m tests.bench parallel [COMMANDS]`: eight shells at once; see parallel.py.
`python -m tests.bench discovery [PAIRS]`: reading all subscriptions again; see discovery.py.
`python -m tests.bench tokens [PAIRS]`: cached and expired tokens; see tokens.py.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench import discovery, parallel, tokens
from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.stage import CloudStage, Stage
from tests.localcloud import LocalCloud

COMMANDS = ("account show", "account list", "account get-access-token", "group list")
PERSON = "alice@contoso.example"


def seconds(az: Az, command: str, runs: int) -> float:
    """Return the median wall-clock time of `command`, in seconds."""
    return statistics.median(az.run(*command.split()).ok().seconds for _ in range(runs))


def main(runs: int) -> None:
    """Print one line per command."""
    with tempfile.TemporaryDirectory(prefix="login-bench-") as folder, LocalCloud() as cloud:
        host = hosts.newest()
        cloud_stage = CloudStage(Stage(Path(folder, "stage")), cloud, host, Path(folder, "cloud"))
        ours = cloud_stage.az(host, Path(folder, "ours"))
        ours.run("login", "-u", PERSON, "-p", cloud.directory.person(PERSON).password).ok()
        # The built-in password sign-in cannot reach a cloud on a port of its own; what we stored serves both.
        stock = cloud_stage.az(host, Path(folder, "stock"), extension=False)
        for stored in ("azureProfile.json", "clouds.config", "msal_token_cache.json"):
            shutil.copy(ours.config_dir / stored, stock.config_dir)
        print(f"{'command':<28}{'built in':>10}{'ours':>10}   (median of {runs}, seconds)")
        for command in COMMANDS:
            print(
                f"{command:<28}{seconds(stock, command, runs):>10.2f}{seconds(ours, command, runs):>10.2f}", flush=True
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["parallel"]:
        sys.exit(1 if parallel.main(*(int(word) for word in sys.argv[2:])) else 0)
    if sys.argv[1:2] == ["discovery"]:
        sys.exit(discovery.main(*(int(word) for word in sys.argv[2:])))
    if sys.argv[1:2] == ["tokens"]:
        sys.exit(tokens.main(*(int(word) for word in sys.argv[2:])))
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
