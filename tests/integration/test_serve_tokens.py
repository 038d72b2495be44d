"""`az account serve-tokens`: which requests get which tokens, from when until when, and what is reported."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.harness.waiting import until
from tests.integration.context_runs import PYTHON, add_context
from tests.integration.served_tokens import SERVE, VAULT, Endpoint, serving
from tests.integration.token_cache_files import claims_of, let_tokens_age
from tests.integration.workloads import id_of
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

_PRINT = "import json, os; print(json.dumps(dict(os.environ)))"
_ARM = "https://management.localcloud.example"


@pytest.fixture
def endpoint(signed_in: Az) -> Iterator[Endpoint]:
    """An endpoint with alice's tokens."""
    with serving(signed_in) as running:
        yield running


def _user_of(endpoint: Endpoint, resource: str = VAULT) -> str:
    answer = endpoint.ask(resource)
    assert answer.status == 200, answer
    claims = claims_of(answer.json["access_token"])
    return str(claims.get("upn") or claims["unique_name"]).rpartition("#")[2]


# Answers


def test_the_answer_is_that_of_app_service(endpoint: Endpoint, signed_in: Az) -> None:
    answer = endpoint.ask()
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    cached = signed_in.run("account", "get-access-token", "--resource", VAULT).ok().json()
    assert answer.json == {
        "access_token": cached["accessToken"],
        "expires_on": str(cached["expires_on"]),
        "resource": VAULT,
        "token_type": "Bearer",
        "client_id": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    }


def test_a_resource_is_spelled_with_or_without_a_slash_as_the_client_does(endpoint: Endpoint) -> None:
    for resource in (_ARM, _ARM + "/", _ARM.upper()):
        answer = endpoint.ask(resource)
        assert answer.status == 200
        assert answer.json["resource"] == resource.replace(_ARM.upper(), _ARM)
        assert claims_of(answer.json["access_token"])["aud"].rstrip("/") == _ARM


def test_the_endpoint_is_only_for_its_resources(signed_in: Az) -> None:
    with serving(signed_in, "--allow-resource", VAULT, "https://batch.localcloud.example/") as endpoint:
        assert endpoint.ask(VAULT + "/").status == 200
        assert endpoint.ask("https://batch.localcloud.example").status == 200
        refused = endpoint.ask(_ARM)
        assert (refused.status, refused.json["error"]) == (403, "invalid_resource")
        assert "--allow-resource" in refused.json["message"]
        assert endpoint.ask(f"{VAULT}.evil.example").status == 403
        assert endpoint.ask(VAULT + "//").status == 403


def test_a_scope_allows_its_resource(signed_in: Az) -> None:
    with serving(signed_in, "--allow-resource", f"{VAULT}/.default") as endpoint:
        assert endpoint.ask(VAULT).json["resource"] == VAULT


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"secret": None}, 401),
        ({"secret": "x"}, 401),
        ({"secret": "\xff"}, 401),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1"}, 403),
        ({"host": "127.0.0.1:1"}, 403),
        ({"host": "host.docker.internal:{port}"}, 403),
        ({"method": "POST"}, 411),
        ({"method": "HEAD"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"api-version": "2017-09-01"}, 400),
        ({"resource": ""}, 400),
        ({"client_id": "6f1e2d3c-0000-0000-0000-000000000000"}, 400),
        ({"mi_res_id": "/subscriptions/x"}, 400),
        ({"resource": "https://contoso.com"}, 403),
    ],
)
def test_other_requests_are_refused(endpoint: Endpoint, change: dict[str, str], status: int) -> None:
    change = {name: value and value.replace("{port}", str(endpoint.port)) for name, value in change.items()}
    refused = endpoint.ask(**change)
    assert refused.status == status
    assert b"access_token" not in refused.body
    assert refused.headers["cache-control"] == "no-store"
    if status == 405:
        assert refused.headers["allow"] == "GET"
    assert refused.json["statusCode"] == status
    assert endpoint.secret.encode() not in refused.body


def test_the_names_of_this_computer_are_accepted(endpoint: Endpoint) -> None:
    for host in ("localhost", "LOCALHOST", "127.0.0.1", "[::1]"):
        assert endpoint.ask(host=f"{host}:{endpoint.port}").status == 200


def test_clients_may_name_the_application_of_the_account(endpoint: Endpoint) -> None:
    assert endpoint.ask(client_id="04B07795-8ddb-461a-bbee-02f9e1bf7b46").status == 200
    assert endpoint.ask(client_id="").status == 200


