"""A failed `az login` prints itself: every option of it, no secret, and in a form that az accepts."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from azext_login.cli.account_options import ListOptions, LogoutOptions, RenewOptions, SetOptions, ShowOptions
from azext_login.cli.context_options import (
    AllowContextOptions,
    CreateContextOptions,
    DeleteContextOptions,
    PinContextOptions,
    RenameContextOptions,
    ShowContextOptions,
    UpdateContextOptions,
    UseContextOptions,
)
from azext_login.cli.login_options import LoginOptions
from azext_login.cli.printed_command import printed_command
from azext_login.cli.status_options import StatusOptions
from azext_login.cli.token_options import ExportOptions, TokenOptions
from tests.harness.az import NOWHERE, Az
from tests.harness.browser_user import AddressTaker
from tests.harness.sign_in import sign_in
from tests.hostile_words import HOSTILE_WORDS
from tests.integration.workloads import PASSPHRASE, Certificates, write_pem
from tests.localcloud import CI_APP, READER_IDENTITY, LocalCloud
from tests.parity.options import ask
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


def test_tenants_without_subscriptions_are_kept_beside_a_subscription_that_was_named(az: Az, cloud: LocalCloud) -> None:
    options = ("--allow-no-subscriptions", "--subscription", "Contoso Production")
    signed_in = sign_in(az, cloud, ALICE, *options).ok()
    assert "no subscriptions" not in signed_in.stderr
    assert "az login --allow-no-subscriptions --tenant" in signed_in.stderr, "the subscription was found already"
    kept = [row["name"] for row in az.profile()["subscriptions"]]
    assert "N/A(tenant level account)" in kept


# Every printed command, against the host's parser


@dataclass(frozen=True)
class Row:
    """A command that fails, and the commands that its error prints, all without `az`."""

    given: tuple[str, ...]
    printed: tuple[tuple[str, ...], ...]
    env: Mapping[str, str | os.PathLike[str]] = field(default_factory=dict)


#: Options that say what a sign-in is for, with values that a shell or a parser could take for something else.
_PURPOSE = (
    *("--allow-no-subscriptions", "--subscription=-$(touch PWN)", "--scope", "it's", "two words"),
    *("--output", "none", "--query", "[?name=='שלום' || name=='`touch PWN`']"),
)
UNKNOWN = "00000000-0000-0000-0000-000000000001"
#: A shell gets no right-to-left override.
_LEFT_OUT = {"a\u202eb": "VALUE"}
#: Placeholders of the advice that the parser takes for no value.
_EXAMPLES = {"PORT": "8400"}


def _printed(error: str) -> list[list[str]]:
    """Return the words of the commands on lines of their own, without `az`."""
    return [shlex.split(line)[1:] for line in error.splitlines() if line.startswith(("az login", "az account"))]


def _check(az: Az, rows: Mapping[str, Row]) -> None:
    """Run each command, and compare what the host's parser makes of the printed commands and of the expected ones."""
    processes = {name: az.start(*row.given, env=row.env) for name, row in rows.items()}
    found = {name: _printed(az.result(processes[name], *row.given).failed().stderr) for name, row in rows.items()}
    assert {name: len(lines) for name, lines in found.items()} == {name: len(row.printed) for name, row in rows.items()}
    pairs = [
        (name, [_EXAMPLES.get(word, word) for word in line], [_LEFT_OUT.get(word, word) for word in expected])
        for name, row in rows.items()
        for line, expected in zip(found[name], row.printed, strict=True)
    ]
    answers = ask(az, {"ask": "values", "lines": [line for _, *both in pairs for line in both]})
    for index, (name, line, _) in enumerate(pairs):
        read, expected = answers[2 * index : 2 * index + 2]
        assert isinstance(read, dict), f"{name}: {line}: {read}"
        assert read == expected, f"{name}: {line}"


@pytest.fixture
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


