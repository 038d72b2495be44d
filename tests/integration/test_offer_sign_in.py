"""The offer to sign in on a terminal, where one of our commands failed because the user has to."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pexpect
import pytest

from tests.harness.az import Az
from tests.harness.contexts import CONTEXT, OTHER_CLOUD, stored_state
from tests.harness.http_user import HttpUser
from tests.harness.other_user import give_away, public_directory, require_superuser
from tests.harness.sign_in import DEVICE_PROMPT, sign_in
from tests.integration.documentation import bash, block
from tests.integration.token_cache_files import let_tokens_age
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, ERIN

TOKEN = ("account", "get-access-token")
QUESTION = "Sign in now? (y/N): "
_CTRL_C, _CTRL_D = "\x03", "\x04"
# A terminal that is wider than any line of these tests.
_WIDE = (60, 1000)
_REVOKED = "the stored sign-in of 'alice@contoso.example' has expired or was revoked"
_CHALLENGE = base64.b64encode(b'{"access_token":{"acrs":{"essential":true,"value":"c1"}}}').decode("ascii")
Terminal = Any


@pytest.fixture
def alice_here(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    """`az` with alice signed in."""
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    return az


@pytest.fixture
def revoked(alice_here: Az, own_cloud: LocalCloud) -> Az:
    """`az` with alice signed in, whose sign-in was revoked and whose tokens have expired."""
    own_cloud.admin.revoke(ALICE)
    let_tokens_age(alice_here, left=-1)
    return alice_here


@pytest.fixture
def answer(make_http_user: Callable[..., HttpUser], own_cloud: LocalCloud) -> Callable[..., None]:
    """Wait for a device code on a terminal, and enter it in a browser as a user."""

    def enter(terminal: Terminal, username: str = ALICE, *, cloud: LocalCloud = own_cloud) -> None:
        terminal.expect(DEVICE_PROMPT)
        assert isinstance(terminal.match, re.Match)
        url, code = terminal.match.groups()
        make_http_user(username, at=cloud, user_code=code).visit(url)

    return enter


def _open(az: Az, *args: str, env: dict[str, str] | None = None) -> Terminal:
    return az.pty(*args, env=env, size=_WIDE)


def _end(terminal: Terminal) -> tuple[int, str]:
    """Wait for the end of the command, and return its exit code and what it showed after the last match."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    shown = str(terminal.before).replace("\r\n", "\n")
    assert "Traceback" not in shown
    assert isinstance(terminal.exitstatus, int)
    return terminal.exitstatus, shown


def _sign_in_here(terminal: Terminal, answer: Callable[..., None], username: str = ALICE) -> None:
    terminal.expect_exact(QUESTION)
    terminal.sendline("y")
    answer(terminal, username)


def _result(shown: str) -> Any:
    return json.loads(shown[shown.index("{") :])


def _default(az: Az) -> tuple[str, str]:
    (row,) = [row for row in az.profile()["subscriptions"] if row["isDefault"]]
    return row["name"], row["user"]["name"]


# In the directory of another user


@pytest.mark.parametrize("is_theirs", [False, True])
def test_the_superuser_is_offered_no_sign_in_that_another_user_may_have_chosen(revoked: Az, is_theirs: bool) -> None:
    require_superuser()
    with public_directory() as folder:
        there = replace(revoked, config_dir=folder / "azure")
        revoked.config_dir.rename(there.config_dir)
        if is_theirs:
            give_away(there.config_dir)
        terminal = _open(there, *TOKEN)
        if not is_theirs:
            terminal.expect_exact(QUESTION)
            terminal.sendline("n")
        exit_code, shown = _end(terminal)
        assert exit_code == 1
        assert QUESTION not in shown


# With a terminal