@pytest.mark.parametrize("option", [None, "--client-id", "--object-id", "--resource-id"])
def test_the_application_of_a_managed_identity_is_its_client_id_alone(
    az: Az, cloud: LocalCloud, option: str | None
) -> None:
    here = az.with_env(**cloud.imds_environment())
    named = id_of(cloud, option) if option else None
    here.run("login", "--identity", *((option, named) if option and named else ())).ok()
    with serving(here) as endpoint:
        answer = endpoint.ask()
        assert answer.status == 200
        assert answer.json["client_id"] == (named if option == "--client-id" else "")
        parameters = {"--client-id": "client_id", "--object-id": "object_id", "--resource-id": "mi_res_id"}
        for given, parameter in parameters.items():
            status = 200 if given == option else 400
            assert endpoint.ask(**{parameter: id_of(cloud, given)}).status == status


# Whose tokens


def test_the_options_choose_the_account(signed_in: Az, cloud: LocalCloud) -> None:
    sign_in(signed_in, cloud, BOB).ok()
    add_context(signed_in, "dev", ALICE)
    fabrikam = cloud.directory.tenant("fabrikam.example").id
    for options, user in (
        ((), BOB),
        (("--username", ALICE), ALICE),
        (("--subscription", "Contoso Development"), ALICE),
        (("--context", "dev"), ALICE),
    ):
        with serving(signed_in, *options) as endpoint:
            assert _user_of(endpoint) == user
    with serving(signed_in, "--username", ALICE, "--tenant", "fabrikam.example") as endpoint:
        assert claims_of(endpoint.ask().json["access_token"])["tid"] == fabrikam


def test_the_account_stays_the_same(signed_in: Az, cloud: LocalCloud) -> None:
    with serving(signed_in) as endpoint:
        assert _user_of(endpoint) == ALICE
        sign_in(signed_in, cloud, BOB).ok()
        assert _user_of(endpoint) == ALICE
        assert _user_of(endpoint, _ARM) == ALICE


def test_signing_out_ends_the_tokens(signed_in: Az, cloud: LocalCloud) -> None:
    with serving(signed_in) as endpoint:
        assert endpoint.ask().status == 200
        signed_in.run("logout", "--username", ALICE).ok()
        refused = endpoint.ask()
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
        assert "has signed out" in refused.json["message"]
        sign_in(signed_in, cloud, ALICE).ok()
        until(lambda: endpoint.ask().status == 200)


