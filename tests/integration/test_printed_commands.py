"""A failed `az login` prints itself: every option of it, no secret, and in a form that az accepts."""

from __future__ import annotations

import shlex

import pytest

from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.localcloud import CI_APP, LocalCloud
from tests.users import ALICE, CAROL

_PRINCIPAL = ("--service-principal", "--username", CI_APP, "--tenant", "contoso.example")


@pytest.mark.parametrize(
    ("options", "repeated"),
    [
        (
            ("-u", ALICE, "-p=wrong", "--allow-no-subscriptions", "--subscription", "$(touch PWN)"),
            ["--username", ALICE, "--password=@-", "--allow-no-subscriptions", "--subscription", "$(touch PWN)"],
        ),
        (
            (*_PRINCIPAL, "-p=wrong", "--no-store-secret", "--allow-no-subscriptions"),
            [
                *("--service-principal", "--username", CI_APP, "--password=@-", "--no-store-secret"),
                "--allow-no-subscriptions",
            ],
        ),
        (("--from-env", "--allow-no-subscriptions"), ["--from-env", "--allow-no-subscriptions"]),
    ],
    ids=["user", "service principal", "environment"],
)
def test_a_refused_sign_in_prints_the_command_that_ran(az: Az, options: tuple[str, ...], repeated: list[str]) -> None:
    env = {"AZURE_CLIENT_ID": CI_APP, "AZURE_CLIENT_SECRET": "wrong", "AZURE_TENANT_ID": "contoso.example"}
    error = az.run("login", *options, env=env if "--from-env" in options else {}).failed().stderr
    command = next(line for line in error.splitlines() if line.startswith("az login "))
    words = shlex.split(command)
    assert [word for word in words if word in repeated] == repeated
    assert "wrong" not in words
    # The host's parser accepts it, and the sign-in is refused in the same way.
    again = az.run(*words[1:], input="wrong", env=env if "--from-env" in options else {}).failed().stderr
    assert command in again


@pytest.mark.parametrize("where", [("--tenant", "tailspin.example"), ()], ids=["one tenant", "every tenant"])
def test_a_sign_in_without_subscriptions_that_succeeded_does_not_advise_itself(
    az: Az, cloud: LocalCloud, where: tuple[str, ...]
) -> None:
    signed_in = sign_in(az, cloud, CAROL, *where, "--allow-no-subscriptions").ok()
    assert [row["name"] for row in signed_in.json()] == ["N/A(tenant level account)"]
    assert "az login" not in signed_in.stderr
    assert "no subscriptions" not in signed_in.stderr