def test_every_command_of_a_failed_sign_in_repeats_its_options(
    workload_az: Az, workload_cloud: LocalCloud, certificates: Certificates, tmp_path: Path, taken_port: str
) -> None:
    contoso = workload_cloud.directory.tenant("contoso.example").id
    protected = str(write_pem(tmp_path / "it's $(touch PWN).pem", certificates.registered, passphrase=PASSPHRASE))
    certificate = ("--certificate", protected, "--use-cert-sn-issuer")
    reader = ("login", "--identity", "--client-id", READER_IDENTITY, "--subscription", "x y", "-o", "none")
    browser = AddressTaker(tmp_path / "browser").browser
    imds, nowhere = workload_cloud.imds_environment(), {"AZURE_POD_IDENTITY_AUTHORITY_HOST": NOWHERE}
    principal = ("--service-principal", "--username", CI_APP)
    identity = ("login", "--identity", "--client-id", "x $(touch PWN)", *_PURPOSE)
    in_contoso = ("--tenant", contoso)
    _check(
        workload_az,
        {
            "port in use": Row(
                ("login", "--redirect-port", taken_port, *in_contoso, *_PURPOSE),
                (
                    ("login", "--redirect-port", "8400", *in_contoso, *_PURPOSE),
                    ("login", "--use-device-code", *in_contoso, *_PURPOSE),
                ),
                {"BROWSER": browser},
            ),
            "no such tenant": Row(
                ("login", "--use-device-code", "--tenant", "nowhere.example", *_PURPOSE),
                (("login", "--use-device-code", "--tenant", "TENANT", *_PURPOSE),),
            ),
            "no such tenant, by ID": Row(
                ("login", *principal, "--tenant", UNKNOWN, "-p=x", "--no-store-secret", *_PURPOSE),
                (("login", *principal, "--tenant", "TENANT", "--password=@-", "--no-store-secret", *_PURPOSE),),
            ),
            "many tenants": Row(
                ("login", "--use-device-code", "--tenant", "common", *_PURPOSE),
                (("login", "--use-device-code", *_PURPOSE),),
            ),
            "many tenants of a service principal": Row(
                ("login", *principal, "--tenant", "common", "-p=x", *_PURPOSE),
                (("login", *principal, "--tenant", "TENANT", "--password=@-", *_PURPOSE),),
            ),
            "no tenant": Row(
                ("login", *principal, "-p=x", *_PURPOSE),
                (("login", *principal, "--tenant", "TENANT", "--password=@-", *_PURPOSE),),
            ),
            "no password": Row(
                ("login", "--username", "a\u202eb", "--exclude-tenant", "x", "y", *_PURPOSE),
                (("login", "--username", "a\u202eb", "--password=@-", "--exclude-tenant", "x", "y", *_PURPOSE),),
            ),
            "wrong passphrase": Row(
                ("login", *principal, *in_contoso, *certificate, "-p=x", *_PURPOSE),
                (("login", *principal, *in_contoso, *certificate, "--password=@-", *_PURPOSE),),
            ),
            "no identity service": Row(identity, (("login", *_PURPOSE),), nowhere),
            "no identity service in a cluster": Row(
                identity, (("login", "--from-env", *_PURPOSE),), {**nowhere, "AZURE_FEDERATED_TOKEN_FILE": "x"}
            ),
            "an identity that is not assigned": Row(
                ("login", "--identity", "--resource-id", UNKNOWN, *_PURPOSE),
                (("login", "--identity", "--resource-id", UNKNOWN, *_PURPOSE),),
                imds,
            ),
            "no subscriptions": Row(reader, ((*reader, "--allow-no-subscriptions"),), imds),
        },
    )


