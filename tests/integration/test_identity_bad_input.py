"""Managed identities without a token: one error within seconds that names the service, and nothing is stored."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.harness.az import NOWHERE, Az, Result
from tests.localcloud import READER_IDENTITY, VM_IDENTITY, LocalCloud
from tests.unit.auth.managed_identity.environments import black_hole

UNKNOWN = "00000000-0000-0000-0000-000000000001"
IDENTITY = ("login", "--identity")
IMDS = "/metadata/identity"


def refused(az: Az, *words: str, env: Mapping[str, str]) -> str:
    """Run the command, and return its only error. The lines after the first one have a next step."""
    result: Result = az.run(*IDENTITY, *words, env=env).failed()
    assert not result.stdout, result
    error = result.stderr.partition("ERROR: ")[2]
    assert error.partition("\n")[2].strip(), result
    return error


@contextmanager
def silence() -> Iterator[str]:
    """Yield host:port of a service that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield "{}:{}".format(*listener.getsockname())


@pytest.mark.parametrize("open_service", [black_hole, silence], ids=["drops packets", "never answers"])
def test_a_service_that_does_not_answer_is_an_error_within_five_seconds(
    bystanders: Az, open_service: Callable[[], AbstractContextManager[str]]
) -> None:
    with open_service() as place:
        process = bystanders.start(*IDENTITY, "--debug", env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{place}"})
        assert process.stderr is not None
        # Measured from the first packet on: the start of `az` takes a different time on each computer.
        connecting = next((line for line in process.stderr if f"new HTTP connection (1): {place}" in line), None)
        began = time.monotonic()
        result = bystanders.result(process, *IDENTITY)
        assert connecting
        assert result.seconds <= time.monotonic() - began < 5
    assert result.exit_code == 1, result
    error = result.stderr.partition("ERROR: ")[2] or result.stderr
    assert "No managed identity was found" in error
    assert place in error
    assert "az login" in error


def test_a_service_that_refuses_connections_is_one_error(bystanders: Az) -> None:
    error = refused(bystanders, env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": NOWHERE})
    assert "No managed identity was found" in error
    assert "AZURE_POD_IDENTITY_AUTHORITY_HOST" in error


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "html"}, "something other than a JSON object"),
        ({"kind": "malformed"}, "something other than a JSON object"),
        (
            {"status": 400, "body": '{"error": "invalid_request", "error_description": "Identity not found"}'},
            "no system",
        ),
        ({"status": 403, "body": '{"error": "forbidden"}'}, "refused"),
        ({"kind": "drop"}, "No managed identity was found"),
    ],
    ids=["HTML", "half an answer", "no identity", "refusal", "hangs up"],
)
def test_an_answer_without_a_token_is_one_error(
    bystanders: Az, workload_cloud: LocalCloud, fault: dict[str, str], says: str
) -> None:
    workload_cloud.admin.fail_next(IMDS, count=None, **fault)  # type: ignore[arg-type]
    error = refused(bystanders, env=workload_cloud.imds_environment())
    assert says in error
    assert "Nothing that was stored before has changed" in error


@pytest.mark.parametrize("option", ["--client-id", "--resource-id"])
def test_an_identity_that_is_not_assigned_is_named(bystanders: Az, workload_cloud: LocalCloud, option: str) -> None:
    error = refused(bystanders, option, UNKNOWN, env=workload_cloud.imds_environment())
    assert UNKNOWN in error
    assert "az vm identity assign" in error


def test_the_identities_that_the_service_names_are_listed_as_commands(
    bystanders: Az, workload_cloud: LocalCloud
) -> None:
    several = f"Multiple user assigned identities exist: {VM_IDENTITY}, {READER_IDENTITY}"
    body = f'{{"error": "invalid_request", "error_description": "{several}"}}'
    workload_cloud.admin.fail_next(IMDS, count=None, status=400, body=body)
    error = refused(bystanders, env=workload_cloud.imds_environment())
    for identity in (VM_IDENTITY, READER_IDENTITY):
        assert f"az login --identity --client-id {identity}" in error


def test_an_identity_without_a_subscription_is_one_error_with_the_option_to_use(
    bystanders: Az, workload_cloud: LocalCloud
) -> None:
    error = refused(bystanders, "--client-id", READER_IDENTITY, env=workload_cloud.imds_environment())
    assert "No access was configured for the managed identity" in error
    assert "--allow-no-subscriptions" in error


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        ("app_service", {"IDENTITY_HEADER": "another-process"}, "refused"),
        ("app_service", {"IDENTITY_HEADER": "another-process\r"}, "IDENTITY_HEADER holds"),
        ("app_service", {"IDENTITY_ENDPOINT": "not an address"}, "IDENTITY_ENDPOINT"),
        ("machine_learning", {"MSI_SECRET": "another-process"}, "refused"),
        ("service_fabric", {"IDENTITY_SERVER_THUMBPRINT": "0" * 40}, "IDENTITY_SERVER_THUMBPRINT"),
    ],
)
def test_an_environment_that_does_not_fit_its_service_is_one_error(
    bystanders: Az, workload_cloud: LocalCloud, kind: str, changes: dict[str, str], says: str
) -> None:
    environment: dict[str, str] = getattr(workload_cloud, f"{kind}_environment")()
    error = refused(bystanders, env={**environment, **changes})
    assert says in error
    assert workload_cloud.identity_secret not in error
    assert "another-process" not in error


@pytest.mark.parametrize("kind", ["arc", "service_fabric"])
def test_the_error_of_a_service_with_one_identity_advises_to_leave_the_id_out(
    bystanders: Az, workload_cloud: LocalCloud, kind: str
) -> None:
    try:
        environment: dict[str, str] = getattr(workload_cloud, f"{kind}_environment")()
    except OSError as error:
        pytest.skip(f"MSAL reads the challenge files of Azure Arc in one folder only: {error}")
    message = refused(bystanders, "--client-id", UNKNOWN, env=environment)
    assert "one identity only" in message
    assert "az login --identity" in message


def test_a_cloud_shell_without_its_token_service_is_one_error(bystanders: Az, workload_cloud: LocalCloud) -> None:
    environment = {**workload_cloud.cloud_shell_environment(), "MSI_ENDPOINT": f"{NOWHERE}/oauth2/token"}
    error = refused(bystanders, env=environment)
    assert "Cloud Shell" in error
    assert NOWHERE.partition("//")[2] in error
