"""Fixtures that every test can ask for: `az` with and without the extension, clouds to sign in to, users."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.harness import guard, hosts
from tests.harness.az import Az
from tests.harness.environments import CHROMIUM_PACKAGES, has_chromium, in_ci
from tests.harness.hosts import Host
from tests.harness.launchers import Launcher, default_launcher
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage, Stage
from tests.users import ALICE

if TYPE_CHECKING:  # unit tests have no use for a web server
    from tests.harness.browser_user import BrowserUser
    from tests.harness.http_user import HttpUser
    from tests.localcloud import LocalCloud, User


# The machine may be busy with `az` processes: how long an example takes to make or to run means nothing.
# Two runs of one tree give the same result. `--hypothesis-profile search` looks for new examples.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("search"), derandomize=True)
settings.load_profile("repeatable")

# A test run in the background of a script has SIGINT and SIGQUIT ignored, and one under nohup SIGHUP. Every process
# that a test starts would ignore them too.
for _name, _handler in (
    ("SIGINT", signal.default_int_handler),
    ("SIGQUIT", signal.SIG_DFL),
    ("SIGHUP", signal.SIG_DFL),
):
    # Windows has SIGINT alone.
    if hasattr(signal, _name) and signal.getsignal(getattr(signal, _name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, _name), _handler)

# Projects of their own: other extensions, with tests that run beside their wheels.
collect_ignore = ["samples"]
if sys.platform == "win32":
    # They import fcntl, pty or resource.
    collect_ignore += [
        "unit/cli/picker/test_screen.py",
        "unit/system/http/test_answer_size.py",
        "unit/system/http_server/test_listeners.py",
        "unit/usecases/status/test_files.py",
    ]

# Before any test module is imported: azure-cli-core reads some of these at import time.
_HOME = tempfile.TemporaryDirectory(prefix="login-tests-home-")
guard.move_home(Path(_HOME.name))


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    with guard.loopback_only():
        yield


@pytest.fixture(scope="session")
def newest() -> Host:
    """The newest azure-cli."""
    return hosts.newest()


@pytest.fixture(scope="session")
def oldest() -> Host:
    """The oldest azure-cli that the extension supports."""
    return hosts.oldest()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Stage:
    """The wheel and the hosts with the extension in them, one for all workers of the test run."""
    base = tmp_path_factory.getbasetemp()
    return Stage((base if worker_id == "master" else base.parent) / "stage")


@pytest.fixture(scope="session")
def shared_cloud() -> Iterator[LocalCloud]:
    """A local cloud for tests that leave it as it was. Use `cloud` in tests."""
    from tests.localcloud import LocalCloud

    with LocalCloud() as running:
        yield running


@pytest.fixture(scope="session")
def launcher() -> Launcher:
    """What starts `az`: a forked stand-in for the executable, or the executable where forking is not possible."""
    return default_launcher()


@pytest.fixture(scope="session")
def cloud_stage(
    stage: Stage, shared_cloud: LocalCloud, newest: Host, launcher: Launcher, tmp_path_factory: pytest.TempPathFactory
) -> CloudStage:
    """`az` in config directories that know `cloud`."""
    return CloudStage(stage, shared_cloud, newest, tmp_path_factory.mktemp("cloud") / "config", launcher)


@pytest.fixture
def cloud(shared_cloud: LocalCloud) -> LocalCloud:
    """A local cloud that other tests use too: look, sign in, change nothing."""
    return shared_cloud


@pytest.fixture
def own_cloud() -> Iterator[LocalCloud]:
    """A local cloud that the test may break."""
    from tests.localcloud import LocalCloud

    with LocalCloud() as running:
        yield running


@pytest.fixture
def make_az(cloud_stage: CloudStage, newest: Host, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Az]:
    """Return a function that makes one more `az`, with a config directory of its own.

    Its arguments, all by name: host (newest), extension (True), warm (True), cloud (the shared one).
    In a test with the marker `executable` it is the executable itself.
    """
    count = 0
    real = request.node.get_closest_marker("executable")

    def make(host: Host = newest, **options: object) -> Az:
        nonlocal count
        count += 1
        az = cloud_stage.az(host, tmp_path / f"azure{count}", **options)  # type: ignore[arg-type]
        return az.real() if real else az

    return make


@pytest.fixture
def az(make_az: Callable[..., Az]) -> Az:
    """The newest `az` with the extension, signed out, with the shared cloud active."""
    return make_az()


@pytest.fixture
def stock_az(make_az: Callable[..., Az]) -> Az:
    """The newest `az` without the extension, signed out, with the shared cloud active."""
    return make_az(extension=False)


@pytest.fixture(scope="session")
def _signed_in_config(cloud_stage: CloudStage, newest: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config directory that alice signed in to, once, for all tests that start there."""
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("signed-in") / "azure")
    sign_in(az, cloud_stage.cloud, ALICE).ok()
    return az.config_dir


@pytest.fixture
def signed_in(_signed_in_config: Path, az: Az) -> Az:
    """The newest `az` with the extension, with alice signed in through the shared cloud."""
    shutil.copytree(_signed_in_config, az.config_dir, dirs_exist_ok=True)
    return az


@pytest.fixture
def alice(cloud: LocalCloud) -> User:
    """A user with subscriptions in two tenants, and two more tenants: one demands MFA, one has no subscriptions."""
    return cloud.directory.user(ALICE)


@pytest.fixture
def make_browser_user(cloud: LocalCloud, tmp_path: Path) -> Iterator[Callable[..., BrowserUser]]:
    """Return a function that makes a user of a real Chromium: make_browser_user(user name, **plan).

    The keys of the plan are those of BrowserUser. Skips without Chromium; fails in CI.
    """
    if not has_chromium():
        missing = f"there is no Chromium: apt-get install {' '.join(CHROMIUM_PACKAGES)}"
        if in_ci():
            pytest.fail(missing)
        pytest.skip(missing)
    from tests.harness.browser_user import BrowserUser

    with ExitStack() as users:

        def make(username: str, **plan: Any) -> BrowserUser:
            folder = tmp_path / f"user-{uuid.uuid4().hex[:8]}"
            plan.setdefault("password", cloud.directory.user(username).password)
            return users.enter_context(BrowserUser(folder, cloud.url, username, **plan))

        yield make


@pytest.fixture
def make_http_user(cloud: LocalCloud) -> Callable[..., HttpUser]:
    """Return a function that makes a user without a browser: make_http_user(user name, **options of HttpUser)."""
    from tests.harness.http_user import HttpUser

    def make(username: str, *, at: LocalCloud = cloud, **options: Any) -> HttpUser:
        options.setdefault("password", at.directory.user(username).password)
        return HttpUser(Path(at.ca_bundle), username, **options)

    return make


@pytest.fixture
def config_dir(az: Az) -> Path:
    """The config directory of `az`."""
    return az.config_dir
