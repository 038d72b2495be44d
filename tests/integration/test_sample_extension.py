"""The programming surface of the host, used by an extension that knows nothing of ours, with every kind of account.

Two accounts are signed in. Alice is the active one; the account of the test was signed in before her, and its rows for
the subscriptions that both can see are parked. Its access tokens have expired.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az, Result
from tests.harness.sign_in import sign_in
from tests.harness.stage import Stage
from tests.integration.token_cache_files import let_tokens_expire
from tests.integration.workloads import (
    PASSPHRASE,
    POD,
    SERVICE_PRINCIPAL,
    VAULT,
    Certificates,
    guarded,
    kept,
    write,
    write_pfx,
)
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB

KINDS = ("user", "client secret", "PFX", "federated")


@dataclass(frozen=True)
class Job:
    """An `az` with the sample extension, and the account that it can use beside alice."""

    az: Az
    name: str
    subscription: str
    """Name of one that both accounts can see."""

    def use(self, *options: str, **choice: str) -> Result:
        """Run the command of the sample extension."""
        return self.az.run("sample", "use", *options, env=choice)

    def is_of(self, token: dict[str, Any]) -> bool:
        """Tell whether an access token is the account's own."""
        return self.name in (token["appid"], token.get("unique_name"), token.get("upn"))


def sign_in_workload(az: Az, kind: str, cloud: LocalCloud, certificates: Certificates, folder: Path) -> Az:
    """Sign ci-app in, and return the `az` with the environment that it needs."""
    if kind == "client secret":
        az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET).ok()
    elif kind == "PFX":
        az = az.with_env(AZURE_CLIENT_CERTIFICATE_PASSWORD=PASSPHRASE)
        path = write_pfx(folder / "ci.pfx", certificates.registered, passphrase=PASSPHRASE)
        az.run(*SERVICE_PRINCIPAL, "--certificate", path, "--password=@-", input=PASSPHRASE).ok()
    else:
        # The token that is stored expires soon; the next one is in the file.
        path = write(folder / "token", cloud.admin.issue_assertion(POD, lifetime=3))
        az.run(*SERVICE_PRINCIPAL, "--federated-token-file", path).ok()
        time.sleep(3)
        write(path, cloud.admin.issue_assertion(POD))
    return az


@pytest.fixture(params=KINDS)
def job(
    request: pytest.FixtureRequest,
    make_az: Callable[..., Az],
    stage: Stage,
    workload_cloud: LocalCloud,
    certificates: Certificates,
    tmp_path: Path,
) -> Job:
    """An account of each kind."""
    az = guarded(make_az(cloud=workload_cloud))
    az = replace(az, extension_dir=stage.extension_dir_with_sample(az.host))
    if request.param == "user":
        sign_in(az, workload_cloud, BOB).ok()
        made = Job(az, BOB, "Fabrikam Main")
    else:
        az = sign_in_workload(az, request.param, workload_cloud, certificates, tmp_path)
        made = Job(az, CI_APP, "Contoso Production")
    sign_in(az, workload_cloud, ALICE).ok()
    az.run("sample", "-h", timeout=180).ok()
    let_tokens_expire(az, int(time.time()) - 60)
    return made


def _subscription(cloud: LocalCloud, name: str) -> str:
    return str(cloud.directory.subscription(name).id)


def _check(used: dict[str, Any], subscription: str) -> None:
    """Check that every answer is for one subscription, and that its groups were listed."""
    named = {
        used["loginCredentials"]["subscription"],
        used["rawToken"]["subscription"],
        used["subscriptionId"],
        used["profileSubscriptionId"],
    }
    assert named == {subscription}
    assert used["groups"]
    assert used["requestedGroups"] == used["groups"]
    assert all(f"/subscriptions/{subscription}/" in group for group in used["groups"])


def _tokens(used: dict[str, Any]) -> list[dict[str, Any]]:
    return [used["loginCredentials"]["token"], used["rawToken"]["token"]]


def test_the_account_of_the_variable_is_used_everywhere_and_nothing_is_stored(
    job: Job, workload_cloud: LocalCloud
) -> None:
    before = kept(job.az)["azureProfile.json"]
    done = job.use(AZURE_LOGIN_ACCOUNT=job.name, AZURE_LOGIN_SUBSCRIPTION=job.subscription).ok()
    _check(done.json(), _subscription(workload_cloud, job.subscription))
    assert all(job.is_of(token) for token in _tokens(done.json()))
    assert done.stderr == ""
    assert kept(job.az)["azureProfile.json"] == before
    # Without the variables, alice is the one.
    assert not any(job.is_of(token) for token in _tokens(job.use().ok().json()))


def test_an_account_without_a_subscription_uses_one_of_its_own(job: Job, workload_cloud: LocalCloud) -> None:
    used = job.use(AZURE_LOGIN_ACCOUNT=job.name).ok().json()
    assert all(job.is_of(token) for token in _tokens(used))
    _check(used, used["subscriptionId"])


def test_the_subscription_of_the_variable_may_be_an_id(job: Job, workload_cloud: LocalCloud) -> None:
    wanted = _subscription(workload_cloud, "Contoso Development")
    _check(job.use(AZURE_LOGIN_SUBSCRIPTION=wanted).ok().json(), wanted)


def test_an_option_of_the_command_takes_precedence_and_the_account_stays(job: Job, workload_cloud: LocalCloud) -> None:
    account = {"AZURE_LOGIN_ACCOUNT": job.name}
    used = job.use("--subscription", job.subscription, **account).ok().json()
    assert used["rawToken"]["subscription"] == used["profileSubscriptionId"]
    assert used["profileSubscriptionId"] == _subscription(workload_cloud, job.subscription)
    assert all(job.is_of(token) for token in _tokens(used))


@pytest.mark.parametrize("variable", ["AZURE_LOGIN_ACCOUNT", "AZURE_LOGIN_SUBSCRIPTION"])
def test_a_value_that_names_nothing_is_one_error_and_no_other_account_is_used(job: Job, variable: str) -> None:
    failed = job.use(**{variable: "nobody@nowhere.example"}).failed()
    assert variable in failed.stderr
    assert "nobody@nowhere.example" in failed.stderr
    assert failed.stderr.count("ERROR") == 1


def test_an_ssh_certificate_is_the_chosen_account_s(job: Job) -> None:
    assert job.is_of(job.az.run("sample", "ssh-certificate", env={"AZURE_LOGIN_ACCOUNT": job.name}).ok().json())


def test_a_token_for_another_resource_is_the_chosen_account_s(job: Job) -> None:
    used = job.use("--resource", VAULT, AZURE_LOGIN_ACCOUNT=job.name).ok().json()
    assert used["rawToken"]["token"]["aud"] == VAULT
    assert job.is_of(used["rawToken"]["token"])
