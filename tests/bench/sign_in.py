"""`python -m tests.bench sign_in [PAIRS]`: `az login` beside the built-in one.

Each pair signs in with the extension and without it, one right after the other and in changing order, each time with a
new config directory that knows the cloud and nothing else: no token, and no HTTP answer. Every request takes 100 ms.
The ratio is the median of the pairs' ratios. With the browser the time begins when the browser returns to `az`, and
with a device code when the user has confirmed it; what happened before that is the user's time.

The requests are those that the cloud counted in that time; the rounds are how many of them came one after the other.
With `LOGIN_BENCH_BEFORE=REVISION`, every pair also signs in with the extension of an earlier commit. At the end, the
report names the packages that are loaded after the first request of a sign-in with a password.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.late_imports import late_imports
from tests.bench.remote_cloud import RemoteCloud
from tests.bench.store import run
from tests.harness.az import Az
from tests.harness.browser_user import AddressTaker
from tests.harness.environments import ROOT
from tests.harness.http_user import HttpUser
from tests.harness.sign_in import sign_in_with_code
from tests.harness.stage import Stage
from tests.localcloud.requestlog import LoggedRequest, count_rounds
from tests.localcloud.seed import CI_APP, CI_SECRET
from tests.localcloud.server import HTTPS
from tests.users import MAX

LATENCY_MS = 100
#: 200 tenants may take this many times as long as 50.
GROWTH_LIMIT = 2.5
#: So many packages that are loaded late are in the report.
LATE_PACKAGES = 15

_PASSWORD = "max-local-password"
_QUIET = ("--output", "none")
_WITH_PASSWORD = ("login", "-u", MAX, "-p", _PASSWORD, *_QUIET)
_SERVICE_PRINCIPAL = (
    *("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}"),
    *("--tenant", "contoso.example", *_QUIET),
)
#: What the user's own requests begin with, in the browser and on the other device.
_PAGES = ("/device", "/login/")


@dataclass(frozen=True)
class SignedIn:
    """How long a sign-in took, in seconds, and what it asked for in that time."""

    seconds: float
    requests: Sequence[LoggedRequest]


#: Signs in at a cloud, from a config directory without a user. The number is that of the pair.
Way = Callable[[RemoteCloud, Az, int], SignedIn]


def with_password(cloud: RemoteCloud, az: Az, number: int) -> SignedIn:
    """Sign in with a password."""
    return SignedIn(run(az, _WITH_PASSWORD)[0], cloud.requests())


def with_browser(cloud: RemoteCloud, az: Az, number: int) -> SignedIn:
    """Sign in with a browser. What is measured begins with the redirect to `az`.

    MSAL's own receiver looks once a second whether it has come, so the moment differs from pair to pair.
    """
    browser, user = AddressTaker(az.config_dir / "browser"), HttpUser(cloud.ca_bundle, MAX, _PASSWORD)
    process = az.start("login", *_QUIET, env={"BROWSER": browser.browser})
    user.visit(browser.address(), deliver=False)
    time.sleep(_seconds_of_user(number))
    cloud.call("clear_requests")
    redirect = threading.Thread(target=user.deliver)
    began = time.perf_counter()
    redirect.start()
    az.result(process, "login", timeout=300).ok()
    seconds = time.perf_counter() - began
    redirect.join()
    return SignedIn(seconds, cloud.requests())


def _seconds_of_user(number: int) -> float:
    """Return how long a user looks at the last page, spread evenly from 1 to 2 seconds over the pairs."""
    return 1 + number * 0.618 % 1


def with_device_code(cloud: RemoteCloud, az: Az, number: int) -> SignedIn:
    """Sign in with a device code. What is measured begins when the service knows that the user has confirmed it.

    The polling interval is 0: MSAL asks again as soon as it has an answer. Any other would be in both times.
    """
    cloud.call("device_code", interval=0)

    def answer(url: str, code: str) -> None:
        HttpUser(cloud.ca_bundle, MAX, _PASSWORD, user_code=code).visit(url)

    sign_in_with_code(az, answer, *_QUIET)[0].ok()
    ended, rows = time.time(), cloud.requests()
    confirmed = max(row.when for row in rows if row.method == "POST" and row.path.startswith(_PAGES))
    later = [row for row in rows if row.when > confirmed and not row.path.startswith(_PAGES)]
    return SignedIn(ended - confirmed, later)


def as_service_principal(cloud: RemoteCloud, az: Az, number: int) -> SignedIn:
    """Sign in with a client secret."""
    return SignedIn(run(az, _SERVICE_PRINCIPAL)[0], cloud.requests())


def as_managed_identity(cloud: RemoteCloud, az: Az, number: int) -> SignedIn:
    """Sign in with the identity of a virtual machine."""
    machine = az.with_env(AZURE_POD_IDENTITY_AUTHORITY_HOST=cloud.identity_url)
    return SignedIn(run(machine, ("login", "--identity", *_QUIET))[0], cloud.requests())


@dataclass(frozen=True)
class Case:
    """A sign-in, and what is expected of it.

    limit: ours against the built-in, at most. None: only ours is measured.
    """

    title: str
    way: Way
    limit: float | None
    pairs: int = 9
    tenants: int = 1
    subscriptions: int = 3

    @property
    def needs_https_port(self) -> bool:
        """Whether the cloud has to listen on port 443: MSAL's request for the user realm has no other port."""
        return self.way is with_password and self.limit is not None


CASES = (
    Case("password, 1 x 3", with_password, 0.70),
    Case("browser, 1 x 3", with_browser, 0.55),
    Case("device code, 1 x 3", with_device_code, 0.55),
    Case("password, 3 x 5", with_password, 0.48, tenants=3, subscriptions=5),
    Case("service principal", as_service_principal, 1.0),
    Case("managed identity", as_managed_identity, 1.0),
    Case("password, 50 x 20", with_password, 1 / 13, 3, 50, 20),
    Case("password, 200 x 20", with_password, None, 3, 200, 20),
)
#: The cases whose times are compared, and the factor between them at most.
_FEWER, _MORE = CASES[-2:]


