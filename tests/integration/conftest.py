"""Fixtures for tests of workloads and of encryption.

A cloud that knows certificates and issuers of federated tokens, and `az` there; a keyring.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.az import Az, secrets_of
from tests.harness.contexts import OTHER_CLOUD, add_context, register_other_cloud
from tests.harness.environments import in_ci
from tests.harness.hosts import Host
from tests.harness.keyring import KeyringMissingError, pygobject, running_keyring
from tests.harness.sign_in import sign_in
from tests.harness.stage import CLOUD_NAME, CloudStage
from tests.integration.workloads import POD, SUBJECT, Certificates, SignIn, guarded, kept
from tests.localcloud import CI_SECRET, LocalCloud
from tests.localcloud.azurestack import STACK_SECRET
from tests.localcloud.certificatemaker import make_certificate
from tests.users import ALICE, BOB


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    """Certificates that `workload_cloud` knows."""
    authority = make_certificate("Contoso CA", ca=True)
    return Certificates(make_certificate("ci-app"), authority, make_certificate(SUBJECT, authority))


@pytest.fixture(scope="session")
def workload_cloud(certificates: Certificates) -> Iterator[LocalCloud]:
    """A cloud in which ci-app has certificates and federated credentials: look, sign in, take nothing away."""
    with LocalCloud() as cloud:
        admin = cloud.admin
        admin.add_certificate("ci-app", certificates.registered.pem)
        admin.trust_subject_name("ci-app", SUBJECT, certificates.authority.pem)
        admin.add_federated_credential("ci-app", "kubernetes", POD)
        cloud.azure_stack.admin.add_certificate("stack-app", certificates.registered.pem)
        yield cloud


@pytest.fixture
def workload_az(make_az: Callable[..., Az], workload_cloud: LocalCloud) -> Az:
    """The newest `az` with the extension, signed out, with that cloud active."""
    return guarded(make_az(cloud=workload_cloud))


@pytest.fixture(scope="session")
def _azure_stack_config(
    cloud_stage: CloudStage, newest: Host, workload_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A config directory in which the Azure Stack of `workload_cloud` is the active cloud, signed out."""
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("azure-stack") / "azure", cloud=workload_cloud)
    endpoint = workload_cloud.azure_stack.url
    az.run("cloud", "register", "-n", "AzureStack", "--endpoint-resource-manager", endpoint).ok()
    az.run("cloud", "set", "-n", "AzureStack").ok()
    return az.config_dir


@pytest.fixture
def stack_az(_azure_stack_config: Path, make_az: Callable[..., Az], workload_cloud: LocalCloud) -> Az:
    """The newest `az` with the extension, signed out, with an Azure Stack active, which has AD FS for an authority."""
    az = make_az(cloud=workload_cloud)
    shutil.copytree(_azure_stack_config, az.config_dir, dirs_exist_ok=True)
    users = (user.password for user in workload_cloud.azure_stack.directory.users)
    return replace(az, secrets=(*secrets_of(users), STACK_SECRET))


@pytest.fixture(scope="session")
def _bystanders_config(
    cloud_stage: CloudStage, newest: Host, workload_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Az:
    az = guarded(cloud_stage.az(newest, tmp_path_factory.mktemp("bystanders") / "azure", cloud=workload_cloud))
    alice = workload_cloud.directory.user(ALICE)
    az.run("login", "-u", alice.username, "--password=@-", input=alice.password).ok()
    SignIn(("--password=@-",), CI_SECRET).run(az).ok()
    return az


@pytest.fixture
def bystanders(_bystanders_config: Az, workload_cloud: LocalCloud) -> Iterator[Az]:
    """The newest `az` with alice and ci-app signed in, which a test has to leave as they are."""
    az = _bystanders_config
    before = kept(az)
    assert {"azureProfile.json", "msal_token_cache.json", "service_principal_entries.json"} <= set(before)
    yield az
    workload_cloud.admin.clear_faults()
    after = kept(az)
    assert {name for name in before | after if before.get(name) != after.get(name)} == set()


@pytest.fixture(scope="session")
def system_pygobject(newest: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the system's PyGObject, if it fits the Python of `az`."""
    with _required():
        return pygobject(newest.az.parent / "python", tmp_path_factory.mktemp("pygobject"))


@pytest.fixture
def keyring(tmp_path: Path, system_pygobject: Path) -> Iterator[dict[str, str]]:
    """An unlocked gnome-keyring on a message bus of its own. Its environment, for `az`."""
    with _required(), running_keyring(tmp_path / "keyring", system_pygobject) as environment:
        yield environment


@contextmanager
def _required() -> Iterator[None]:
    """Skip the test if there is no keyring; in continuous integration, where the set-up installs one, it fails."""
    try:
        yield
    except KeyringMissingError as missing:
        if in_ci():
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def other_cloud() -> Iterator[LocalCloud]:
    """A second cloud beside the shared one: look, sign in, take nothing away."""
    with LocalCloud(host="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="session")
def _contexts_config(
    cloud_stage: CloudStage, newest: Host, other_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Az:
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("contexts") / "azure")
    az = register_other_cloud(az, cloud_stage.cloud, other_cloud, az.config_dir.parent / "both.pem")
    az.run("cloud", "set", "-n", OTHER_CLOUD).ok()
    for name in (ALICE, BOB):
        sign_in(az, other_cloud, name).ok()
    az.run("cloud", "set", "-n", CLOUD_NAME).ok()
    for name in (BOB, ALICE):
        sign_in(az, cloud_stage.cloud, name).ok()
    az.run("account", "set", "--subscription", "Contoso Production").ok()
    add_context(az, "work", ALICE, "Contoso Development")
    add_context(az, "shared", BOB, "Shared Platform")
    add_context(az, "other", BOB, "Shared Platform", cloud=OTHER_CLOUD)
    return az


@pytest.fixture
def contexts(_contexts_config: Az, az: Az) -> Az:
    """`az` with alice and bob signed in to two clouds, LocalCloud and OtherCloud.

    alice's Contoso Production in LocalCloud is stored as the default. The contexts are `work` (alice's Contoso
    Development), `shared` (bob's Shared Platform) and `other` (the same in OtherCloud).
    """
    shutil.copytree(_contexts_config.config_dir, az.config_dir, dirs_exist_ok=True)
    return replace(az, env=_contexts_config.env)