def test_every_command_about_an_ambiguous_word_repeats_its_options(signed_in: Az) -> None:
    name, tenant_name = 'it\'s "$(touch PWN)"', "Our `tenant`"
    document = signed_in.profile()
    rows = document["subscriptions"][:2]
    rows[1]["tenantId"] = UNKNOWN
    for row in rows:
        row.update(name=name, tenantDisplayName=tenant_name)
    signed_in.profile_path.write_text(json.dumps(document), encoding="utf-8")
    output = ("--query", "[accessToken, 'x y']", "--output", "tsv")
    token = ("--claims-challenge", "e30=", "--force-refresh", "--min-validity")
    show, renew = ("account", "show", *output), ("account", "renew", "--watch", "-o", "none", "--username", ALICE)
    get = ("account", "get-access-token", "--resource", "$(touch PWN)", "--resource-type", "arm", *token)
    scopes = ("--scope", "it's", "$HOME")
    export = ("account", "export-token", "-f", "header", "--yes", *scopes, "--username", ALICE, *token, "90")
    select = ("account", "set", "--username", ALICE, "--tenant")
    ids, tenants = [str(row["id"]) for row in rows], [str(row["tenantId"]) for row in rows]
    _check(
        signed_in,
        {
            "show": Row((*show, "-n", name), tuple((*show, "--subscription", one) for one in ids)),
            "get-access-token": Row(
                (*get, "1h30m", *output, "--name", name),
                tuple((*get, "5400", *output, "--subscription", one) for one in ids),
            ),
            "export-token": Row(
                (*export, "-s", name),
                tuple((*export, "--subscription", one) for one in ids),
            ),
            "renew": Row((*renew, "--tenant", tenant_name), tuple((*renew, "--tenant", one) for one in tenants)),
            "set": Row(
                ("account", "set", "-n", name),
                tuple((*select, tenant, "--subscription", one) for one, tenant in zip(ids, tenants, strict=True)),
            ),
        },
    )


#: Values for options that do not take any text.
_VALUES = {
    "redirect_port": 8400,
    "check": "token",
    "app_client_id": "00000000-0000-0000-0000-000000000001",
    "federated_token_source": "github",
    "token_format": "header",
    "resource_type": "arm",
    "min_validity": 5400.0,
    "allow_host": ("git.contoso.com:8443", "*.contoso.com"),
}
_MANY = ("scopes", "exclude_tenants", "source_arguments")
_RECORDS: dict[str, type] = {
    "login": LoginOptions,
    "logout": LogoutOptions,
    "account list": ListOptions,
    "account show": ShowOptions,
    "account set": SetOptions,
    "account renew": RenewOptions,
    "account status": StatusOptions,
    "account get-access-token": TokenOptions,
    "account export-token": ExportOptions,
    "account context show": ShowContextOptions,
    "account context create": CreateContextOptions,
    "account context update": UpdateContextOptions,
    "account context rename": RenameContextOptions,
    "account context delete": DeleteContextOptions,
    "account context use": UseContextOptions,
    "account context allow": AllowContextOptions,
    "account context pin": PinContextOptions,
}


def _values_of(described: dataclasses.Field[Any]) -> list[Any]:
    if described.name in _VALUES:
        return [_VALUES[described.name]]
    if described.type in ("bool", "bool | None"):
        return [True]
    words = [word for word in HOSTILE_WORDS if word]
    return [("x", word) for word in words if not word.startswith("-")] if described.name in _MANY else words


def test_the_parser_of_the_host_reads_every_option_as_it_was_given(az: Az) -> None:
    config = SimpleNamespace(get=lambda *_, **__: None)
    no_output_options = SimpleNamespace(invocation=SimpleNamespace(data={}), config=config)
    expected, lines = [], []
    for name, record in _RECORDS.items():
        fields = dataclasses.fields(record)
        needed = {"token_format": "header"} if record is ExportOptions else {}
        needed |= {"subscription": "x"} if record is SetOptions else {}
        needed |= {"name": "x"} if record is UseContextOptions else {}
        needed |= {each.name: "x" for each in fields if each.default is dataclasses.MISSING and not needed}
        for described in fields:
            for value in _values_of(described):
                options = record(**{**needed, described.name: value})
                command = printed_command(SimpleNamespace(name=name, cli_ctx=no_output_options), options)
                lines.append(shlex.split(str(command))[1:])
                secret = {"password": "@-", "client_assertion": "@FILE", "access_token": "@-"}.get(described.name)
                read = "5400" if described.name == "min_validity" else secret or value
                expected.append((described.name, repr(list(read) if isinstance(read, tuple) else read)))
    answers = ask(az, {"ask": "values", "lines": lines})
    for line, (name, value), answer in zip(lines, expected, answers, strict=True):
        assert isinstance(answer, dict), f"{line}: {answer}"
        assert answer[name] == value, line
