"""Service principals with a secret or a certificate: what is stored, and that built-in commands use it."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.integration.workloads import (
    GRAPH,
    OTHER_TENANT,
    PASSPHRASE,
    POD,
    SERVICE_PRINCIPAL,
    TENANT,
    VAULT,
    Certificates,
    SignIn,
    entries,
    guarded,
    kept,
    stock,
    subscriptions_used,
    token_claims,
    traces,
    write,
    write_entries,
    write_pem,
    write_pfx,
)
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE

CI_SUBSCRIPTIONS = {"Contoso Production", "Contoso Development"}
KEY = "PRIVATE KEY"


def secret(folder: Path, made: Certificates) -> SignIn:
    return SignIn(("--password=@-",), input=CI_SECRET)


def secret_on_argv(folder: Path, made: Certificates) -> SignIn:
    return SignIn((f"-p={CI_SECRET}",))


def pem(folder: Path, made: Certificates) -> SignIn:
    return SignIn(("--certificate", str(write_pem(folder / "ci.pem", made.registered))))


def pem_with_windows_line_ends(folder: Path, made: Certificates) -> SignIn:
    text = (made.registered.pem + made.registered.key_pem()).replace("\n", "\r\n")
    return SignIn(("--certificate", str(write(folder / "ci.pem", text))))


def pem_with_chain_by_subject_name(folder: Path, made: Certificates) -> SignIn:
    path = write_pem(folder / "ci.pem", made.issued)
    return SignIn(("--certificate", str(path), "--use-cert-sn-issuer"))


def encrypted_pem_with_stored_key(folder: Path, made: Certificates) -> SignIn:
    path = write_pem(folder / "ci.pem", made.registered, passphrase=PASSPHRASE)
    return SignIn(("--certificate", str(path), "--password=@-", "--store-decrypted-key"), input=PASSPHRASE)


def pfx_with_stored_key(folder: Path, made: Certificates) -> SignIn:
    path = write_pfx(folder / "ci.pfx", made.registered, passphrase=PASSPHRASE)
    secret_file = write(folder / "passphrase", PASSPHRASE)
    return SignIn(("--certificate", str(path), f"--password=@{secret_file}", "--store-decrypted-key"))


def pfx_by_subject_name_with_stored_key(folder: Path, made: Certificates) -> SignIn:
    path = write_pfx(folder / "ci.pfx", made.issued)
    return SignIn(("--certificate", str(path), "--use-cert-sn-issuer", "--store-decrypted-key"))


@pytest.mark.parametrize(
    ("sign_in", "leaving"),
    [
        (secret, "logout"),
        (pem, "account clear"),
        (pem_with_windows_line_ends, "logout"),
        (pem_with_chain_by_subject_name, "logout"),
        (encrypted_pem_with_stored_key, "account clear"),
        (pfx_with_stored_key, "logout"),
        (pfx_by_subject_name_with_stored_key, "logout"),
    ],
)
def test_built_in_commands_use_what_a_sign_in_stored(
    workload_az: Az,
    certificates: Certificates,
    tmp_path: Path,
    sign_in: Callable[[Path, Certificates], SignIn],
    leaving: str,
) -> None:
    az = workload_az
    rows = sign_in(tmp_path, certificates).run(az).ok().json()
    assert {row["name"] for row in rows} == CI_SUBSCRIPTIONS
    assert {(row["user"]["name"], row["user"]["type"]) for row in rows} == {(CI_APP, "servicePrincipal")}
    before = az.profile()["subscriptions"]

    assert len(subscriptions_used(stock(az))) == 1
    claims = token_claims(stock(az), "--resource", VAULT)  # nothing is cached for it
    assert (claims["appid"], claims["aud"]) == (CI_APP, VAULT)

    az.run("account", "list", "--refresh").ok()
    assert az.profile()["subscriptions"] == before
    assert token_claims(az, "--tenant", OTHER_TENANT)["tid"] != rows[0]["tenantId"]

    az.run(*leaving.split()).ok()
    assert not traces(az, CI_APP, CI_SECRET, PASSPHRASE, KEY)
    assert az.profile()["subscriptions"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_a_decrypted_key_is_stored_on_request_for_its_owner_only_and_removed_by_the_sign_out(
    workload_az: Az, certificates: Certificates, tmp_path: Path
) -> None:
    path = write_pfx(tmp_path / "ci.pfx", certificates.registered, passphrase=PASSPHRASE)
    login = (*SERVICE_PRINCIPAL, "--certificate", str(path), "--password=@-")
    workload_az.run(*login, input=PASSPHRASE).ok()
    assert not traces(workload_az, KEY)

    workload_az.run(*login, "--store-decrypted-key", input=PASSPHRASE).ok()
    (stored,) = (workload_az.config_dir / name for name in traces(workload_az, KEY))
    assert str(stored) == entries(workload_az)[0]["certificate"]
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert stat.S_IMODE(stored.parent.stat().st_mode) == 0o700

    # The next sign-in stores no copy.
    workload_az.run(*login, input=PASSPHRASE).ok()
    assert not traces(workload_az, KEY)
    assert "certificate" not in entries(workload_az)[0]

    workload_az.run(*login, "--store-decrypted-key", input=PASSPHRASE).ok()
    # A user may sign in with the copy itself.
    workload_az.run(*SERVICE_PRINCIPAL, "--certificate", str(stored)).ok()
    assert stored.exists()

    workload_az.run("logout").ok()
    assert not stored.exists()
    assert path.exists()


@pytest.mark.parametrize("file", ["service_principal_entries.json", "msal_token_cache.json"])
@pytest.mark.parametrize("signed_in", [False, True], ids=["first sign-in", "another sign-in"])
def test_a_sign_in_that_cannot_be_stored_undoes_what_it_has_stored_already(
    workload_az: Az, certificates: Certificates, tmp_path: Path, file: str, signed_in: bool
) -> None:
    az = workload_az
    path = write_pfx(tmp_path / "ci.pfx", certificates.registered)
    if signed_in:
        secret(tmp_path, certificates).run(az).ok()
        (az.config_dir / file).unlink()
    (az.config_dir / file).mkdir()
    before = kept(az)
    login = (*SERVICE_PRINCIPAL, "--certificate", str(path), "--store-decrypted-key")
    assert file in az.run(*login).failed().stderr
    assert not traces(az, KEY)
    changed = {name: content for name, content in kept(az).items() if content != before.get(name, b"[]")}
    assert not {name for name in changed if not name.endswith((".lock", ".lockfile"))}


def test_a_pfx_file_without_a_passphrase_is_read_by_our_commands_and_built_in_ones_use_the_cached_token(
    workload_az: Az, certificates: Certificates, tmp_path: Path
) -> None:
    path = write_pfx(tmp_path / "ci.pfx", certificates.registered)
    said = SignIn(("--certificate", str(path))).run(workload_az).ok().stderr
    assert "--store-decrypted-key" in said
    assert not traces(workload_az, KEY)
    assert subscriptions_used(stock(workload_az))
    assert token_claims(workload_az, "--resource", VAULT)["appid"] == CI_APP
    # Our command has cached the token.
    assert token_claims(stock(workload_az), "--resource", VAULT)["appid"] == CI_APP


@pytest.mark.parametrize(
    ("name", "says", "stored"),
    [
        ("ci.pfx", "--password was ignored", {"azextLogin"}),
        ("ci.pem", "--certificate was ignored", {"client_secret"}),
    ],
)
def test_a_password_for_a_certificate_without_a_passphrase_is_a_client_secret_if_the_built_in_treats_it_so(
    workload_az: Az, certificates: Certificates, tmp_path: Path, name: str, says: str, stored: set[str]
) -> None:
    write_certificate = write_pfx if name.endswith("pfx") else write_pem
    path = write_certificate(tmp_path / name, certificates.registered)
    sign_in = SignIn(("--certificate", str(path), "--password=@-", "-o", "none"), CI_SECRET)
    said = sign_in.run(workload_az).ok().stderr
    assert said.count(says) == 1
    assert set(entries(workload_az)[0]) == {"client_id", "tenant", *stored}


def test_the_passphrase_of_a_certificate_is_not_stored_and_is_read_from_the_environment(
    workload_az: Az, certificates: Certificates, tmp_path: Path
) -> None:
    path = write_pfx(tmp_path / "ci.pfx", certificates.registered, passphrase=PASSPHRASE)
    SignIn(("--certificate", str(path), "--password=@-"), PASSPHRASE).run(workload_az).ok()
    assert subscriptions_used(stock(workload_az))
    error = workload_az.run("account", "get-access-token", "--resource", VAULT).failed().stderr
    assert "AZURE_CLIENT_CERTIFICATE_PASSWORD" in error
    assert f"az login --service-principal --username {CI_APP} --certificate {path} --password=@-" in error
    passphrase = {"AZURE_CLIENT_CERTIFICATE_PASSWORD": PASSPHRASE}
    assert token_claims(workload_az, "--resource", VAULT, env=passphrase)["appid"] == CI_APP
    assert not traces(workload_az, PASSPHRASE)


def test_a_certificate_that_is_trusted_by_its_subject_name_can_be_replaced(
    workload_az: Az, certificates: Certificates, tmp_path: Path
) -> None:
    pem_with_chain_by_subject_name(tmp_path, certificates).run(workload_az).ok()
    write_pem(tmp_path / "ci.pem", certificates.another())
    assert token_claims(workload_az, "--resource", VAULT)["appid"] == CI_APP
    assert token_claims(stock(workload_az), "--resource", GRAPH)["appid"] == CI_APP


def test_without_a_stored_secret_commands_work_until_the_token_expires_and_then_fail_with_the_reason(
    workload_az: Az,
) -> None:
    SignIn(("--password=@-", "--no-store-secret"), CI_SECRET).run(workload_az).ok()
    assert not traces(workload_az, CI_SECRET)
    assert subscriptions_used(stock(workload_az))
    error = workload_az.run("account", "get-access-token", "--resource", VAULT).failed().stderr
    assert "was not stored" in error
    assert f"az login --service-principal --username {CI_APP} --password=@-" in error


FROM_ENVIRONMENT = ("login", "--from-env")


def in_environment(cloud: LocalCloud, folder: Path, made: Certificates, *kinds: str) -> dict[str, str]:
    """Return the environment variables of these kinds of credential."""
    assertion = cloud.admin.issue_assertion(POD)
    variables = {
        "client secret": {"AZURE_CLIENT_SECRET": CI_SECRET},
        "certificate": {
            "AZURE_CLIENT_CERTIFICATE_PATH": str(write_pfx(folder / "ci.pfx", made.registered, passphrase=PASSPHRASE)),
            "AZURE_CLIENT_CERTIFICATE_PASSWORD": PASSPHRASE,
        },
        "username and password": {
            "AZURE_USERNAME": ALICE,
            "AZURE_PASSWORD": cloud.directory.user(ALICE).password,
        },
        "federated token file": {"AZURE_FEDERATED_TOKEN_FILE": str(write(folder / "token", assertion))},
    }
    shared = {"AZURE_CLIENT_ID": CI_APP, "AZURE_TENANT_ID": TENANT, "AZURE_AUTHORITY_HOST": cloud.url}
    return {**shared, **{name: value for kind in kinds for name, value in variables[kind].items()}}


@pytest.mark.parametrize(
    ("kinds", "user"),
    [
        (("client secret", "certificate", "username and password", "federated token file"), CI_APP),
        (("certificate", "username and password", "federated token file"), CI_APP),
        (("username and password", "federated token file"), ALICE),
        (("federated token file",), CI_APP),
    ],
    ids=["client secret", "certificate", "username and password", "federated token file"],
)
def test_the_environment_signs_in_with_the_first_kind_of_credential_that_it_describes(
    workload_az: Az,
    workload_cloud: LocalCloud,
    certificates: Certificates,
    tmp_path: Path,
    kinds: tuple[str, ...],
    user: str,
) -> None:
    environment = in_environment(workload_cloud, tmp_path, certificates, *kinds)
    result = workload_az.run(*FROM_ENVIRONMENT, env=environment).ok()
    assert f"Signing in with a {kinds[0]} from " in result.stderr
    assert {row["user"]["name"] for row in result.json()} == {user}
    assert subscriptions_used(stock(workload_az))


def test_one_application_is_signed_in_to_two_tenants_in_two_ways(
    workload_az: Az, certificates: Certificates, workload_cloud: LocalCloud, tmp_path: Path
) -> None:
    az = workload_az
    secret(tmp_path, certificates).run(az).ok()
    path = write_pem(tmp_path / "ci.pem", certificates.issued)
    by_name = ("--certificate", str(path), "--use-cert-sn-issuer")
    rows = az.run("login", "--service-principal", "-u", CI_APP, "--tenant", OTHER_TENANT, *by_name).ok().json()
    assert [row["name"] for row in rows] == ["Fabrikam Main"]
    assert [sorted(set(entry) & {"client_secret", "certificate"}) for entry in entries(az)] == [
        ["client_secret"],
        ["certificate"],
    ]
    for name in ("Contoso Production", "Fabrikam Main"):
        wanted = workload_cloud.directory.subscription(name)
        assert subscriptions_used(stock(az), "--subscription", name) == {wanted.id}
        assert token_claims(az, "--subscription", name)["tid"] == wanted.tenant_id
    # For a tenant, the credential that was stored for it is used, whatever subscription is active.
    contoso, fabrikam = entries(az)
    write_entries(az, [{**contoso, "client_secret": "of contoso alone"}, fabrikam])
    asked = ("--subscription", "Contoso Production", "--resource", VAULT, "--tenant", str(fabrikam["tenant"]))
    assert token_claims(az, *asked)["tid"] == fabrikam["tenant"]
    write_entries(az, [contoso, fabrikam])
    az.run("logout", "--username", CI_APP).ok()
    assert not traces(az, CI_APP, CI_SECRET)


def test_keys_of_other_tools_in_the_entries_of_service_principals_are_kept(workload_az: Az) -> None:
    another = {"client_id": "another", "tenant": TENANT, "client_secret": "x", "note": {"of": ["another tool"]}}
    write_entries(workload_az, [another])
    workload_az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET).ok()
    assert another in entries(workload_az)
    assert len(entries(workload_az)) == 2
    workload_az.run("logout", "--username", CI_APP).ok()
    assert entries(workload_az) == [another]


@pytest.mark.parametrize("sign_in", [secret_on_argv, pem, pem_with_chain_by_subject_name])
def test_our_commands_use_what_a_built_in_sign_in_stored(
    workload_az: Az, certificates: Certificates, tmp_path: Path, sign_in: Callable[[Path, Certificates], SignIn]
) -> None:
    az = workload_az
    sign_in(tmp_path, certificates).run(stock(az)).ok()
    before = az.profile()["subscriptions"]
    assert token_claims(az, "--resource", VAULT)["appid"] == CI_APP
    az.run("account", "list", "--refresh").ok()
    assert az.profile()["subscriptions"] == before
    az.run("logout").ok()
    assert not traces(az, CI_APP, CI_SECRET)


def test_a_built_in_logout_removes_what_our_sign_in_stored(workload_az: Az) -> None:
    workload_az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET).ok()
    stock(workload_az).run("logout", "--username", CI_APP).ok()
    assert not traces(workload_az, CI_SECRET)
    assert workload_az.run("account", "list").ok().json() == []


@pytest.mark.oldest
def test_the_oldest_azure_cli_uses_what_a_sign_in_stored(
    make_az: Callable[..., Az], oldest: Host, workload_cloud: LocalCloud, certificates: Certificates, tmp_path: Path
) -> None:
    az = guarded(make_az(host=oldest, cloud=workload_cloud))
    pem_with_chain_by_subject_name(tmp_path, certificates).run(az).ok()
    assert subscriptions_used(stock(az))
    assert token_claims(stock(az), "--resource", VAULT)["appid"] == CI_APP
    assert token_claims(az, "--resource", GRAPH)["appid"] == CI_APP
