"""Built-in commands and other extensions with credentials that they cannot use or renew themselves.

Two of the tests are jobs that take longer than their tokens are valid. In every test run they take some seconds;
`LOGIN_RENEW_SECONDS=300 make test ARGS='-k long_job'` takes as long as that, with tokens that are valid for 60 seconds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az, Result
from tests.harness.hosts import named
from tests.harness.sign_in import sign_in
from tests.integration.jobs import GITHUB, Job, trust_workloads
from tests.integration.sample_extension import with_sample_extension
from tests.integration.workloads import (
    OTHER_TENANT,
    PASSPHRASE,
    POD,
    SERVICE_PRINCIPAL,
    TENANT,
    VAULT,
    Certificates,
    end_access_tokens,
    entries,
    stock,
    write,
    write_entries,
    write_pem,
    write_pfx,
)
from tests.localcloud import CI_APP, CI_SECRET, GITHUB_SUBJECT, SERVICE_CONNECTION, LocalCloud
from tests.localcloud.scopes import RESOURCES
from tests.users import ALICE, BOB, CAROL

_LONG = float(os.environ.get("LOGIN_RENEW_SECONDS", "12"))
_GROUPS = ("group", "list", "--query", "[].name")
_PASSPHRASE = {"AZURE_CLIENT_CERTIFICATE_PASSWORD": PASSPHRASE}
_NEW_SCOPES = [uri for resource in RESOURCES if resource.consent == "given" for uri in resource.uris]


def store_assertion(az: Az, assertion: str) -> None:
    """Replace the federated token of the one entry."""
    (entry,) = entries(az)
    write_entries(az, [{**entry, "client_assertion": assertion}])


def rest(az: Az, cloud: LocalCloud, resource: str) -> Result:
    """Run an `az rest` that needs a token of a resource. The address itself is public."""
    url = f"{cloud.url}/{cloud.directory.tenant(TENANT).id}/v2.0/.well-known/openid-configuration"
    return az.run("rest", "--url", url, "--resource", resource, "--query", "issuer")


@pytest.fixture(scope="module")
def expired_cloud() -> Iterator[LocalCloud]:
    """A cloud that trusts every issuer and accepts no federated token that has expired."""
    with LocalCloud() as cloud:
        trust_workloads(cloud)
        yield cloud


@pytest.mark.parametrize("host", ["newest", "oldest"])
@pytest.mark.parametrize("source", ["file", "github", "azure-pipelines"])
def test_a_built_in_command_goes_on_after_the_federated_token_has_expired(
    make_az: Callable[..., Az], expired_cloud: LocalCloud, tmp_path: Path, source: str, host: str
) -> None:
    cloud, file = expired_cloud, tmp_path / "token"
    options: tuple[str, ...] = ("--federated-token-source", source)
    env: dict[str, str] = {}
    if source == "file":
        options = ("--federated-token-file", str(write(file, cloud.admin.issue_assertion(POD))))
    elif source == "github":
        env = cloud.github_environment()
    else:
        env = cloud.azure_pipelines_environment()
        options = (*options, "--service-connection-id", SERVICE_CONNECTION)
    az = make_az(cloud=cloud, host=named(host)).with_env(**env)
    az.run(*SERVICE_PRINCIPAL, *options).ok()
    store_assertion(az, cloud.admin.issue_assertion(POD, lifetime=-60))
    if source == "file":
        write(file, cloud.admin.issue_assertion(POD))
    end_access_tokens(az)
    assert "AADSTS700024" in stock(az).run(*_GROUPS).failed().stderr
    result = az.run(*_GROUPS).ok()
    assert (result.json(), result.stderr) == (["app", "network"], "")
    assert rest(az, cloud, VAULT).ok().stderr == ""
    # What was fetched is stored for programs without us.
    assert stock(az).run(*_GROUPS).ok().json() == ["app", "network"]


@pytest.mark.parametrize("kind", ["PFX", "PFX with a passphrase", "PEM with a passphrase"])
@pytest.mark.parametrize("host", ["newest", "oldest"])
def test_a_built_in_command_signs_in_with_a_certificate_that_only_we_read(
    make_az: Callable[..., Az],
    workload_cloud: LocalCloud,
    certificates: Certificates,
    tmp_path: Path,
    kind: str,
    host: str,
) -> None:
    az = make_az(cloud=workload_cloud, host=named(host))
    passphrase = None if kind == "PFX" else PASSPHRASE
    write_file = write_pem if kind.startswith("PEM") else write_pfx
    file = write_file(tmp_path / "certificate", certificates.registered, passphrase=passphrase)
    az.run(*SERVICE_PRINCIPAL, "--certificate", file, *([f"--password={passphrase}"] if passphrase else [])).ok()
    end_access_tokens(az)
    assert "AADSTS7000218" in stock(az).run(*_GROUPS, env=_PASSPHRASE).failed().stderr
    if passphrase:
        result = az.run(*_GROUPS).failed()
        warning, error = result.stderr.split("ERROR: ")
        assert warning.startswith("WARNING: ")
        assert "has a passphrase" in warning
        assert "Set AZURE_CLIENT_CERTIFICATE_PASSWORD" in warning
        assert "is stored for it" not in warning
        assert "AADSTS7000218" in error
        assert "WARNING" not in warning[1:] + error
    result = az.run(*_GROUPS, env=_PASSPHRASE).ok()
    assert (result.json(), result.stderr) == (["app", "network"], "")


@pytest.mark.parametrize("host", ["newest", "oldest"])
@pytest.mark.parametrize("credential", ["certificate", "federated token"])
def test_an_extension_gets_an_ssh_certificate_with_a_credential_that_only_we_use(
    make_az: Callable[..., Az],
    workload_cloud: LocalCloud,
    certificates: Certificates,
    tmp_path: Path,
    credential: str,
    host: str,
) -> None:
    az = make_az(cloud=workload_cloud, host=named(host)).with_env(**_PASSPHRASE)
    if credential == "certificate":
        file = write_pfx(tmp_path / "certificate", certificates.registered, passphrase=PASSPHRASE)
        az.run(*SERVICE_PRINCIPAL, "--certificate", file, f"--password={PASSPHRASE}").ok()
    else:
        token = write(tmp_path / "token", workload_cloud.admin.issue_assertion(POD))
        az.run(*SERVICE_PRINCIPAL, "--federated-token-file", str(token)).ok()
        store_assertion(az, workload_cloud.admin.issue_assertion(POD, lifetime=-3600))
    az = with_sample_extension(az)
    for _ in range(2):
        result = az.run("sample", "ssh-certificate").ok()
        assert (result.json()["appid"], result.stderr) == (CI_APP, "")
    cached = json.loads((az.config_dir / "msal_token_cache.json").read_text(encoding="utf-8"))["AccessToken"].values()
    assert [entry["token_type"] for entry in cached if entry.get("key_id") == "k"] == ["ssh-cert"]


@pytest.fixture
def short_lived_job(make_az: Callable[..., Az], own_cloud: LocalCloud, request: pytest.FixtureRequest) -> Job:
    """A job of GitHub Actions whose federated tokens and access tokens are valid for a part of the test."""
    trust_workloads(own_cloud)
    lifetime = int(min(60, _LONG / 3))
    own_cloud.admin.assertion_lifetime(lifetime)
    own_cloud.admin.token_lifetime(lifetime)
    az = make_az(cloud=own_cloud, host=named(request.param)).with_env(**own_cloud.github_environment())
    az.run(*SERVICE_PRINCIPAL, *GITHUB).ok()
    return Job(az, own_cloud)


def _most_fetches(seconds: float, lifetime: float) -> float:
    """Return how many federated tokens one process after another needs at most: each is used until it is due."""
    return seconds / (0.75 * lifetime) + 1


@pytest.mark.timeout(_LONG + 240)
@pytest.mark.parametrize("short_lived_job", ["newest", "oldest"], indirect=True)
def test_two_long_jobs_with_new_scopes_fetch_each_federated_token_once(short_lived_job: Job) -> None:
    job, lifetime = short_lived_job, int(min(60, _LONG / 3))
    began, before = time.monotonic(), job.fetched

    def work(scopes: list[str]) -> int:
        rounds = 0
        while time.monotonic() < began + _LONG:
            assert rest(job.az, job.cloud, scopes[rounds % len(scopes)]).ok().stderr == ""
            assert job.az.run(*_GROUPS).ok().stderr == ""
            rounds += 1
            time.sleep(max(0.0, began + rounds * _LONG / 12 - time.monotonic()))
        return rounds

    with ThreadPoolExecutor(2) as pool:
        rounds = list(pool.map(work, [_NEW_SCOPES, _NEW_SCOPES[::-1]]))
    assert min(rounds) >= 3
    assert _LONG / lifetime - 1 <= job.fetched - before <= _most_fetches(time.monotonic() - began, lifetime)
    job.assert_whole()


@pytest.mark.timeout(_LONG + 240)
@pytest.mark.parametrize("short_lived_job", ["newest", "oldest"], indirect=True)
def test_a_long_job_of_one_command_that_waits_renews_while_it_runs(short_lived_job: Job) -> None:
    job, lifetime = short_lived_job, int(min(60, _LONG / 3))
    before = job.fetched
    wait = ("group", "wait", "--name", "missing", "--created", "--interval", "1", "--timeout", str(int(_LONG)))
    with ThreadPoolExecutor(2) as pool:
        without = pool.submit(stock(job.az).run, *wait, timeout=_LONG + 60)
        result = job.az.run(*wait, timeout=_LONG + 60).ok()
    # The host reports the end of the time that it was to wait as a success.
    assert (result.json(), result.stderr) == ({}, "")
    assert result.seconds >= _LONG - 1
    assert 2 <= job.fetched - before <= _most_fetches(result.seconds, lifetime)
    failed = without.result().failed()
    assert "AADSTS700024" in failed.stderr
    assert failed.seconds < _LONG - 1


def test_20_built_in_commands_at_once_renew_once(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    trust_workloads(own_cloud)
    az = make_az(cloud=own_cloud).with_env(**own_cloud.github_environment())
    az.run(*SERVICE_PRINCIPAL, *GITHUB).ok()
    job = Job(az, own_cloud)
    end_access_tokens(az)
    store_assertion(az, own_cloud.admin.issue_assertion(GITHUB_SUBJECT, issuer="github", lifetime=-1))
    fetched, requested = job.fetched, own_cloud.admin.count_requests("/token$")
    with ThreadPoolExecutor(20) as pool:
        others = [pool.submit(rest, az, own_cloud, resource) for resource in _NEW_SCOPES[:8]]
        groups = [pool.submit(az.run, *_GROUPS, timeout=120) for _ in range(12)]
    for future in groups:
        assert (future.result().ok().json(), future.result().stderr) == (["app", "network"], "")
    for future in others:
        assert future.result().ok().stderr == ""
    assert job.fetched == fetched + 1
    assert own_cloud.admin.count_requests("/token$") == requested + 1 + len(others)


def test_threads_of_one_command_get_their_tokens_with_one_federated_token(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    trust_workloads(own_cloud)
    az = make_az(cloud=own_cloud).with_env(**own_cloud.github_environment())
    az.run(*SERVICE_PRINCIPAL, *GITHUB).ok()
    job = Job(az, own_cloud)
    store_assertion(az, own_cloud.admin.issue_assertion(GITHUB_SUBJECT, issuer="github", lifetime=-1))
    before = job.fetched
    tokens = with_sample_extension(az).run("sample", "tokens", "--resources", *_NEW_SCOPES[:4]).ok()
    assert tokens.stderr == ""
    assert [claims["appid"] for claims in tokens.json()] == [CI_APP] * 8
    assert len({claims["aud"] for claims in tokens.json()}) == 4
    assert job.fetched == before + 1


# A tenant that is not the account's


def _user_of(claims: dict[str, Any]) -> str:
    return str(claims.get("upn") or claims.get("unique_name") or claims["appid"])


@pytest.fixture
def carol(az: Az, cloud: LocalCloud) -> Az:
    """`az` with bob (Fabrikam) and carol (Tailspin) signed in, and the sample extension. carol is active."""
    sign_in(az, cloud, BOB).ok()
    password = cloud.directory.user(CAROL).password
    az.run("login", "-u", CAROL, f"-p={password}", "--allow-no-subscriptions").ok()
    return with_sample_extension(az)


@pytest.mark.parametrize("by", ["ID", "domain"])
def test_an_extension_that_names_a_tenant_gets_the_token_of_the_account_that_is_signed_in_to_it(
    carol: Az, cloud: LocalCloud, by: str
) -> None:
    tenant = cloud.directory.tenant(OTHER_TENANT).id if by == "ID" else OTHER_TENANT
    assert "AADSTS50020" in _without_ours(carol).run("sample", "token", "--tenant", tenant).failed().stderr
    result = carol.run("sample", "token", "--tenant", tenant).ok()
    assert _user_of(result.json()["token"]) == BOB
    assert (result.json()["subscription"], result.json()["tenant"]) == (None, tenant)
    (line,) = result.stderr.splitlines()
    assert f"using '{BOB}', which is signed in to it, because '{CAROL}' is not in this tenant" in line
    auxiliary = carol.run("sample", "auxiliary-tokens", "--tenant", tenant, "--resource", VAULT).ok()
    assert [_user_of(token) for token in auxiliary.json()] == [BOB]
    # Without a tenant, it is the active account.
    own = carol.run("sample", "token").ok()
    assert (_user_of(own.json()["token"]), own.stderr) == (CAROL, "")


def _without_ours(az: Az) -> Az:
    """Return `az` with the setting that turns our help off."""
    return az.with_env(AZURE_LOGIN_EVERY_COMMAND="off")


def test_the_active_account_is_asked_first_as_it_can_be_a_guest(az: Az, cloud: LocalCloud) -> None:
    sign_in(az, cloud, BOB).ok()
    alice = cloud.directory.user(ALICE)
    az.run("login", "-u", ALICE, f"-p={alice.password}", "--tenant", TENANT).ok()
    result = with_sample_extension(az).run("sample", "token", "--tenant", OTHER_TENANT).ok()
    assert _user_of(result.json()["token"]).endswith(ALICE)
    assert result.stderr == ""


def test_several_accounts_of_a_tenant_are_one_warning_beside_the_error(carol: Az, cloud: LocalCloud) -> None:
    carol.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", OTHER_TENANT).ok()
    carol.run("account", "set", "--subscription", cloud.directory.tenant("tailspin.example").id).ok()
    result = carol.run("sample", "token", "--tenant", OTHER_TENANT).failed()
    assert "AADSTS50020" in result.stderr
    assert result.stderr.count("WARNING") == 1
    assert "several other accounts are signed in to it" in result.stderr
    assert result.stderr.count("az account set") == 2


def test_an_account_that_the_environment_names_is_not_replaced(carol: Az) -> None:
    result = carol.run("sample", "token", "--tenant", OTHER_TENANT, env={"AZURE_LOGIN_ACCOUNT": CAROL}).failed()
    assert "AADSTS50020" in result.stderr
    assert BOB not in result.stderr


def test_an_active_managed_identity_gives_way(carol: Az, cloud: LocalCloud) -> None:
    document = carol.profile()
    for row in document["subscriptions"]:
        row["isDefault"] = False
    user = {"name": "systemAssignedIdentity", "type": "servicePrincipal", "assignedIdentityInfo": "MSI"}
    row = {**document["subscriptions"][0], "id": "9" * 8, "name": "Of the VM", "user": user, "isDefault": True}
    row |= {"tenantId": "99999999-0000-4000-8000-000000000000"}
    row.pop("tenantDefaultDomain", None)
    row.pop("tenantDisplayName", None)
    document["subscriptions"].append(row)
    carol.profile_path.write_text(json.dumps(document), encoding="utf-8")
    tenant = cloud.directory.tenant(OTHER_TENANT).id
    result = carol.run("sample", "token", "--tenant", tenant).ok()
    assert _user_of(result.json()["token"]) == BOB
    assert (result.json()["subscription"], result.json()["tenant"]) == (None, tenant)
    assert "because 'MSI' has tokens of its own tenant only" in result.stderr
    refused = carol.run("sample", "token", "--tenant", TENANT).failed()
    assert "getting access token for non-current tenants is not supported" in refused.stderr