def test_the_token_is_printed_after_the_sign_in(revoked: Az, answer: Callable[..., None]) -> None:
    listed = revoked.run("account", "list", "--all").ok().json()
    terminal = _open(revoked, *TOKEN)
    terminal.expect_exact(_REVOKED)
    _sign_in_here(terminal, answer)
    exit_code, shown = _end(terminal)
    assert exit_code == 0
    assert _result(shown)["tokenType"] == "Bearer"
    assert QUESTION not in shown
    assert revoked.run("account", "list", "--all").ok().json() == listed
    # And the next command has no question.
    revoked.run(*TOKEN).ok()


def test_only_the_result_is_on_standard_output(revoked: Az, answer: Callable[..., None]) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    ours, theirs = pty.openpty()
    terminal = pexpect.spawn(
        "/bin/sh",
        ["-c", f'exec "$0" account get-access-token >{os.ttyname(theirs)}', str(revoked.host.bin / "az")],
        env=revoked.environment({"TERM": "xterm"}),
        cwd=str(revoked.config_dir),
        encoding="utf-8",
        timeout=60,
        dimensions=_WIDE,
    )
    _sign_in_here(terminal, answer)
    assert _end(terminal)[0] == 0
    os.set_blocking(ours, False)
    printed = b""
    with suppress(BlockingIOError, OSError):
        while part := os.read(ours, 65536):
            printed += part
    assert json.loads(printed)["tokenType"] == "Bearer"
    os.close(theirs)
    os.close(ours)


def test_who_is_not_signed_in_at_all_can_sign_in(
    make_az: Callable[..., Az], own_cloud: LocalCloud, answer: Callable[..., None]
) -> None:
    az = make_az(cloud=own_cloud)
    terminal = _open(az, "account", "show")
    terminal.expect_exact("Please run 'az login' to setup account.")
    _sign_in_here(terminal, answer)
    exit_code, shown = _end(terminal)
    assert exit_code == 0
    assert "is the default subscription now, the first of" in shown
    assert _result(shown)["user"]["name"] == ALICE


@pytest.mark.parametrize(
    "command, expected",
    [
        (("account", "set", "--subscription", "Contoso Development"), "Active now: 'Contoso Development'"),
        (("account", "export-token", "--format", "header", "--yes"), "Authorization: Bearer "),
    ],
    ids=["set", "export-token"],
)
def test_a_command_continues_after_the_first_sign_in(
    make_az: Callable[..., Az],
    own_cloud: LocalCloud,
    answer: Callable[..., None],
    command: tuple[str, ...],
    expected: str,
) -> None:
    terminal = _open(make_az(cloud=own_cloud), *command)
    _sign_in_here(terminal, answer)
    exit_code, shown = _end(terminal)
    assert exit_code == 0, shown
    assert expected in shown


@pytest.mark.parametrize(
    "request_of, reason",
    [
        pytest.param(("--tenant", "woodgrove.example"), "asks for more than this sign-in", id="second factor"),
        pytest.param(("--resource", "https://needs-consent.localcloud.example"), "consent", id="consent"),
        pytest.param(("--claims-challenge", _CHALLENGE), "asks for more than this sign-in", id="claims challenge"),
    ],
)
def test_the_sign_in_provides_what_the_request_needs(
    alice_here: Az, answer: Callable[..., None], request_of: tuple[str, ...], reason: str
) -> None:
    """Tenant, scope and claims challenge are those of the request: without them, it would fail again."""
    before = _default(alice_here)
    terminal = _open(alice_here, *TOKEN, *request_of)
    terminal.expect(f"(?i){reason}")
    _sign_in_here(terminal, answer)
    exit_code, shown = _end(terminal)
    assert exit_code == 0, shown
    assert _result(shown)["tokenType"] == "Bearer"
    assert _default(alice_here) == before


def test_every_account_is_asked_again_after_the_sign_in(revoked: Az, answer: Callable[..., None]) -> None:
    before = _default(revoked)
    terminal = _open(revoked, "account", "list", "--refresh", "--query", "length(@)", "--output", "tsv")
    terminal.expect_exact("could not be refreshed")
    _sign_in_here(terminal, answer)
    exit_code, shown = _end(terminal)
    assert exit_code == 0
    assert "could not be refreshed" not in shown
    assert _default(revoked) == before


