"""A secret of any characters arrives as it is, on every way to `az login`; one on the command line is warned about."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.harness.az import Az
from tests.integration.secret_routes import ENTRIES, Canaries
from tests.integration.workloads import SERVICE_PRINCIPAL
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.localcloud.certificatemaker import MadeCertificate, make_certificate
from tests.users import BOB

_WORDS = (*SERVICE_PRINCIPAL, "--skip-subscription-discovery", "-o", "none")
_ENVIRONMENT = {"AZURE_CLIENT_ID": CI_APP, "AZURE_TENANT_ID": "contoso.example"}
_NAME = "there-is-a-file-of-this-name"
_OPTION, _SHORT, _STANDARD_INPUT = "--username=x y", "-p", "@-"
_ALL = "\"a\" 'b' `c` %41 %s {0} $HOME $(id) \\n C:\\ ~*?;&|<>!#=+/^ tab\t ü e\u0301 測試 ☃ 𝄞🔑  blanks at the end  "
_LONG = ("0123456789abcdef-_~.+/=é" * 200)[:4096]
_VALUES = {
    "like a long option": _OPTION,
    "like a short option": _SHORT,
    "like a dash": "-",
    "like a file": f"@{_NAME}",
    "like standard input": _STANDARD_INPUT,
    "like the rest of an option": "=value",
    "of all sorts of characters": _ALL,
    "of 4 kB": _LONG,
}


@pytest.fixture(scope="module")
def certificate() -> MadeCertificate:
    """A certificate of ci-app."""
    return make_certificate("ci-app")


@pytest.fixture(scope="module")
def own_secrets_cloud(certificate: MadeCertificate) -> Iterator[LocalCloud]:
    """A cloud for this module, whose secrets change."""
    with LocalCloud() as cloud:
        cloud.admin.add_certificate("ci-app", certificate.pem)
        yield cloud


@pytest.fixture
def given(tmp_path: Path, own_secrets_cloud: LocalCloud, certificate: MadeCertificate) -> Canaries:
    """A folder for files with secrets, and the cloud that gets to know them."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return Canaries(folder, own_secrets_cloud, certificate)


@pytest.fixture
def az_there(make_az: Callable[..., Az], own_secrets_cloud: LocalCloud) -> Az:
    """`az` in a directory with a file that a secret is named like."""
    az = make_az(cloud=own_secrets_cloud)
    for name in (_NAME, "-"):
        (az.config_dir / name).write_text("not the secret", encoding="utf-8")
    return az


def stored_secret(az: Az) -> str:
    """Return the client secret that a sign-in has stored."""
    (entry,) = json.loads((az.config_dir / ENTRIES).read_text(encoding="utf-8"))
    return str(entry["client_secret"])


@pytest.mark.parametrize("secret", _VALUES.values(), ids=_VALUES.keys())
def test_any_client_secret_can_follow_its_option_from_standard_input(
    az_there: Az, given: Canaries, secret: str
) -> None:
    given.only_secret(secret)
    az_there.run(*_WORDS, "-p", "@-", input=f"{secret}\n").ok()
    assert stored_secret(az_there) == secret


@pytest.mark.parametrize(
    ("option", "secret"), [("--password ", _OPTION), ("--pass=", _ALL)], ids=["two words", "one word"]
)
def test_any_client_secret_can_come_from_a_file_with_the_line_ends_of_any_system(
    az_there: Az, given: Canaries, option: str, secret: str
) -> None:
    given.only_secret(secret)
    source = given.file(f"{secret}\r\n")
    az_there.run(*_WORDS, *f"{option}@{source}".split()).ok()
    assert stored_secret(az_there) == secret


@pytest.mark.parametrize("secret", [_STANDARD_INPUT, _ALL], ids=["like standard input", "of all sorts of characters"])
def test_any_client_secret_can_come_from_standard_input_in_one_word(az_there: Az, given: Canaries, secret: str) -> None:
    given.only_secret(secret)
    az_there.run(*_WORDS, "-p=@-", input=f"{secret}\r\n").ok()
    assert stored_secret(az_there) == secret


def test_any_client_secret_can_come_from_the_environment(az_there: Az, given: Canaries) -> None:
    secret = f"--{_ALL}"
    given.only_secret(secret)
    az_there.run("login", "--from-env", "-o", "none", env={**_ENVIRONMENT, "AZURE_CLIENT_SECRET": secret}).ok()
    assert stored_secret(az_there) == secret


@pytest.mark.parametrize(
    "secret", [_OPTION, _ALL.replace("\t", "")], ids=["like an option", "of all sorts of characters"]
)
def test_any_client_secret_can_be_typed(az_there: Az, given: Canaries, secret: str) -> None:
    given.only_secret(secret)
    terminal = az_there.pty(*_WORDS)
    terminal.expect("Password: ")
    terminal.waitnoecho()
    terminal.sendline(secret)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0, terminal.before
    assert stored_secret(az_there) == secret


def test_a_secret_that_is_typed_in_another_encoding_is_refused(az_there: Az) -> None:
    terminal = az_there.pty(*_WORDS)
    terminal.expect("Password: ")
    terminal.waitnoecho()
    os.write(terminal.child_fd, b"p\xe4ss\n")
    terminal.expect("The password holds bytes that are not UTF-8.")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1, terminal.before