def test_a_user_who_has_to_sign_in_again_is_reported(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    own_cloud.admin.revoke(ALICE)
    with serving(az) as endpoint:
        refused = endpoint.ask()
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
        assert "az login" in refused.json["message"]
        stderr = endpoint.stop(signal.SIGINT).stderr
    assert f"{VAULT}: 400" in stderr
    assert "az login" in stderr


def test_a_service_that_is_away_is_a_status_that_clients_may_retry(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    with serving(az) as endpoint:
        own_cloud.admin.fail_next("/token$", count=None, kind="drop")
        own_cloud.admin.clear_requests()
        refused = endpoint.ask()
        sent = own_cloud.admin.count_requests("/token$")
        assert (refused.status, refused.json["error"]) == (503, "temporarily_unavailable")
        # The next ones learn the same, without a request each.
        assert [endpoint.ask().status for _ in range(5)] == [503] * 5
        assert own_cloud.admin.count_requests("/token$") == sent
        own_cloud.admin.clear_faults()
        until(lambda: endpoint.ask().status == 200)


# Many at once, and hostile


def test_200_callers_share_one_request(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    with serving(az) as endpoint:
        own_cloud.admin.clear_requests()
        own_cloud.admin.fail_next("/token$", count=1, kind="hang", hang=2)

        with ThreadPoolExecutor(200) as pool:
            answers = list(pool.map(lambda _: endpoint.ask(), range(200)))
        assert {answer.status for answer in answers} == {200}
        (token,) = {answer.json["access_token"] for answer in answers}
        assert claims_of(token)["aud"].rstrip("/") == VAULT
        assert own_cloud.admin.count_requests("/token$") == 1
        endpoint.stop(signal.SIGTERM)


def _odd_request(chance: random.Random, endpoint: Endpoint) -> bytes:
    """Return a request that is not valid: a valid one that was damaged, or anything."""
    kind = chance.randrange(8)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 300))
    if kind == 1:
        return endpoint.request(
            secret=chance.choice(["", None]), host=f"h{chance.randrange(99)}.example:{endpoint.port}"
        )
    if kind == 2:
        return endpoint.request(method=chance.choice(["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "get"]))
    if kind == 3:
        return endpoint.request(secret="".join(chance.choices("abcXYZ09-_", k=43)))
    if kind == 4:
        return endpoint.request(resource=f"https://r{chance.randrange(10**6)}.example")
    if kind == 5:
        return endpoint.request(client_id=str(chance.random()))
    if kind == 6:
        return endpoint.request(secret=None).replace(
            b"\r\n\r\n", b"\r\nX: " + b"y" * chance.randrange(20000) + b"\r\n\r\n"
        )
    request = bytearray(endpoint.request(secret=None))
    for _ in range(chance.randrange(1, 6)):
        request[chance.randrange(len(request))] = chance.randrange(256)
    return bytes(request) + b"\r\n\r\n"


def test_ten_thousand_odd_requests_are_refused_and_leave_nothing(signed_in: Az) -> None:
    chance = random.Random(17)
    with serving(signed_in) as endpoint:
        token = endpoint.ask().json["access_token"]
        process = psutil.Process(endpoint.process.pid)

        def send(request: bytes) -> bytes:
            return endpoint.send(request)

        with ThreadPoolExecutor(8) as pool:
            for number in range(10):
                requests = [_odd_request(chance, endpoint) for _ in range(1000)]
                for answer in pool.map(send, requests):
                    assert not answer.startswith(b"HTTP/1.1 2")
                    assert token.encode() not in answer
                if number == 1:
                    before = process.memory_info().rss
        assert process.memory_info().rss - before < 8_000_000
        assert endpoint.ask().json["access_token"] == token
        stderr = endpoint.stop(signal.SIGINT).stderr
    assert token not in stderr
    assert re.search(r"\d+ more requests were not reported", stderr)
    assert not re.search("[^\\x20-\\x7e\n]", stderr)


def test_clients_that_say_nothing_block_nobody(endpoint: Endpoint) -> None:
    silent = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(450)]
    try:
        assert endpoint.ask().status == 200
    finally:
        for each in silent:
            each.close()


def test_they_leave_descriptors_for_the_endpoint(signed_in: Az, tmp_path: Path) -> None:
    # As on macOS.
    few = tmp_path / "az"
    few.write_text(f'#!/bin/sh\nulimit -n 256\nexec {signed_in.host.az} "$@"\n')
    few.chmod(0o700)
    az = replace(signed_in.real(), host=replace(signed_in.host, az=few))
    with serving(az) as endpoint, ExitStack() as silent:
        for _ in range(450):
            silent.enter_context(socket.create_connection(("127.0.0.1", endpoint.port)))
        assert endpoint.ask().status == 200
        # Connections that say nothing are closed after five seconds, which would be soon enough as well.
        assert psutil.Process(endpoint.process.pid).num_fds() < 200


# With a command


def test_the_command_has_the_variables_and_no_other_credential(signed_in: Az) -> None:
    others = {
        "MSI_ENDPOINT": "x", "MSI_SECRET": "x", "IMDS_ENDPOINT": "x", "IDENTITY_SERVER_THUMBPRINT": "x",
        "AZURE_CLIENT_ID": "x", "AZURE_TENANT_ID": "x", "AZURE_CLIENT_SECRET": "x", "AZURE_FEDERATED_TOKEN_FILE": "x",
        "IDENTITY_ENDPOINT": "x", "IDENTITY_HEADER": "x",
    }  # fmt: skip
    done = signed_in.run(*SERVE, "--", *PYTHON, _PRINT, env={**others, "KEPT": "yes", "NO_PROXY": "contoso.com"}).ok()
    environ = done.json()
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/msi/token", environ["IDENTITY_ENDPOINT"])
    assert len(environ["IDENTITY_HEADER"]) >= 40
    assert not {*others} - {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"} & environ.keys()
    assert environ["KEPT"] == "yes"
    # A proxy would get the secret.
    assert environ["NO_PROXY"] == environ["no_proxy"] == "contoso.com,127.0.0.1"
    assert environ["IDENTITY_HEADER"] not in done.stderr


def test_each_list_of_proxy_exceptions_stays(signed_in: Az) -> None:
    lists = {"no_proxy": "a.example", "NO_PROXY": "b.example,127.0.0.1"}
    environ = signed_in.run(*SERVE, "--", *PYTHON, _PRINT, env={**lists, "HTTP_PROXY": "http://c.example"}).ok().json()
    assert (environ["no_proxy"], environ["NO_PROXY"]) == ("a.example,127.0.0.1", "b.example,127.0.0.1")


def test_the_secret_differs_in_each_run(signed_in: Az) -> None:
    secrets = {signed_in.run(*SERVE, "--", *PYTHON, _PRINT).ok().json()["IDENTITY_HEADER"] for _ in range(3)}
    assert len(secrets) == 3


@pytest.mark.parametrize("code", [0, 1, 42])
def test_the_exit_code_is_that_of_the_command(signed_in: Az, code: int) -> None:
    done = signed_in.run(*SERVE, "--", "/bin/sh", "-c", f"echo out; exit {code}")
    assert (done.exit_code, done.stdout) == (code, "out\n")


def test_a_command_that_cannot_run_has_the_exit_codes_of_shells(signed_in: Az) -> None:
    assert "'no-such-program' was not found" in signed_in.run(*SERVE, "--", "no-such-program").failed(127).stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_signals_are_passed_on_and_the_endpoint_ends_with_the_command(signed_in: Az, name: str) -> None:
    number = signal.Signals[name]
    program = (
        "import os, signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(7))\n"
        "print(os.environ['IDENTITY_ENDPOINT'], flush=True)\n"
        "signal.pause()"
    )
    process = signed_in.start(*SERVE, "--", *PYTHON, program)
    assert process.stdout
    port = int(process.stdout.readline().rpartition(":")[2].partition("/")[0])
    assert any(each.laddr.port == port for each in psutil.Process(process.pid).net_connections("tcp"))
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 7


def test_the_commands_words_are_its_own(signed_in: Az) -> None:
    words = ["--port", "x", "--debug", "-h", "@missing"]
    print_words = "import json, sys; print(json.dumps(sys.argv[1:]))"
    assert signed_in.run(*SERVE, "--", *PYTHON, print_words, *words).ok().json() == words
    assert "sh -c" in signed_in.run(*SERVE, "--", "cat", "@-", input="x").failed(2).stderr


def test_what_does_not_go_together_is_a_usage_error(signed_in: Az) -> None:
    assert "missing after --" in signed_in.run(*SERVE, "--").failed(2).stderr
    for words in (["job.py"], ["--port", "0", "python3", "job.py"], ["python3", "--", "job.py"]):
        assert "has to be written after --" in signed_in.run(*SERVE, *words).failed(2).stderr
    assert "unrecognized arguments: --prot" in signed_in.run(*SERVE, "--prot", "0").failed(2).stderr
    assert (
        "not applicable with --context" in signed_in.run(*SERVE, "--context", "a", "--username", "b").failed(2).stderr
    )
    for port in ("x", "-1", "65536", "1.5"):
        assert "is not a port" in signed_in.run(*SERVE, f"--port={port}").failed(2).stderr
    assert "is not an IP address" in signed_in.run(*SERVE, "--bind", "localhost").failed(2).stderr
    for resource in ("a b", "https://vault\x1b[2J", "/", "/.default"):
        assert "is not a resource" in signed_in.run(*SERVE, "--allow-resource", resource).failed(2).stderr
    signed_in.run(*SERVE, "--context", "missing").failed(3)
    assert "az login" in signed_in.with_env(AZURE_CONFIG_DIR=signed_in.config_dir / "empty").run(*SERVE).failed().stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe")
@pytest.mark.parametrize("is_command", [True, False])
def test_it_ends_although_nobody_reads_its_report(signed_in: Az, is_command: bool) -> None:
    asks = (
        "import os, socket, sys\n"
        "address = os.environ['IDENTITY_ENDPOINT'].split('/')[2].split(':')\n"
        "for _ in range(200):\n"
        "    with socket.create_connection(address) as sock:\n"
        "        sock.sendall(b'GET /msi/token?api-version=2019-08-01&resource=%s HTTP/1.1\\r\\nHost: %s\\r\\n'\n"
        "            b'X-IDENTITY-HEADER: %s\\r\\n\\r\\n' % (sys.argv[1].encode(), ':'.join(address).encode(),\n"
        "            os.environb[b'IDENTITY_HEADER']))\n"
        "        assert b' 200' in sock.recv(20)\n"
        "print('done', flush=True)"
    )
    reader, writer = os.pipe()
    # All but one of its 16 pages.
    os.write(writer, b"x" * 15 * 4096)
    command = ("--", *PYTHON, asks, VAULT) if is_command else ()
    az = [str(signed_in.host.az), *SERVE, *command]
    with subprocess.Popen(az, env=signed_in.environment(), stdout=subprocess.PIPE, stderr=writer, text=True) as process:
        os.close(writer)
        assert process.stdout
        if not is_command:
            lines = [process.stdout.readline().strip().partition("=") for _ in range(2)]
            variables = {name: value for name, _, value in lines}
            words = (*PYTHON, asks, VAULT)
            subprocess.run(words, env={**signed_in.environment(), **variables}, check=True, timeout=60)
            process.terminate()
        try:
            stdout, _ = process.communicate(timeout=60)
        finally:
            process.kill()
            os.close(reader)
    assert (stdout, process.returncode) == ("done\n" if is_command else "", 0)


# Without a command


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_command_a_signal_ends_it(signed_in: Az, number: signal.Signals) -> None:
    with serving(signed_in) as endpoint:
        assert endpoint.ask().status == 200
        done = endpoint.stop(number)
    assert done.exit_code == 0
    (line,) = [line for line in done.stderr.splitlines() if VAULT in line]
    assert f"{VAULT}: 200" in line
    assert f"({psutil.Process().pid})" in line
    assert f"serves tokens of '{ALICE}'" in done.stderr


def test_a_terminal_shows_no_secret_by_accident(signed_in: Az) -> None:
    terminal = signed_in.pty(*SERVE)
    terminal.expect("Nothing was started")
    terminal.wait()
    terminal = signed_in.pty(*SERVE, "--yes")
    terminal.expect("IDENTITY_HEADER=")
    terminal.sendintr()
    terminal.expect("stopped")
    terminal.wait()


def test_nothing_is_served_to_a_pipe_that_nobody_reads(signed_in: Az) -> None:
    process = signed_in.start(*SERVE)
    assert process.stdout
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr
    assert "Nothing is served" in process.stderr.read()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/comm")
def test_the_name_of_a_program_forges_no_line_of_the_report(signed_in: Az) -> None:
    program = (
        "import pathlib, socket, sys\n"
        "pathlib.Path('/proc/self/comm').write_bytes(b'x\\n\\x1b[2JForged')\n"
        "sock = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "sock.sendall(bytes.fromhex(sys.argv[2]))\n"
        "sock.recv(9)"
    )
    with serving(signed_in) as endpoint:
        words = (sys.executable, "-c", program, str(endpoint.port), endpoint.request(secret=None).hex())
        subprocess.run(words, check=True, timeout=60)
        lines = endpoint.stop(signal.SIGINT).stderr.splitlines()
    (line,) = [line for line in lines if "Forged" in line]
    assert re.search(r"refused: 401, x \S*Forged \([0-9]+\): ", line)
    assert line.isprintable()


def test_a_port_in_use_is_an_error(endpoint: Endpoint, signed_in: Az) -> None:
    assert "in use by another program" in signed_in.run(*SERVE, "--port", str(endpoint.port)).failed().stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="has one loopback address")
def test_an_address_is_bound_with_a_warning_and_the_names_of_containers(signed_in: Az) -> None:
    with serving(signed_in, "--bind", "127.0.0.2") as endpoint:
        assert endpoint.ask(address="127.0.0.2").status == 200
        with pytest.raises(ConnectionRefusedError):
            endpoint.ask(address="127.0.0.1")
        assert "unencrypted" not in endpoint.stop(signal.SIGINT).stderr
    with serving(signed_in, "--bind", "0.0.0.0") as endpoint:
        assert endpoint.host == f"host.docker.internal:{endpoint.port}"
        for host, status in (
            ("host.docker.internal", 200), ("host.containers.internal", 200), ("127.0.0.1", 200), ("127.0.0.2", 403),
            ("evil.example", 403), ("localhost", 403),
        ):  # fmt: skip
            assert endpoint.ask(host=f"{host}:{endpoint.port}").status == status, host
        assert endpoint.ask(secret=None).status == 401
        assert "unencrypted" in endpoint.stop(signal.SIGINT).stderr
    assert "cannot listen on 192.0.2.1" in signed_in.run(*SERVE, "--bind", "192.0.2.1").failed().stderr