def test_tokens_are_renewed_after_the_sign_in(revoked: Az, answer: Callable[..., None]) -> None:
    terminal = _open(revoked, "account", "renew")
    terminal.expect_exact("could not be renewed")
    _sign_in_here(terminal, answer)
    exit_code, shown = _end(terminal)
    assert exit_code == 0
    assert _result(shown)["failed"] == []


def test_another_user_who_signs_in_changes_no_default_and_is_not_asked_again(
    revoked: Az, answer: Callable[..., None]
) -> None:
    before = _default(revoked)
    terminal = _open(revoked, *TOKEN)
    _sign_in_here(terminal, answer, ERIN)
    exit_code, shown = _end(terminal)
    assert exit_code == 1
    assert _REVOKED in shown
    assert QUESTION not in shown
    assert _default(revoked) == before
    assert ERIN in {row["user"]["name"] for row in revoked.profile()["subscriptions"]}


def test_a_sign_in_that_is_declined_is_the_error(
    revoked: Az, own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    before = revoked.profile_path.read_bytes()
    terminal = _open(revoked, *TOKEN)
    terminal.expect_exact(QUESTION)
    terminal.sendline("y")
    terminal.expect(DEVICE_PROMPT)
    url, code = terminal.match.groups()
    make_http_user(ALICE, at=own_cloud, user_code=code, cancel_at="accept").visit(url)
    exit_code, shown = _end(terminal)
    assert exit_code == 1
    assert "declined" in shown
    assert QUESTION not in shown
    assert revoked.profile_path.read_bytes() == before


def test_ctrl_c_during_the_sign_in_leaves_the_error_of_the_command(revoked: Az) -> None:
    terminal = _open(revoked, *TOKEN)
    terminal.expect_exact(QUESTION)
    terminal.sendline("y")
    terminal.expect(DEVICE_PROMPT)
    terminal.sendintr()
    exit_code, shown = _end(terminal)
    assert exit_code == 1
    assert _REVOKED in shown


def test_the_account_of_a_context_can_sign_in(
    contexts: Az, other_cloud: LocalCloud, answer: Callable[..., None]
) -> None:
    """In the cloud of the context, which is not the stored one."""
    az = contexts.with_env(**{CONTEXT: "other"})
    az.run("logout", "--username", BOB).ok()
    before = _default(az), stored_state(az).contexts
    terminal = _open(az, "account", "show")
    terminal.expect_exact("is not signed in to cloud")
    terminal.expect_exact(QUESTION)
    terminal.sendline("y")
    answer(terminal, BOB, cloud=other_cloud)
    exit_code, shown = _end(terminal)
    assert exit_code == 0, shown
    assert (_result(shown)["name"], _result(shown)["environmentName"]) == ("Shared Platform", OTHER_CLOUD)
    assert (_default(az), stored_state(az).contexts) == before


@pytest.mark.parametrize("command", [("account", "show"), TOKEN], ids=["show", "token"])
def test_the_account_of_a_variable_can_sign_in(
    revoked: Az, answer: Callable[..., None], command: tuple[str, ...]
) -> None:
    revoked.run("logout", "--username", ALICE).ok()
    terminal = _open(revoked.with_env(AZURE_LOGIN_ACCOUNT=ALICE), *command)
    terminal.expect_exact("but this account is not signed in")
    _sign_in_here(terminal, answer)
    exit_code, shown = _end(terminal)
    assert exit_code == 0, shown
    assert (_result(shown).get("user") or {"name": ALICE})["name"] == ALICE


def test_an_application_of_a_variable_is_not_asked(revoked: Az) -> None:
    terminal = _open(revoked.with_env(AZURE_LOGIN_ACCOUNT=CI_APP), "account", "show")
    exit_code, shown = _end(terminal)
    assert exit_code == 1
    assert QUESTION not in shown


# Declined


@pytest.mark.parametrize("typed", ["\r", "n\r", "no\r", "yesterday\r", _CTRL_C, _CTRL_D, "\xff\xfe\r"])
def test_anything_but_yes_leaves_the_error_of_the_command(revoked: Az, own_cloud: LocalCloud, typed: str) -> None:
    terminal = _open(revoked, *TOKEN)
    terminal.expect_exact(QUESTION)
    own_cloud.admin.clear_requests()
    terminal.send(typed)
    exit_code, shown = _end(terminal)
    assert exit_code == 1
    assert _REVOKED in shown
    assert "az login" in shown
    assert not own_cloud.admin.requests()


# Without a question


@pytest.mark.parametrize(
    "options, env",
    [
        pytest.param(("--only-show-errors",), {}, id="only errors"),
        pytest.param(("--output", "none"), {}, id="no output"),
        pytest.param((), {"AZURE_LOGIN_OFFER_SIGN_IN": "off"}, id="switched off"),
    ],
)
def test_who_wants_no_question_gets_none(revoked: Az, options: tuple[str, ...], env: dict[str, str]) -> None:
    exit_code, shown = _end(_open(revoked, *TOKEN, *options, env=env))
    assert exit_code == 1
    assert _REVOKED in shown
    assert QUESTION not in shown


def test_the_setting_switches_the_question_off(revoked: Az) -> None:
    bash(revoked, block("az config set login.offer_sign_in=off"))
    exit_code, shown = _end(_open(revoked, *TOKEN))
    assert exit_code == 1
    assert QUESTION not in shown


@pytest.mark.parametrize(
    "script",
    [
        pytest.param('"$0" account get-access-token </dev/null', id="no input"),
        pytest.param('x=$("$0" account get-access-token); code=$?; exit $code', id="captured result"),
        pytest.param('"$0" account get-access-token 2>errors', id="hidden errors"),
        pytest.param('set -m; "$0" account get-access-token & wait $!', id="job in the background"),
    ],
)
def test_a_command_that_no_user_waits_for_does_not_ask(revoked: Az, script: str) -> None:
    terminal = pexpect.spawn(
        "/bin/sh", ["-c", script, str(revoked.host.bin / "az")],
        env=revoked.environment({"TERM": "xterm"}),
        cwd=str(revoked.config_dir),
        encoding="utf-8",
        timeout=60,
        dimensions=_WIDE,
    )  # fmt: skip
    exit_code, shown = _end(terminal)
    assert exit_code == 1
    hidden = revoked.config_dir / "errors"
    shown += hidden.read_text(encoding="utf-8") if hidden.exists() else ""
    assert _REVOKED in shown
    assert QUESTION not in shown


def test_a_service_principal_is_not_asked(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    az = make_az(cloud=own_cloud)
    sign_in_with_secret = ("login", "--service-principal", "-u", own_cloud.directory.application("ci-app").app_id)
    tenant = own_cloud.directory.tenant("contoso.example").id
    az.run(*sign_in_with_secret, f"-p={CI_SECRET}", "--tenant", tenant).ok()
    (az.config_dir / "service_principal_entries.json").write_text("[]", encoding="utf-8")
    let_tokens_age(az, left=-1)
    exit_code, shown = _end(_open(az, *TOKEN))
    assert exit_code == 1
    assert "az login" in shown
    assert QUESTION not in shown


@pytest.mark.parametrize("command", [("account", "renew", "--watch"), ("account", "list"), ("logout",)])
def test_commands_that_do_not_wait_for_a_sign_in_do_not_ask(az: Az, command: tuple[str, ...]) -> None:
    _, shown = _end(_open(az, *command))
    assert "az login" in shown
    assert QUESTION not in shown