@pytest.mark.parametrize("keys", ["\x04", "\r"], ids=["Ctrl-D", "Enter"])
@pytest.mark.parametrize("who", ["user", "service principal", "certificate"])
def test_a_prompt_that_gets_nothing_ends_the_sign_in(az_there: Az, given: Canaries, who: str, keys: str) -> None:
    words = {
        "user": ("login", "-u", BOB),
        "service principal": _WORDS,
        "certificate": (*_WORDS, "--certificate", str(given.pfx("a passphrase"))),
    }[who]
    terminal = az_there.pty(*words)
    terminal.expect("Passphrase of the certificate: " if who == "certificate" else "Password: ")
    terminal.waitnoecho()
    terminal.send(keys)
    terminal.expect("Nothing was entered. Nothing was sent, and no stored account has changed.")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1, terminal.before
    assert not (az_there.config_dir / "service_principal_entries.json").exists()


@pytest.mark.parametrize(
    ("words", "password"),
    [(("--password", "@-"), _OPTION), (("-p=@-",), _ALL), (("--password=@-",), _LONG)],
    ids=["two words", "short option", "one word"],
)
def test_any_password_of_a_user_can_come_from_standard_input(
    az_there: Az, given: Canaries, words: tuple[str, ...], password: str
) -> None:
    given.password(password)
    az_there.run("login", "-u", BOB, *words, "-o", "none", input=f"{password}\n").ok()
    assert az_there.profile()["subscriptions"]


def test_any_password_of_a_user_can_come_from_the_environment(az_there: Az, given: Canaries) -> None:
    given.password(_ALL)
    az_there.run("login", "--from-env", "-o", "none", env={"AZURE_USERNAME": BOB, "AZURE_PASSWORD": _ALL}).ok()
    assert az_there.profile()["subscriptions"]


@pytest.mark.parametrize(
    ("words", "passphrase"),
    [(("-p", "@-"), _OPTION), (("--password=@-",), _ALL)],
    ids=["two words", "one word"],
)
def test_any_passphrase_can_come_from_standard_input(
    az_there: Az, given: Canaries, words: tuple[str, ...], passphrase: str
) -> None:
    certificate = ("--certificate", given.pfx(passphrase))
    az_there.run(*_WORDS, *certificate, *words, input=f"{passphrase}\n").ok()
    assert az_there.profile()["subscriptions"]


def test_any_passphrase_can_come_from_the_environment(az_there: Az, given: Canaries) -> None:
    env = {"AZURE_CLIENT_CERTIFICATE_PATH": str(given.pfx(_ALL)), "AZURE_CLIENT_CERTIFICATE_PASSWORD": _ALL}
    az_there.run("login", "--from-env", "-o", "none", env={**_ENVIRONMENT, **env}).ok()
    assert az_there.profile()["subscriptions"]


@pytest.mark.parametrize(
    "words",
    [("-p", "visible!secret"), ("-pvisible!secret",), ("-p=visible!secret",), ("--password", "visible!secret"),
     ("--password=visible!secret",), ("--pass=visible!secret",), ("--passw", "visible!secret")],
    ids=lambda words: " ".join(words).replace("visible!secret", "VALUE"),
)  # fmt: skip
def test_a_password_on_the_command_line_is_warned_about_without_repeating_it(az: Az, words: tuple[str, ...]) -> None:
    # Without a tenant: the warning is printed before anything is sent.
    result = az.run("login", "--service-principal", "-u", CI_APP, *words).failed()
    assert result.stderr.count("The password is on the command line") == 1
    assert "--password=@-" in result.stderr
    assert "visible!secret" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("words", "input"),
    [(("-p=@-",), "login"), (("-p", "@-"), "@-"), (("--password=@-",), CI_APP)],
    ids=["the command", "its own source", "the user name"],
)
def test_a_secret_from_standard_input_is_not_taken_for_another_word_of_the_command(
    az: Az, words: tuple[str, ...], input: str
) -> None:
    result = az.run("login", "--service-principal", "-u", CI_APP, *words, input=input).failed()
    assert "WARNING" not in result.stderr


@pytest.mark.parametrize("words", [("-p=@nowhere/of-this-name",), ("--password", "@.")], ids=["no file", "a directory"])
def test_a_file_that_cannot_be_read_is_not_silently_taken_for_a_password(az: Az, words: tuple[str, ...]) -> None:
    result = az.run("login", "--service-principal", "-u", CI_APP, *words).failed()
    assert result.stderr.count("there is no such file that can be read") == 1
    assert "The password is on the command line" not in result.stderr
    assert "of-this-name" not in result.stderr


def test_nothing_is_warned_about_where_only_errors_are_wanted(az: Az) -> None:
    words = ("login", "--service-principal", "-u", CI_APP, "-p", "visible!secret", "--only-show-errors")
    assert "The password is on the command line" not in az.run(*words).failed().stderr


def test_a_users_password_is_advised_against_in_the_built_ins_words(az: Az, stock_az: Az) -> None:
    notices = {one.run("login", "-u", BOB).failed().stderr.splitlines()[0] for one in (az, stock_az)}
    assert len(notices) == 1, notices


def test_a_password_on_the_command_line_still_works(az: Az) -> None:
    result = az.run(*_WORDS, f"-p={CI_SECRET}").ok()
    assert "The password is on the command line" in result.stderr
    assert CI_SECRET not in result.stderr
