"""`python -m tests.bench status [RUNS]`: `az account status` with 20 accounts in 20 tenants, against one account.

Each request takes 100 ms. What is reported: medians of wall-clock time, and their ratio.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage, Stage
from tests.localcloud import LocalCloud
from tests.localcloud.directory import Access, Membership, User, stable_guid

ACCOUNTS = 20
LATENCY_MS = 100
RUNS = 5
#: All accounts may take this many times as long as one.
LIMIT = 3.0
_PASSWORD = "many-local-password"


def add_users(cloud: LocalCloud) -> list[str]:
    """Add a user to each generated tenant of a cloud, and return their names."""
    directory = cloud.directory
    tenants = [tenant for tenant in directory.tenants if tenant.name.startswith("Tenant ")]
    users, access = [], []
    for number, tenant in enumerate(tenants, 1):
        name = f"user{number:02}@{tenant.domains[-2]}"
        users.append(
            User(name, f"User {number}", _PASSWORD, (Membership(tenant.id, stable_guid("oid", name, tenant.id)),))
        )
        access += [Access(name, tenant.id, sub.id) for sub in directory.subscriptions if sub.tenant_id == tenant.id]
    cloud.state.change_directory(
        lambda before: replace(before, users=(*before.users, *users), access=(*before.access, *access))
    )
    return [user.username for user in users]


def seconds(az: Az, accounts: int, runs: int) -> float:
    """Return the median time of a status in which all accounts work."""
    found = []
    for _ in range(runs + 1):
        result = az.run("account", "status", "--output", "json").ok()
        statuses = [tenant["refresh"] for account in result.json()["accounts"] for tenant in account["tenants"]]
        assert statuses == ["works"] * accounts, statuses
        found.append(result.seconds)
    # The first run warms caches.
    return statistics.median(found[1:])


def main(runs: int = RUNS) -> int:
    """Print what was measured; return 1 if the limit is broken."""
    with (
        tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as name,
        LocalCloud(tenants=ACCOUNTS, subscriptions=1) as cloud,
    ):
        folder = Path(name)
        host = hosts.newest()
        one = CloudStage(Stage(folder / "stage"), cloud, host, folder / "cloud").az(host, folder / "one")
        users = add_users(cloud)
        sign_in(one, cloud, users[0]).ok()
        shutil.copytree(one.config_dir, folder / "many")
        many = replace(one, config_dir=folder / "many")
        for user in users[1:]:
            sign_in(many, cloud, user).ok()
        cloud.admin.latency(LATENCY_MS)
        alone, together = seconds(one, 1, runs), seconds(many, len(users), runs)
    ratio = together / alone
    print(f"{'accounts':<12}{1:>8}{len(users):>9}{'ratio':>8}{'limit':>7}")
    print(f"{'status':<12}{alone:>7.2f}s{together:>8.2f}s{ratio:>8.2f}{LIMIT:>7.2f}")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