@dataclass(frozen=True)
class Measured:
    """All sign-ins of a case by side: `stock`, `ours` and perhaps `before`."""

    sides: Mapping[str, Sequence[SignedIn]]

    def seconds(self, side: str) -> float:
        """Return the median."""
        return statistics.median(each.seconds for each in self.sides[side])

    def ratio(self, side: str) -> float | None:
        """Return the median of our times against those of another side; None without such a side."""
        if not self.sides.get(side):
            return None
        pairs = zip(self.sides["ours"], self.sides[side], strict=True)
        return statistics.median(ours.seconds / other.seconds for ours, other in pairs)


def measure(case: Case, stages: Mapping[str, Stage], folder: Path, port: int) -> Measured:
    """Sign in as often as the case wants.

    stages: by side. The first pair of a short case only warms the system's caches.
    """
    sides = {side: stage for side, stage in stages.items() if case.limit is not None or side == "ours"}
    signed_in: dict[str, list[SignedIn]] = {side: [] for side in sides}
    with RemoteCloud(
        folder / "cloud", tenants=case.tenants, subscriptions=case.subscriptions, page_size=100, port=port
    ) as cloud:
        new = {side: cloud.az(stage, folder / side, extension=side != "stock") for side, stage in sides.items()}
        for az in new.values():
            shutil.rmtree(az.config_dir / "home")
        cloud.call("latency", ms=LATENCY_MS)
        for number in range(0 if case.tenants < 50 else 1, case.pairs + 1):
            found = {}
            for side in sides if number % 2 else reversed(sides):
                az = replace(new[side], config_dir=folder / f"{side}-{number}")
                shutil.copytree(new[side].config_dir, az.config_dir)
                cloud.call("clear_requests")
                outcome = case.way(cloud, az, number)
                found[side] = {row["id"] for row in az.profile()["subscriptions"]}
                if number:
                    signed_in[side].append(outcome)
            assert all(ids and ids == found["ours"] for ids in found.values()), found
    return Measured(signed_in)


def line(case: Case, measured: Measured) -> str:
    """Return the line of the report for a case."""
    ours = measured.sides["ours"][-1].requests
    words = [f"{case.title:<20}"]
    if stock := measured.sides.get("stock"):
        words.append(f"{measured.seconds('stock'):>8.2f}s{measured.seconds('ours'):>8.2f}s")
        words.append(f"{measured.ratio('stock'):>8.3f}{case.limit:>8.3f}")
        words.append(f"{_both(len(stock[-1].requests), len(ours)):>12}")
        words.append(f"{_both(count_rounds(stock[-1].requests), count_rounds(ours)):>10}")
    else:
        words.append(f"{'':>9}{measured.seconds('ours'):>8.2f}s{'':>16}{len(ours):>12}{count_rounds(ours):>10}")
    if (before := measured.ratio("before")) is not None:
        words.append(f"{before:>10.3f}")
    return "".join(words)


def _both(stock: int, ours: int) -> str:
    return f"{stock} / {ours}"


def stage_of_revision(revision: str, folder: Path) -> Stage:
    """Return a stage with the extension of a commit, whose files are put into a new folder."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder / "source", filter="data")
    return Stage(folder / "stage", folder / "source")


def may_listen(port: int) -> bool:
    """Tell whether this user can listen on a port of loopback now."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def print_late_imports(stage: Stage, folder: Path) -> None:
    """Print which packages a sign-in with a password, 1 x 3, loads after its first request, slowest first."""
    with RemoteCloud(folder / "cloud", tenants=1, subscriptions=3) as cloud:
        found = late_imports(cloud.az(stage, folder / "config", extension=True), _WITH_PASSWORD)
    print(f"\nLoaded after the first request, in all {sum(each.microseconds for each in found) / 1000:.0f} ms:")
    for each in found[:LATE_PACKAGES]:
        print(f"  {each.package:<34}{each.microseconds:>8} us{each.modules:>5} modules")


def main(pairs: int = 0) -> int:
    """Print one line per case; return 1 if one is over its limit."""
    revision = os.environ.get("LOGIN_BENCH_BEFORE")
    over = False
    seconds: dict[Case, float] = {}
    with tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        stage = Stage(folder / "stage")
        stages = {"stock": stage, "ours": stage}
        if revision:
            stages["before"] = stage_of_revision(revision, folder / "before")
        heads = f"{'built in':>9}{'ours':>9}{'ratio':>8}{'limit':>8}{'requests':>12}{'rounds':>10}"
        print(f"{'':<20}{heads}{f' to {revision}' if revision else ''}")
        for number, case in enumerate(CASES):
            if case.needs_https_port and not may_listen(HTTPS):
                print(f"{case.title:<20} not measured: the built-in sign-in needs a cloud on port {HTTPS}", flush=True)
                continue
            port = HTTPS if case.needs_https_port else 0
            measured = measure(replace(case, pairs=pairs or case.pairs), stages, folder / f"case-{number}", port)
            print(line(case, measured), flush=True)
            seconds[case] = measured.seconds("ours")
            ratio = measured.ratio("stock")
            over = over or (ratio is not None and case.limit is not None and ratio > case.limit)
        if _FEWER in seconds:
            growth = seconds[_MORE] / seconds[_FEWER]
            print(f"200 tenants take {growth:.1f} times as long as 50 (limit {GROWTH_LIMIT})")
            over = over or growth > GROWTH_LIMIT
        print_late_imports(stage, folder / "imports")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
