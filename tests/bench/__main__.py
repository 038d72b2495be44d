"""`python -m tests.bench [RUNS]`: time a few commands with and without the extension, signed in to a local cloud.

`python -m tests.bench store [PAIRS]`: the account commands with 1,000 and 10,000 subscriptions; see store.py.
`python -m tests.bench parallel [COMMANDS]`: eight shells at once; see parallel.py.
`python -m tests.bench discovery [PAIRS]`: reading all subscriptions again; see discovery.py.
`python -m tests.bench tokens [PAIRS]`: cached and expired tokens; see tokens.py.
`python -m tests.bench az_token [PAIRS]`: a cached token without starting `az`; see az_token.py.
`python -m tests.bench encrypted [PAIRS]`: a cached token in a keyring; see encrypted.py.
`python -m tests.bench sign_in [PAIRS]`: `az login`; see sign_in.py.
`python -m tests.bench every_command [PAIRS]`: commands that are not ours; see every_command.py.
`python -m tests.bench contexts [PAIRS]`: with contexts, none of them chosen; see contexts.py.
`python -m tests.bench switch [SWITCHES]`: `azctx NAME` in each shell; see switch.py.
`python -m tests.bench status [RUNS]`: `az account status` with many accounts; see status.py.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench import az_token, contexts, discovery, encrypted, every_command, parallel, status, store, switch, tokens
from tests.bench import sign_in as sign_ins
from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage, Stage
from tests.localcloud import LocalCloud
from tests.users import ALICE

COMMANDS = ("account show", "account list", "account get-access-token", "group list")

#: By name: what prints a report, and returns 0 if every limit holds.
REPORTS: dict[str, Callable[..., int]] = {
    "store": store.main,
    "parallel": parallel.main,
    "discovery": discovery.main,
    "tokens": tokens.main,
    "az_token": az_token.main,
    "encrypted": encrypted.main,
    "sign_in": sign_ins.main,
    "every_command": every_command.main,
    "contexts": contexts.main,
    "switch": switch.main,
    "status": status.main,
}


def seconds(az: Az, command: str, runs: int) -> float:
    """Return the median wall-clock time of `command`, in seconds."""
    return statistics.median(az.run(*command.split()).ok().seconds for _ in range(runs))


def main(runs: int) -> None:
    """Print one line per command."""
    with (
        tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as folder,
        LocalCloud() as cloud,
    ):
        host = hosts.newest()
        cloud_stage = CloudStage(Stage(Path(folder, "stage")), cloud, host, Path(folder, "cloud"))
        ours = cloud_stage.az(host, Path(folder, "ours"))
        sign_in(ours, cloud, ALICE).ok()
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
    name, *words = sys.argv[1:] or [""]
    if name in REPORTS:
        sys.exit(1 if REPORTS[name](*map(int, words)) else 0)
    if name and not name.isdigit():
        sys.exit(f"There is no report '{name}'. There are: {', '.join(REPORTS)}.")
    main(int(name or 5))
