"""The list of subscriptions on a real terminal: 731 of them, in small windows, and where a terminal can do less."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.http_user import HttpUser
from tests.harness.screen import Screen
from tests.harness.stage import CLOUD_NAME
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB, ERIN

_COUNT = 731
_TENANTS = ("Contoso Ltd", "Fabrikam, Inc.", "東京商事株式会社", "Café Ünïcode")
_KINDS = ("Production", "Development", "sandbox 🚀", "開発環境", "Test")
_DEFAULT = 300
_ESCAPE, _ENTER, _CTRL_C, _CTRL_D, _CTRL_U = "\x1b", "\r", "\x03", "\x04", "\x15"
_HOME, _PAGE_DOWN = "\x1b[H", "\x1b[6~"
_COUNTED = f"{_COUNT} of {_COUNT}"
# ECMA-48, 8.3.117: 30 to 49 choose colours, 90 to 107 are bright ones.
_COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d|10[0-7])[;m]")
_NUMBER_PROMPT = "Type a number"
_HOSTS = [pytest.param("newest"), pytest.param("oldest", marks=pytest.mark.oldest)]


def _name(number: int) -> str:
    return f"{_KINDS[number % 5]} {number:04d}"


def _rows() -> list[dict[str, Any]]:
    return [
        {
            "id": f"{number:08d}-0000-4000-8000-{number:012d}",
            "name": _name(number),
            "state": "Enabled",
            "user": {"name": ALICE, "type": "user"},
            "isDefault": number == _DEFAULT,
            "tenantId": f"{number % 4:08d}-aaaa-4bbb-8ccc-000000000000",
            "environmentName": CLOUD_NAME,
            "homeTenantId": f"{0:08d}-aaaa-4bbb-8ccc-000000000000",
            "tenantDefaultDomain": f"tenant{number % 4}.example",
            "tenantDisplayName": _TENANTS[number % 4],
            "managedByTenants": [],
        }
        for number in range(_COUNT)
    ]


@pytest.fixture
def many(az: Az) -> Az:
    """The newest `az` with 731 subscriptions of four tenants, and without tokens."""
    return _with_rows(az)


def _with_rows(az: Az) -> Az:
    az.profile_path.write_text(json.dumps({"installationId": "x", "subscriptions": _rows()}), encoding="utf-8")
    return az


def _open(az: Az, *args: str, size: tuple[int, int] = (30, 120), env: dict[str, str] | None = None) -> Screen:
    return Screen(az.pty("account", "set", *args, size=size, env=env))


def _active(az: Az) -> str:
    (name,) = [row["name"] for row in az.profile()["subscriptions"] if row["isDefault"]]
    return str(name)


def _pointed_at(lines: list[str]) -> str:
    (line,) = [line for line in lines if line.startswith(">")]
    return line


@pytest.mark.parametrize("name", _HOSTS)
def test_the_current_default_is_marked_and_taken_with_enter(make_az: Callable[..., Az], name: str) -> None:
    many = _with_rows(make_az(host=hosts.named(name)))
    screen = _open(many)
    lines = screen.wait_for(_COUNTED)
    assert _pointed_at(lines).startswith(f">* {_name(_DEFAULT)} ")
    assert sum(_name(number) in "\n".join(lines) for number in range(_COUNT)) > 15
    screen.press(_ENTER)
    assert screen.finish() == 0
    assert _active(many) == _name(_DEFAULT)


def test_what_is_typed_is_searched_for_in_name_id_and_tenant(many: Az) -> None:
    screen = _open(many)
    screen.wait_for(_COUNTED)
    screen.press("東京 sand")
    lines = screen.wait_for("Search: 東京 sand ")
    found = [number for number in range(_COUNT) if number % 4 == 2 and number % 5 == 2]
    assert f"{len(found)} of {_COUNT}" in lines[2]
    screen.press(_CTRL_U, "TENANT1.example 0289")
    screen.wait_for(f"1 of {_COUNT}")
    screen.press(_CTRL_U, f"{289:08d}-0000")
    lines = screen.wait_for(f"Search: {289:08d}-0000")
    assert _name(289) in _pointed_at(lines)
    assert "Tenant Fabrikam, Inc., tenant1.example, 00000001-aaaa-4bbb-8ccc-000000000000" in lines
    screen.press(_ENTER)
    assert screen.finish() == 0
    assert "Active now: " + f"'{_name(289)}'" in screen.said
    assert _active(many) == _name(289)


def test_pages_and_home_move_through_the_list(many: Az) -> None:
    screen = _open(many)
    screen.wait_for(_COUNTED)
    screen.press(_HOME)
    screen.wait_for(f">  {_name(1)}")
    screen.press(_PAGE_DOWN, _PAGE_DOWN)
    development = sorted(_name(number) for number in range(_COUNT) if number % 5 == 1)
    page = sum(line[3:].startswith("Development") for line in screen.lines)
    screen.wait_for(f">  {development[2 * (page - 1)]}")
    screen.press(_ESCAPE)
    screen.finish()


@pytest.mark.parametrize("key", [_ESCAPE, _CTRL_D, _CTRL_C], ids=["Escape", "Ctrl-D", "Ctrl-C"])
def test_cancelling_changes_nothing_and_fails(many: Az, key: str) -> None:
    before = many.profile()["subscriptions"]
    screen = _open(many)
    screen.wait_for(_COUNTED)
    screen.press("0001")
    screen.wait_for(f">  {_name(1)}")
    screen.press(key)
    assert screen.finish() == 1
    if key != _CTRL_C:
        assert f"No subscription was chosen. '{_name(_DEFAULT)}' is still the active one." in screen.said
    assert many.profile()["subscriptions"] == before


@pytest.mark.parametrize("how", ["a key", "a signal"])
def test_the_terminal_is_the_shells_again_afterwards(many: Az, how: str) -> None:
    command = f"{many.host.az} account set; stty -a; echo done"
    shell = pexpect.spawn(
        "/bin/sh", ["-c", command], env={**many.environment({"TERM": "xterm"}), "PATH": "/usr/bin:/bin"},
        cwd=str(many.config_dir), encoding="utf-8", timeout=60, dimensions=(30, 120),
    )  # fmt: skip
    screen = Screen(shell)
    screen.wait_for(_COUNTED)
    if how == "a signal":
        (az,) = psutil.Process(shell.pid).children()
        az.terminate()
    else:
        screen.press(_ESCAPE)
    assert screen.finish() == 0
    modes = screen.said.rpartition("speed")[2]
    for mode in ("icanon", "echo", "isig", "icrnl", "ixon"):
        assert re.search(rf"(?<!-)\b{mode}\b", modes), f"{mode} is off"
    # DEC private modes: what was switched on is off again, the alternate screen and bracketed paste.
    for mode in ("1049", "2004"):
        assert re.findall(rf"\x1b\[\?{mode}([hl])", screen.said)[-1] == "l"


def test_a_window_of_ten_lines_of_forty_columns_is_enough_and_may_grow(many: Az) -> None:
    screen = _open(many, size=(10, 40))
    lines = screen.wait_for("Esc: cancel")
    assert _pointed_at(lines).startswith(f">* {_name(_DEFAULT)}")
    assert "Contoso Ltd" in _pointed_at(lines)
    assert f"ID {_DEFAULT:08d}-0000-4000-8000-{_DEFAULT:012d}" in lines
    screen.press("0123")
    screen.wait_for(f">  {_name(123)}")
    screen.resize(30, 120)
    lines = screen.wait_for("Subscription ID")
    assert _pointed_at(lines).endswith(f"{123:08d}-0000-4000-8000-{123:012d}")
    screen.resize(6, 20)
    lines = screen.wait_for(lambda shown: any(line.startswith(">") for line in shown) and "ID" not in "".join(shown))
    assert _pointed_at(lines).startswith(">  開発環境 0123"[:20])
    assert lines[0] == "Search: 0123"
    screen.press(_ENTER)
    assert screen.finish() == 0
    assert _active(many) == _name(123)


def test_columns_are_aligned_whatever_the_characters(many: Az) -> None:
    screen = _open(many, size=(40, 130))
    screen.wait_for(_COUNTED)
    screen.press("00")
    screen.wait_for("Search: 00 ")
    # The details of the one that is pointed at begin their line.
    columns = [column for column in screen.columns_of("[0-9a-f]{8}-0000-4000-8000") if column > 3]
    assert len(columns) > 25
    assert len(set(columns)) == 1
    assert len({column for column in screen.columns_of("|".join(map(re.escape, _TENANTS))) if column > 7}) == 1
    screen.press(_ESCAPE)
    screen.finish()


def test_nothing_in_a_name_is_obeyed_by_the_terminal(many: Az) -> None:
    rows = [{**row, "name": f"\x1b[31m\u202e{row['name']}\x9b2J\n"} for row in _rows()]
    many.profile_path.write_text(json.dumps({"installationId": "x", "subscriptions": rows}), encoding="utf-8")
    for env in ({"TERM": "xterm"}, {"TERM": "dumb"}):
        screen = _open(many, env=env)
        screen.wait_for("Type a number" if env["TERM"] == "dumb" else _COUNTED)
        assert "\x1b[31m" not in screen.said
        assert not set("\u202e\x9b") & set(screen.said)
        assert f"[31m{_name(_DEFAULT)}2J" in "\n".join(screen.lines)
        screen.press(_CTRL_C)
        screen.finish()


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}, {"AZURE_CORE_NO_COLOR": "yes"}], ids=str)
def test_the_list_has_no_colours(many: Az, env: dict[str, str]) -> None:
    screen = _open(many, env={"TERM": "xterm-256color", "COLORTERM": "truecolor", **env})
    screen.wait_for(_COUNTED)
    screen.press("0001")
    screen.wait_for(f">  {_name(1)}")
    assert "\x1b[0;7m" in screen.said
    assert not _COLOUR.search(screen.said)
    screen.press(_ESCAPE)
    screen.finish()


def test_keys_that_were_pressed_early_count_and_a_pasted_line_break_does_not(many: Az) -> None:
    screen = _open(many)
    screen.press("sandbox 0002")
    screen.wait_for(f">  {_name(2)}")
    screen.press(_CTRL_U, "\x1b[200~Production\r0005\n\x1b[201~")
    screen.wait_for(f">  {_name(5)}")
    screen.press(_ENTER)
    assert screen.finish() == 0
    assert _active(many) == _name(5)


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_can_do_no_more_is_asked_for_a_number(many: Az, term: str) -> None:
    terminal = many.pty("account", "set", env={"TERM": term})
    terminal.expect(r"\[(\d+)\] +Production 0005 ")
    assert isinstance(terminal.match, re.Match)
    number = terminal.match[1]
    terminal.expect_exact("Select a subscription and tenant (Type a number or Enter for no changes): ")
    assert f"subscription is '{_name(_DEFAULT)}'" in (terminal.before or "")
    terminal.sendline(number)
    terminal.expect(pexpect.EOF)
    assert _active(many) == _name(5)


def test_an_old_prompt_toolkit_is_named_and_a_number_asked_for(many: Az, tmp_path: Path) -> None:
    """The `interactive` extension brings version 1.0.18."""
    package = tmp_path / "prompt_toolkit"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '1.0.18'\n", encoding="utf-8")
    terminal = many.pty("account", "set", env={"PYTHONPATH": str(tmp_path)}, size=(40, 400))
    terminal.expect_exact("it needs prompt_toolkit 3, but prompt_toolkit 1.0.18 was loaded from ")
    terminal.expect_exact(str(package))
    terminal.expect_exact(_NUMBER_PROMPT)
    terminal.sendline("")
    terminal.expect(pexpect.EOF)
    assert _active(many) == _name(_DEFAULT)


@pytest.mark.parametrize("broken", ["missing", "old"])
def test_without_the_library_the_user_types_a_number(many: Az, tmp_path: Path, broken: str) -> None:
    extensions = tmp_path / "extensions"
    assert many.extension_dir
    shutil.copytree(many.extension_dir, extensions)
    library = extensions / "login" / "prompt_toolkit"
    shutil.rmtree(library)
    if broken == "old":
        # As another extension brings it: the package exists, but lacks much of what ours has.
        library.mkdir()
        (library / "__init__.py").write_text('__version__ = "1.0.15"\n', encoding="utf-8")
    terminal = replace(many, extension_dir=extensions).pty("account", "set")
    terminal.expect_exact(_NUMBER_PROMPT)
    terminal.sendline("")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_nothing_is_written_to_standard_output(many: Az) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    output, output_end = pty.openpty()
    window, window_end = pty.openpty()
    fcntl.ioctl(window_end, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    arguments = [str(many.host.az), "account", "set"]
    with subprocess.Popen(
        arguments,
        stdin=window_end,
        stdout=output_end,
        stderr=window_end,
        env=many.environment({"TERM": "xterm"}),
        cwd=many.config_dir,
    ) as az:
        shown = b""
        while az.poll() is None:
            if select.select([window], [], [], 0.1)[0]:
                shown += os.read(window, 65536)
            if b"Enter: choose" in shown:
                os.write(window, _ENTER.encode())
                shown = b""
    assert az.returncode == 0
    assert not select.select([output], [], [], 0)[0]
    for descriptor in (output, output_end, window, window_end):
        os.close(descriptor)


def test_the_list_is_on_standard_output_where_only_that_is_a_terminal(many: Az, tmp_path: Path) -> None:
    shell = pexpect.spawn(
        "/bin/sh", ["-c", f"exec {many.host.az} account set 2> {tmp_path / 'errors'}"],
        env=many.environment({"TERM": "xterm"}), cwd=str(many.config_dir), encoding="utf-8", dimensions=(30, 120),
    )  # fmt: skip
    screen = Screen(shell)
    screen.wait_for(_COUNTED)
    screen.press(_ENTER)
    assert screen.finish() == 0


@pytest.mark.parametrize("name", _HOSTS)
@pytest.mark.parametrize("arguments", [(), ("--username", "x"), ("--debu",), ("--no-such-option",)], ids=str)
def test_without_a_terminal_the_usage_error_is_the_built_in_one(
    make_az: Callable[..., Az], name: str, arguments: tuple[str, ...]
) -> None:
    def said(extension: bool) -> list[str]:
        result = make_az(host=hosts.named(name), extension=extension).run("account", "set", *arguments)
        assert result.exit_code == 2
        assert result.stdout.strip() in ("", "Examples from AI knowledge base:")
        return [line for line in result.stderr.splitlines() if line.startswith("ERROR")]

    assert said(extension=True) == said(extension=False)
    assert "the following arguments are required: " in said(extension=True)[0]


def test_help_says_that_it_can_be_left_out_on_a_terminal_and_is_required_elsewhere(az: Az) -> None:
    elsewhere = az.run("account", "set", "--help").ok().stdout
    assert re.search(r"--name --subscription -n -s \[Required\] : ", elsewhere)
    terminal = az.pty("account", "set", "--help")
    terminal.expect(pexpect.EOF)
    for shown in (elsewhere, terminal.before or ""):
        assert "On a terminal, leave it out" in shown
    assert "[Required]" not in (terminal.before or "")


def test_the_library_is_loaded_by_the_list_and_by_nothing_else(signed_in: Az, cloud: LocalCloud) -> None:
    timed = {"PYTHONPROFILEIMPORTTIME": "1"}
    bob = cloud.directory.user(BOB)
    for arguments in (
        ("account", "show"),
        ("account", "list"),
        ("account", "set", "--subscription", "Contoso Development"),
        ("login", "-u", bob.username, "-p", bob.password),
    ):
        loaded = signed_in.run(*arguments, env=timed).stderr
        assert "azext_login.usecases.session" in loaded
        assert "prompt_toolkit" not in loaded
        assert "_picker" not in loaded
    screen = _open(signed_in, env=timed)
    screen.wait_for("Esc: cancel")
    assert "prompt_toolkit" in screen.said
    screen.press(_ESCAPE)
    screen.finish()


def test_rows_of_several_accounts_say_whose_they_are(signed_in: Az, cloud: LocalCloud) -> None:
    bob = cloud.directory.user(BOB)
    signed_in.run("login", "-u", bob.username, "-p", bob.password).ok()
    screen = _open(signed_in, size=(40, 150))
    screen.wait_for("Esc: cancel")
    screen.press("shared platform alice")
    lines = screen.wait_for("Search: shared platform alice")
    assert ALICE in _pointed_at(lines)
    screen.press(_ENTER)
    assert screen.finish() == 0
    (active,) = [row for row in signed_in.profile()["subscriptions"] if row["isDefault"]]
    assert (active["name"], active["user"]["name"]) == ("Shared Platform", ALICE)

    screen = _open(signed_in, "--username", "BOB@fabrikam.example", size=(40, 150))
    lines = screen.wait_for("Esc: cancel")
    assert "alice" not in "\n".join(lines)
    screen.press("shared platform", _ENTER)
    assert screen.finish() == 0
    (active,) = [row for row in signed_in.profile()["subscriptions"] if row["isDefault"]]
    assert (active["name"], active["user"]["name"]) == ("Shared Platform", BOB)


def test_there_may_be_nothing_to_choose_from(signed_in: Az, az: Az) -> None:
    screen = _open(signed_in, "--username", "nobody@contoso.example")
    assert screen.finish() == 1
    assert "No subscription matches --username 'nobody@contoso.example'." in screen.said
    signed_in.run("account", "clear").ok()
    # Without the offer to sign in, which waits for an answer.
    screen = _open(signed_in.with_env(AZURE_LOGIN_OFFER_SIGN_IN="off"))
    assert screen.finish() == 1
    assert "Please run 'az login' to setup account." in screen.said


@pytest.mark.parametrize("term", ["xterm", "dumb"])
@pytest.mark.parametrize(
    "options",
    [
        ("--username", ERIN),
        ("--username", ALICE, "--tenant", "woodgrove.example"),
    ],
)
def test_one_subscription_is_set_without_a_question(signed_in: Az, options: tuple[str, ...], term: str) -> None:
    rows = signed_in.profile()
    erins = {**rows["subscriptions"][0], "user": {"name": ERIN, "type": "user"}, "isDefault": False}
    erins |= {"id": "11111111-0000-4000-8000-000000000000", "name": "Only One"}
    vault = {**erins, "user": {"name": ALICE, "type": "user"}, "tenantDefaultDomain": "woodgrove.example"}
    vault |= {"id": "22222222-0000-4000-8000-000000000000", "tenantId": "33333333-0000-4000-8000-000000000000"}
    rows["subscriptions"] += [erins, vault]
    signed_in.profile_path.write_text(json.dumps(rows), encoding="utf-8")
    terminal = signed_in.pty("account", "set", *options, env={"TERM": term})
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert "Active now: 'Only One'" in (terminal.before or "")
    assert _NUMBER_PROMPT not in (terminal.before or "")
    assert _active(signed_in) == "Only One"


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_sign_in_with_one_subscription_does_not_wait(
    az: Az, make_http_user: Callable[..., HttpUser], term: str
) -> None:
    screen = _sign_in(az.with_env(TERM=term), make_http_user, user=ERIN, output="json")
    assert screen.finish() == 0
    said = " ".join(screen.said.split())
    assert "Tenant: Contoso Subscription: Contoso Development (" in said
    assert "Esc: cancel" not in said
    assert _NUMBER_PROMPT not in said
    assert "cloudName" not in said
    assert _active(az) == "Contoso Development"


def test_a_name_of_two_subscriptions_opens_the_list_of_them(
    make_az: Callable[..., Az], own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    for name in ("Contoso Development", "Fabrikam Main"):
        own_cloud.admin.rename_subscription(name, "Same")
    az = make_az(cloud=own_cloud)
    screen = _sign_in(az, partial(make_http_user, at=own_cloud), options=("--subscription", "SAME"))
    screen.wait_for("2 of 2")
    screen.press("fabrikam", _ENTER)
    assert screen.finish() == 0
    (active,) = [row for row in az.profile()["subscriptions"] if row["isDefault"]]
    assert (active["name"], active["tenantDefaultDomain"]) == ("Same", "fabrikam.example")


def _sign_in(
    az: Az,
    make_http_user: Callable[..., HttpUser],
    size: tuple[int, int] = (30, 200),
    user: str = ALICE,
    output: str = "none",
    options: tuple[str, ...] = (),
) -> Screen:
    terminal = az.pty("login", "--no-browser", "-o", output, *options, size=size)
    terminal.expect(r"(https://localhost:\d+/(?:[^\s]|\r\n)*response_mode=query[^\s]*(?:\r\n[^\s]+)*)\s")
    assert isinstance(terminal.match, re.Match)
    make_http_user(user).visit(re.sub(r"\s", "", terminal.match[1]))
    return Screen(terminal)


def test_the_list_opens_after_a_sign_in(az: Az, make_http_user: Callable[..., HttpUser]) -> None:
    screen = _sign_in(az, make_http_user)
    lines = screen.wait_for("Esc: cancel")
    assert _pointed_at(lines).startswith(">* Contoso Production ")
    screen.press("fabrikam main")
    screen.wait_for(">  Fabrikam Main")
    screen.press(_ENTER)
    assert screen.finish() == 0
    assert "\r\nSubscription: Fabrikam Main (" in screen.said
    assert _active(az) == "Fabrikam Main"


def test_the_choice_after_a_sign_in_says_that_a_context_of_the_account_still_decides(
    contexts: Az, make_http_user: Callable[..., HttpUser]
) -> None:
    az = contexts.with_env(AZURE_LOGIN_CONTEXT="work")
    screen = _sign_in(az, make_http_user)
    screen.wait_for("Esc: cancel")
    screen.press("fabrikam main")
    screen.wait_for(">  Fabrikam Main")
    screen.press(_ENTER)
    assert screen.finish() == 0
    assert "the context 'work' still decides here" in screen.said
    assert _active(contexts) == "Fabrikam Main"
    assert az.run("account", "show").ok().json()["name"] == "Contoso Development"


@pytest.mark.parametrize(("key", "exit_code"), [(_ESCAPE, 0), (_CTRL_D, 0), (_CTRL_C, 1)], ids=str)
def test_cancelling_after_a_sign_in_keeps_it(
    az: Az, make_http_user: Callable[..., HttpUser], key: str, exit_code: int
) -> None:
    screen = _sign_in(az, make_http_user)
    screen.wait_for("Esc: cancel")
    screen.press("fabrikam main", key)
    assert screen.finish() == exit_code
    assert "The sign-in was kept, and the default subscription is 'Contoso Production' (" in screen.said
    assert _active(az) == "Contoso Production"
