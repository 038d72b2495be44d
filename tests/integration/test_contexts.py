"""`az account context`: what the commands show, change and say, and who decides where they disagree."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.completion import complete
from tests.harness.hosts import Host
from tests.harness.screen import Screen
from tests.harness.sign_in import sign_in
from tests.harness.stage import CLOUD_NAME, CloudStage
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

CONTEXT, ACCOUNT, SUBSCRIPTION = "AZURE_LOGIN_CONTEXT", "AZURE_LOGIN_ACCOUNT", "AZURE_LOGIN_SUBSCRIPTION"
OTHER_CLOUD = "OtherCloud"
_SHARED, _DEVELOPMENT, _PRODUCTION, _MAIN = (
    "Shared Platform", "Contoso Development", "Contoso Production", "Fabrikam Main",
)  # fmt: skip
_KEYS = {
    "name", "cloud", "account", "accountType", "tenant", "tenantDomain", "subscription", "subscriptionName",
    "isSignedIn", "isActive", "reason", "origin",
}  # fmt: skip
_HOSTS = [pytest.param("newest"), pytest.param("oldest", marks=pytest.mark.oldest)]


def _context(az: Az, *words: str, cwd: Path | None = None) -> Any:
    """Run a command of contexts that succeeds, and return its JSON, if any."""
    done = az.run("account", "context", *words, cwd=cwd).ok()
    return done.json() if done.stdout.strip() else None


def _default_of(az: Az, cwd: Path | None = None) -> tuple[str, str]:
    row = az.run("account", "show", cwd=cwd).ok().json()
    return row["user"]["name"], row["name"]


def _prepare(az: Az, cloud: LocalCloud) -> None:
    """Sign alice and bob in; alice is active. Three contexts: production (alice), bob and shared (both bob)."""
    for name in (BOB, ALICE):
        sign_in(az, cloud, name).ok()
    az.run("account", "set", "--subscription", _DEVELOPMENT).ok()
    _context(az, "create", "--name", "production", "--subscription", _PRODUCTION)
    _context(az, "create", "--name", "bob", "--subscription", _MAIN, "--username", BOB)
    _context(az, "create", "-n", "shared", "-s", _SHARED, "--username", BOB)


@pytest.fixture(scope="module")
def _config(cloud_stage: CloudStage, newest: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("contexts") / "azure")
    _prepare(az, cloud_stage.cloud)
    return az.config_dir


@pytest.fixture
def three(_config: Path, az: Az) -> Az:
    """The newest `az` as `_prepare` leaves it."""
    shutil.copytree(_config, az.config_dir, dirs_exist_ok=True)
    return az


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working directory that is not the config directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder.resolve()


# Every command


@pytest.mark.parametrize("host", _HOSTS)
def test_a_context_from_its_creation_to_its_end(
    make_az: Callable[..., Az], cloud: LocalCloud, host: str, work: Path
) -> None:
    az = make_az(host=hosts.named(host))
    sign_in(az, cloud, BOB).ok()
    sign_in(az, cloud, ALICE).ok()
    az.run("account", "set", "--subscription", _DEVELOPMENT).ok()
    row = az.run("account", "show").ok().json()
    created = _context(az, "create", "--name", "Work")
    assert set(created) == _KEYS
    assert created == {
        "name": "Work",
        "cloud": CLOUD_NAME,
        "account": ALICE,
        "accountType": "user",
        "tenant": row["tenantId"],
        "tenantDomain": "contoso.example",
        "subscription": row["id"],
        "subscriptionName": _DEVELOPMENT,
        "isSignedIn": True,
        "isActive": True,
        "reason": "stored",
        "origin": None,
    }
    assert _context(az, "show", "--name", "wORK") == created
    changed = _context(az, "update", "--name", "work", "--subscription", _SHARED, "--username", BOB)
    assert (changed["name"], changed["account"], changed["subscriptionName"]) == ("Work", BOB, _SHARED)
    assert (changed["isActive"], changed["reason"]) == (False, None)
    assert _default_of(az) == (ALICE, _DEVELOPMENT)
    assert _default_of(az.with_env(**{CONTEXT: "work"})) == (BOB, _SHARED)
    assert _context(az, "use", "--name", "work") is None
    assert _default_of(az) == (BOB, _SHARED)
    renamed = _context(az, "rename", "--name", "work", "--new-name", "shared")
    assert (renamed["name"], renamed["reason"]) == ("shared", "stored")
    az.run("account", "set", "--subscription", _DEVELOPMENT).ok()
    assert _context(az, "pin", "--name", "SHARED", cwd=work) is None
    assert (work / ".azure-context").read_text() == "shared\n"
    assert _default_of(az, work) == (BOB, _SHARED)
    (shown,) = _context(az, "list", cwd=work)
    assert (shown["reason"], shown["origin"]) == ("directory", str(work / ".azure-context"))
    assert (az.config_dir / "login_contexts").read_text() == "shared\n"
    az.run("account", "context", "allow", "--revoke", cwd=work).ok()
    assert _default_of(az, work) == (ALICE, _DEVELOPMENT)
    az.run("account", "context", "allow", cwd=work).ok()
    assert _default_of(az, work) == (BOB, _SHARED)
    assert _context(az, "delete", "--name", "shared", "--yes") is None
    assert _context(az, "list") == []
    assert (az.config_dir / "login_contexts").read_text() == ""
    assert {user["user"]["name"] for user in az.profile()["subscriptions"]} == {ALICE, BOB}


def test_the_table_names_who_is_active_and_why_within_100_columns(three: Az, work: Path) -> None:
    _context(three, "pin", "--name", "shared", cwd=work)
    for env, cwd, expected in (
        ({}, None, {}),
        ({CONTEXT: "BOB"}, work, {"bob": "context"}),
        ({}, work, {"shared": "directory"}),
    ):
        table = three.with_env(**env).run("account", "context", "list", "--output", "table", cwd=cwd).ok().stdout
        title, _, *lines = table.splitlines()
        assert title.split() == ["Name", "Account", "Subscription", "Tenant", "Cloud", "Active"]
        assert max(map(len, table.splitlines())) <= 100
        found = {line.split()[0]: line[title.index("Active") :].strip() for line in lines}
        assert {name: why for name, why in found.items() if why} == expected
    one = three.run("account", "context", "show", "--name", "bob", "--output", "table").ok().stdout
    assert re.search(rf"^bob +{BOB} +{_MAIN} +fabrikam\.example +{CLOUD_NAME}", one, re.MULTILINE)


def test_nothing_that_others_named_reaches_the_terminal_unchecked(three: Az) -> None:
    profile = three.profile()
    hostile = "evil\x1b]0;x\x07\u202etxt\nline"
    for row in profile["subscriptions"]:
        row["name"] = hostile if row["name"] == _PRODUCTION else row["name"]
        row["tenantDefaultDomain"] = hostile
    stored = profile["azextLogin"]["contexts"]
    stored += [{**stored[0], "name": "a\x1b[31mb"}, {**stored[0], "cloud": hostile, "name": "cloud"}]
    three.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    listed = three.run("account", "context", "list", "--output", "table").ok()
    wrong = three.with_env(**{CONTEXT: hostile}).run("account", "context", "show").failed()
    for text in (listed.stdout, listed.stderr, wrong.stderr):
        assert not set("\x1b\x07\u202e") & set(text)
    assert len(listed.stdout.splitlines()) == 2 + 4
    assert (three.config_dir / "login_contexts").read_text() == "bob\ncloud\nproduction\nshared\n"


def test_show_tells_what_is_active_and_why(three: Az) -> None:
    for env, expected in (
        ({}, (None, ALICE, _DEVELOPMENT, "stored", None)),
        ({CONTEXT: "Bob"}, ("bob", BOB, _MAIN, "context", CONTEXT)),
        ({ACCOUNT: BOB, SUBSCRIPTION: _SHARED}, (None, BOB, _SHARED, "variable", f"{ACCOUNT} and {SUBSCRIPTION}")),
        ({CONTEXT: "bob", SUBSCRIPTION: _SHARED}, (None, BOB, _SHARED, "variable", SUBSCRIPTION)),
        ({CONTEXT: "bob", SUBSCRIPTION: _MAIN}, ("bob", BOB, _MAIN, "context", CONTEXT)),
        ({CONTEXT: "bob", ACCOUNT: ALICE}, (None, ALICE, _DEVELOPMENT, "variable", ACCOUNT)),
    ):
        az = three.with_env(**env)
        shown = _context(az, "show")
        assert set(shown) == _KEYS
        keys = ("name", "account", "subscriptionName", "reason", "origin")
        assert tuple(shown[key] for key in keys) == expected
        assert shown["isActive"]
        active = [each["name"] for each in _context(az, "list") if each["isActive"]]
        assert active == [name for name in expected[:1] if name]
    three.run("account", "set", "--subscription", _PRODUCTION).ok()
    assert _context(three, "show")["name"] == "production"


# What is refused


@pytest.mark.parametrize(
    "name", ["..", "CON", "nul.txt", "a/b", "x" * 65, "", " ", "-x", "ä", "a b", "a\x1b[31m", "a\n"]
)
def test_a_name_that_cannot_be_one_is_refused_and_nothing_changes(three: Az, name: str) -> None:
    before = three.profile_path.read_bytes()
    for command in (
        ("create", f"--name={name}"),
        ("rename", "--name", "bob", f"--new-name={name}"),
        ("show", f"--name={name}"),
        ("use", f"--name={name}"),
        ("pin", f"--name={name}"),
        ("delete", "--yes", f"--name={name}"),
    ):
        error = three.run("account", "context", *command).failed().stderr
        assert "cannot be the name of a context" in error or "is empty" in error or "is blank" in error
        assert "\x1b" not in error
    assert three.profile_path.read_bytes() == before
    assert not (three.config_dir / ".azure-context").exists()


def test_every_allowed_character_and_length_can_be_a_name(three: Az) -> None:
    for name in ("x" * 64, "_-.aZ09", "0", ".hidden", "console", "com10"):
        assert _context(three, "create", "--name", name)["name"] == name


def test_an_unknown_name_is_an_error_with_exit_code_3(three: Az) -> None:
    for command in (
        ("show",), ("use",), ("pin",), ("delete", "--yes"), ("update", "--username", BOB),
        ("rename", "--new-name", "a"),
    ):  # fmt: skip
        error = three.run("account", "context", *command, "--name", "nothing").failed(3).stderr
        assert "There is no context named 'nothing'." in error
        assert "az account context list" in error


def test_a_name_is_taken_whatever_its_case(three: Az) -> None:
    before = _context(three, "list")
    error = three.run("account", "context", "create", "--name", "BOB").failed().stderr
    assert "There is a context named 'bob' already" in error
    assert "az account context update --name bob" in error
    error = three.run("account", "context", "rename", "--name", "shared", "--new-name", "Bob").failed().stderr
    assert "There is a context named 'bob' already" in error
    assert _context(three, "list") == before
    assert _context(three, "rename", "--name", "bob", "--new-name", "BOB")["name"] == "BOB"


def test_what_is_not_unique_is_an_error_that_lists_the_values(three: Az) -> None:
    error = three.run("account", "context", "update", "--name", "production", "--username", BOB).failed().stderr
    assert f"Several subscriptions match account '{BOB}'" in error
    assert "Add --subscription" in error
    assert _MAIN in error
    error = three.run("account", "context", "create", "--name", "new", "--subscription", "nothing").failed().stderr
    assert "matches subscription 'nothing'" in error
    usage = three.run("account", "context", "update", "--name", "bob").failed(2).stderr
    assert "--subscription, --username or --tenant is required" in usage
    assert "--name" in three.run("account", "context", "use").failed(2).stderr
    # bob has what the context stands for, so his name is enough.
    _context(three, "update", "--name", "shared", "--username", ALICE)
    assert _context(three, "update", "--name", "shared", "--username", BOB)["subscriptionName"] == _SHARED


def test_deleting_a_context_that_does_not_exist_asks_nothing(three: Az) -> None:
    for name, code, said in (("nope", 3, "There is no context named 'nope'"), ("a/b", 1, "'a/b' cannot be the name")):
        refused = three.run("account", "context", "delete", "--name", name).failed(code)
        assert said in refused.stderr
        assert "--yes" not in refused.stderr


def test_deleting_needs_a_confirmation(three: Az) -> None:
    refused = three.run("account", "context", "delete", "--name", "bob").failed()
    assert "--yes" in refused.stderr
    for answer, said in (("n", "cancelled"), ("y", pexpect.EOF)):
        assert len(_context(three, "list")) == 3
        terminal = three.pty("account", "context", "delete", "--name", "bob")
        terminal.expect(re.escape("Delete the context 'bob'? (y/n)"))
        terminal.sendline(answer)
        terminal.expect(said)
        terminal.close()
    assert len(_context(three, "list")) == 2


# Who decides

_PRECEDENCE = [
    pytest.param({}, None, (), (ALICE, _DEVELOPMENT), id="stored"),
    pytest.param({}, "bob", (), (BOB, _MAIN), id="directory"),
    pytest.param({CONTEXT: "production"}, "bob", (), (ALICE, _PRODUCTION), id="context before directory"),
    pytest.param({CONTEXT: " "}, "bob", (), (BOB, _MAIN), id="blank variable"),
    pytest.param({CONTEXT: "bob", SUBSCRIPTION: _SHARED}, None, (), (BOB, _SHARED), id="subscription of its account"),
    pytest.param({SUBSCRIPTION: _DEVELOPMENT}, "bob", (), (ALICE, _DEVELOPMENT), id="subscription of another account"),
    pytest.param(
        {CONTEXT: "production", ACCOUNT: BOB, SUBSCRIPTION: _SHARED}, "bob", (), (BOB, _SHARED), id="another account"
    ),
    pytest.param({CONTEXT: "nothing", ACCOUNT: BOB, SUBSCRIPTION: _MAIN}, None, (), (BOB, _MAIN), id="account alone"),
    pytest.param({CONTEXT: "production", ACCOUNT: ALICE}, None, (), (ALICE, _PRODUCTION), id="its own account"),
    pytest.param({CONTEXT: "bob"}, None, ("--subscription", _SHARED), (BOB, _SHARED), id="option"),
    pytest.param({}, "bob", ("--subscription", _SHARED), (BOB, _SHARED), id="option in a directory"),
    pytest.param(
        {SUBSCRIPTION: _DEVELOPMENT, CONTEXT: "bob"},
        None,
        ("--subscription", _SHARED),
        (BOB, _SHARED),
        id="option first",
    ),
]


@pytest.mark.parametrize("env, pinned, options, expected", _PRECEDENCE)
def test_the_first_that_chooses_decides(
    three: Az,
    cloud: LocalCloud,
    work: Path,
    env: dict[str, str],
    pinned: str | None,
    options: tuple[str, ...],
    expected: tuple[str, str],
) -> None:
    below = work / "a" / "b"
    below.mkdir(parents=True)
    if pinned:
        _context(three, "pin", "--name", pinned, cwd=work)
    before = three.profile_path.read_bytes()
    az = three.with_env(**env)
    row = az.run("account", "show", *options, cwd=below).ok().json()
    assert (row["user"]["name"], row["name"]) == expected
    with _requests(cloud) as asked:
        az.run("group", "list", *options, cwd=below).ok()
    assert asked == {(expected[0], row["id"])}
    token = az.run("account", "get-access-token", *options, cwd=below).ok().json()
    assert token["subscription"] == row["id"]
    assert three.profile_path.read_bytes() == before


@contextmanager
def _requests(cloud: LocalCloud) -> Iterator[set[tuple[str, str]]]:
    """Yield a set that has the user and the subscription of each request for resource groups when the block ends."""
    asked: set[tuple[str, str]] = set()
    before = len(cloud.admin.requests())
    yield asked
    for request in cloud.admin.requests()[before:]:
        if request.path.lower().endswith("/resourcegroups"):
            asked.add((str(request.user), request.path.split("/")[2]))


def test_a_choice_that_is_not_stored_is_explained(three: Az, work: Path) -> None:
    _context(three, "pin", "--name", "shared", cwd=work)
    variable = three.with_env(**{CONTEXT: "bob"}).run("account", "show").ok().stderr
    assert f"The context 'bob' ({CONTEXT}) chose this subscription. The stored default is" in variable
    directory = three.run("account", "show", cwd=work).ok().stderr
    assert f"The context 'shared' ({work / '.azure-context'}) chose this subscription" in directory
    for said in (variable, directory):
        assert f"The stored default is '{_DEVELOPMENT}'" in said


# Mending what does not exist


def test_every_command_works_in_a_context_that_does_not_exist(three: Az, work: Path) -> None:
    az = three.with_env(**{CONTEXT: "nothing"})
    for broken in (("account", "show"), ("account", "context", "show"), ("group", "list")):
        error = az.run(*broken).failed().stderr
        assert f"{CONTEXT} is 'nothing', but there is no context of this name" in error
        assert "az account context create --name nothing" in error
    assert len(_context(az, "list")) == 3
    assert _context(az, "show", "--name", "bob")["name"] == "bob"
    _context(az, "update", "--name", "bob", "--subscription", _SHARED)
    _context(az, "rename", "--name", "bob", "--new-name", "rob")
    _context(az, "use", "--name", "production")
    _context(az, "pin", "--name", "rob", cwd=work)
    _context(az, "allow", cwd=work)
    _context(az, "delete", "--name", "rob", "--yes")
    created = _context(az, "create", "--name", "nothing")
    # It is the one that is active from now on.
    assert (created["account"], created["subscriptionName"], created["reason"]) == (ALICE, _PRODUCTION, "context")
    assert _default_of(az) == (ALICE, _PRODUCTION)


def test_every_command_works_where_the_file_is_refused(three: Az, work: Path) -> None:
    file = work / ".azure-context"
    for content, reason in (("bob\n", "it is not used before you allow it"), ("\x1b[31m\n", "is not used, because")):
        file.write_text(content)
        shown = three.run("account", "show", cwd=work).ok()
        assert reason in shown.stderr
        assert "\x1b" not in shown.stderr
        assert shown.json()["name"] == _DEVELOPMENT
        _context(three, "list", cwd=work)
        _context(three, "create", "--name", "new", cwd=work)
        _context(three, "use", "--name", "new", cwd=work)
        _context(three, "delete", "--name", "new", "--yes", cwd=work)
    refused = three.run("account", "context", "allow", cwd=work).failed().stderr
    assert "it does not consist of the name of a context" in refused
    _context(three, "pin", "--name", "bob", cwd=work)
    assert _default_of(three, work) == (BOB, _MAIN)


def test_what_is_allowed_is_one_directory_with_one_content(three: Az, work: Path) -> None:
    _context(three, "pin", "--name", "bob", cwd=work)
    elsewhere = work.parent / "elsewhere"
    shutil.copytree(work, elsewhere)
    assert _default_of(three, elsewhere) == (ALICE, _DEVELOPMENT)
    (work / ".azure-context").write_text("shared\n")
    assert _default_of(three, work) == (ALICE, _DEVELOPMENT)
    assert three.with_env(AZURE_LOGIN_DIRECTORY_CONTEXTS="off").run("account", "show", cwd=work).ok().stderr == ""


# What is said


def test_using_a_context_says_what_still_decides_here(three: Az, work: Path) -> None:
    said = three.with_env(**{CONTEXT: "bob"}).run("account", "context", "use", "--name", "production").ok().stderr
    assert f"{CONTEXT} chooses 'bob' here" in said
    assert "azctx production" in said
    _context(three, "pin", "--name", "bob", cwd=work)
    said = three.run("account", "context", "use", "--name", "production", cwd=work).ok().stderr
    assert f"{work / '.azure-context'} chooses 'bob' here" in said
    assert "az account context pin --name production" in said
    said = three.with_env(**{ACCOUNT: BOB}).run("account", "context", "use", "--name", "production").ok().stderr
    assert f"this shell follows {ACCOUNT}" in said
    for env in ({}, {CONTEXT: "production"}):
        assert three.with_env(**env).run("account", "context", "use", "--name", "production").ok().stderr == ""
    assert _default_of(three) == (ALICE, _PRODUCTION)


def test_setting_the_default_in_a_context_says_that_the_context_still_decides(three: Az) -> None:
    az = three.with_env(**{CONTEXT: "bob"})
    said = az.run("account", "set", "--subscription", _PRODUCTION).ok().stderr
    assert "the context 'bob' still decides here" in said
    assert "az account context update --name bob --subscription" in said
    assert _default_of(three) == (ALICE, _PRODUCTION)
    assert _default_of(az) == (BOB, _MAIN)
    for words in (("set", "--subscription", _PRODUCTION), ("context", "use", "--name", "production")):
        terminal = az.pty("account", *words, size=(40, 400))
        terminal.expect(pexpect.EOF)
        said = terminal.before or ""
        assert "here" in said
        assert "Active now" not in said
        terminal.close()


def test_setting_the_default_says_that_a_context_that_does_not_exist_still_decides(three: Az, work: Path) -> None:
    command = ("account", "set", "--subscription", _PRODUCTION)
    said = three.with_env(**{CONTEXT: "nothing"}).run(*command).ok().stderr
    assert f"{CONTEXT} still chooses the context 'nothing' here, which does not exist" in said
    assert f"unset {CONTEXT}" in said
    assert "context update" not in said
    _context(three, "pin", "--name", "bob", cwd=work)
    _context(three, "delete", "--name", "bob", "--yes")
    said = three.run(*command, cwd=work).ok().stderr
    assert f"{work / '.azure-context'} still chooses the context 'bob' here" in said
    assert "remove the file" in said
    assert _default_of(three) == (ALICE, _PRODUCTION)


def test_pinning_says_what_prevents_it(three: Az, work: Path) -> None:
    pin = ("account", "context", "pin", "--name", "bob")
    assert three.run(*pin, cwd=work).ok().stderr == ""
    for env, reason in (
        ({CONTEXT: "shared"}, f"{CONTEXT} still decides in this shell"),
        ({ACCOUNT: ALICE}, f"{ACCOUNT} still decides in this shell"),
        ({SUBSCRIPTION: _SHARED}, f"{SUBSCRIPTION} still decides in this shell"),
        ({"AZURE_LOGIN_DIRECTORY_CONTEXTS": "off"}, "login.directory_contexts is off"),
        ({"AZURE_LOGIN_EVERY_COMMAND": "off"}, "login.every_command is off"),
    ):
        for command in (pin, ("account", "context", "allow")):
            said = three.with_env(**env).run(*command, cwd=work).ok()
            assert reason in said.stderr
            if "shell" in reason:
                assert f"To follow the file, unset {next(iter(env))}." in said.stderr
            assert said.stdout == ""
    terminal = three.pty(*pin, cwd=work, size=(40, 400))
    terminal.expect("chooses the context 'bob' in its directory and below")
    terminal.close()


def test_deleting_and_renaming_say_what_still_has_the_name(three: Az, work: Path) -> None:
    _context(three, "pin", "--name", "bob", cwd=work)
    az = three.with_env(**{CONTEXT: "bob"})
    said = az.run("account", "context", "rename", "--name", "bob", "--new-name", "rob").ok().stderr
    assert f"{CONTEXT} is still 'bob' in this shell" in said
    assert f"still has the old name in {work}" in said
    assert "az account context pin --name rob" in said
    _context(three, "rename", "--name", "rob", "--new-name", "bob")
    said = az.run("account", "context", "delete", "--name", "bob", "--yes").ok().stderr
    assert f"{CONTEXT} is still 'bob' in this shell" in said
    assert f"still chooses 'bob' in {work}" in said
    # It is an error, not another account.
    error = three.run("account", "show", cwd=work).failed().stderr
    assert "contains 'bob', but there is no context of this name" in error
    assert three.run("account", "context", "delete", "--name", "shared", "--yes").ok().stderr == ""


def test_signing_in_to_another_account_says_that_the_context_still_decides(three: Az, cloud: LocalCloud) -> None:
    az = three.with_env(**{CONTEXT: "bob"})
    said = sign_in(az, cloud, ALICE).ok().stderr
    assert f"The sign-in of '{ALICE}' is stored, but {CONTEXT} still chooses the context 'bob' here" in said
    assert f"az account context create --name NAME --username {ALICE}" in said
    assert "still chooses" not in sign_in(az, cloud, BOB).ok().stderr
    assert "still chooses" not in sign_in(three, cloud, BOB).ok().stderr


# Signing out


def test_a_context_without_its_account_is_one_error_with_the_sign_in_to_run(three: Az, cloud: LocalCloud) -> None:
    said = three.run("logout", "--username", BOB).ok().stderr
    assert "bob, shared" in said
    assert "az account context delete --name NAME" in said
    tenant = _context(three, "show", "--name", "bob")["tenant"]
    az = three.with_env(**{CONTEXT: "bob"})
    for command in (("account", "show"), ("account", "get-access-token"), ("group", "list"), ("account", "renew")):
        error = az.run(*command).failed().stderr
        assert f"its account '{BOB}' is not signed in" in error
        assert f"az login --tenant {tenant}" in error
        assert ALICE not in error
    shown = az.run("account", "context", "show").ok()
    assert (shown.json()["isSignedIn"], shown.json()["isActive"], shown.json()["subscriptionName"]) == (
        False, True, None,
    )  # fmt: skip
    assert f"az login --tenant {tenant}" in shown.stderr
    assert "(not signed in)" in three.run("account", "context", "list", "--output", "table").ok().stdout
    used = three.run("account", "context", "use", "--name", "bob").failed().stderr
    assert f"az login --tenant {tenant}" in used
    assert _default_of(three) == (ALICE, _DEVELOPMENT)
    sign_in(az, cloud, BOB).ok()
    assert _default_of(az) == (BOB, _MAIN)


def test_a_context_whose_subscription_is_gone_is_one_error_unless_the_command_names_another(
    three: Az, cloud: LocalCloud
) -> None:
    profile = three.profile()
    (bob,) = [each for each in profile["azextLogin"]["contexts"] if each["name"] == "bob"]
    bob["subscription"] = "00000000-0000-0000-0000-000000000000"
    three.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    az = three.with_env(**{CONTEXT: "bob"})
    for command in (("account", "show"), ("group", "list")):
        error = az.run(*command).failed().stderr
        assert "does not have its subscription 00000000-0000-0000-0000-000000000000" in error
        assert "az account context update --name bob --subscription ID" in error
    assert "context update --name bob --subscription ID" in az.run("account", "context", "show").ok().stderr
    assert "(not listed)" in az.run("account", "context", "list", "--output", "table").ok().stdout
    assert az.run("account", "show", "--subscription", _SHARED).ok().json()["user"]["name"] == BOB
    with _requests(cloud) as asked:
        az.run("group", "list", "--subscription", _SHARED).ok()
    assert {user for user, _ in asked} == {BOB}
    _context(az, "update", "--name", "bob", "--subscription", _SHARED)
    assert _default_of(az) == (BOB, _SHARED)


def test_removing_all_accounts_keeps_the_contexts_and_says_so(three: Az) -> None:
    said = three.run("account", "clear").ok().stderr
    assert "3 contexts were kept" in said
    assert "az account context delete" in said
    assert [each["name"] for each in _context(three, "list")] == ["bob", "production", "shared"]
    assert not any(each["isSignedIn"] or each["isActive"] for each in _context(three, "list"))


@pytest.mark.parametrize("content", [None, b"{damaged"], ids=["older", "damaged"])
def test_removing_all_accounts_keeps_contexts_that_another_process_overwrote(
    three: Az, work: Path, content: bytes | None
) -> None:
    old = three.profile_path.read_bytes()
    _context(three, "create", "--name", "new")
    _context(three, "pin", "--name", "new", cwd=work)
    three.profile_path.write_bytes(old if content is None else content)
    three.run("account", "clear").ok()
    assert [each["name"] for each in _context(three, "list", cwd=work)] == ["bob", "new", "production", "shared"]
    assert "chooses the context 'new', but its account" in three.run("account", "show", cwd=work).failed().stderr
    assert ALICE not in (three.config_dir / "clouds.config").read_text()


# Another cloud


@pytest.fixture
def two_clouds(three: Az, cloud: LocalCloud) -> Az:
    """A second cloud, in which bob alone is signed in, with the context `there`. The first one is active."""
    file = three.config_dir / "clouds.config"
    text = file.read_text(encoding="utf-8")
    section = text[text.index(f"[{CLOUD_NAME}]") :]
    file.write_text(text + section.replace(CLOUD_NAME, OTHER_CLOUD), encoding="utf-8")
    there = three.with_env(AZURE_CLOUD_NAME=OTHER_CLOUD)
    sign_in(there, cloud, BOB).ok()
    _context(there, "create", "--name", "there", "--subscription", _MAIN)
    three.run("account", "set", "--subscription", _DEVELOPMENT).ok()
    return three


def test_using_a_context_of_another_cloud_switches_the_cloud_too(two_clouds: Az) -> None:
    used = two_clouds.run("account", "context", "use", "--name", "there").ok()
    assert f"Switched active cloud to '{OTHER_CLOUD}'." in used.stderr
    assert two_clouds.run("cloud", "show").ok().json()["name"] == OTHER_CLOUD
    assert _default_of(two_clouds) == (BOB, _MAIN)
    assert _context(two_clouds, "show")["name"] == "there"
    back = two_clouds.run("cloud", "set", "--name", CLOUD_NAME).ok()
    assert f"Active subscription switched to '{_DEVELOPMENT}" in back.stderr
    again = two_clouds.run("cloud", "set", "--name", OTHER_CLOUD).ok()
    assert f"Active subscription switched to '{_MAIN}" in again.stderr


def test_a_context_of_another_cloud_that_cannot_be_used_changes_nothing(two_clouds: Az) -> None:
    there = two_clouds.with_env(AZURE_CLOUD_NAME=OTHER_CLOUD)
    files = ("azureProfile.json", "clouds.config", "config")
    chosen = two_clouds.with_env(AZURE_CLOUD_NAME=CLOUD_NAME)
    before = [(two_clouds.config_dir / name).read_bytes() for name in files]
    assert "Unset AZURE_CLOUD_NAME" in chosen.run("account", "context", "use", "--name", "there").failed().stderr
    assert [(two_clouds.config_dir / name).read_bytes() for name in files] == before
    profile = two_clouds.profile()
    profile["azextLogin"]["contexts"][-1]["cloud"] = "Unregistered"
    for row in profile["subscriptions"]:
        if row["environmentName"] == OTHER_CLOUD:
            row["environmentName"] = "Unregistered"
    two_clouds.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    refused = two_clouds.run("account", "context", "use", "--name", "there").failed().stderr
    assert "'Unregistered', which is not registered" in refused
    assert two_clouds.run("cloud", "show").ok().json()["name"] == CLOUD_NAME
    assert _default_of(two_clouds) == (ALICE, _DEVELOPMENT)
    there.run("account", "show").failed()


def test_a_context_is_created_in_the_cloud_of_the_context_that_is_active(two_clouds: Az) -> None:
    az = two_clouds.with_env(**{CONTEXT: "there"})
    created = _context(az, "create", "--name", "copy")
    assert (created["cloud"], created["account"], created["subscriptionName"]) == (OTHER_CLOUD, BOB, _MAIN)
    changed = _context(az, "update", "--name", "production", "--subscription", _DEVELOPMENT)
    assert (changed["cloud"], changed["account"]) == (CLOUD_NAME, ALICE)
    assert _default_of(two_clouds) == (ALICE, _DEVELOPMENT)


# Other processes


def test_of_twenty_contexts_that_are_created_at_once_none_is_lost(three: Az) -> None:
    names = [f"context-{number:02}" for number in range(20)]
    running = [(name, three.start("account", "context", "create", "--name", name)) for name in names]
    for name, process in running:
        three.result(process, name, timeout=120).ok()
    expected = sorted([*names, "bob", "production", "shared"])
    assert (three.config_dir / "login_contexts").read_text().splitlines() == expected
    assert [each["name"] for each in _context(three, "list")] == expected


def test_a_process_that_writes_an_older_profile_back_loses_no_context(three: Az, work: Path) -> None:
    old = three.profile_path.read_bytes()
    _context(three, "create", "--name", "new", "--subscription", _SHARED, "--username", BOB)
    _context(three, "pin", "--name", "new", cwd=work)
    three.profile_path.write_bytes(old)
    for az, cwd in ((three.with_env(**{CONTEXT: "new"}), None), (three, work)):
        assert _default_of(az, cwd) == (BOB, _SHARED)
        three.profile_path.write_bytes(old)
    three.run("account", "set", "--subscription", _DEVELOPMENT).ok()
    assert "new" in [each["name"] for each in three.profile()["azextLogin"]["contexts"]]
    assert _default_of(three, work) == (BOB, _SHARED)


# The terminal


@pytest.mark.parametrize("env", [{}, {"TERM": "dumb"}], ids=["screen", "numbers"])
def test_without_a_name_the_user_chooses_from_a_list(three: Az, env: dict[str, str]) -> None:
    screen = Screen(three.pty("account", "context", "use", env=env, size=(30, 120)))
    if env:
        lines = screen.wait_for("Type a number")
        screen.press("1\r")
    else:
        lines = screen.wait_for("3 of 3")
        screen.press("bob")
        # The account of the other one matches too.
        screen.wait_for("2 of 3")
        screen.press("\r")
    shown = "\n".join(lines)
    assert "Select a context" in shown or "Context selection" in shown
    assert all(name in shown for name in ("production", "shared", _MAIN))
    assert screen.finish() == 0
    assert f"Active now: '{_MAIN}'" in screen.said
    assert _default_of(three) == (BOB, _MAIN)


def test_cancelling_the_list_changes_nothing(three: Az) -> None:
    screen = Screen(three.pty("account", "context", "use", size=(30, 120)))
    screen.wait_for("3 of 3")
    screen.press("\x1b")
    assert screen.finish() == 1
    assert "No context was chosen. Nothing was changed." in screen.said
    assert _default_of(three) == (ALICE, _DEVELOPMENT)


@pytest.mark.skipif(sys.platform == "win32", reason="the completion protocol needs file descriptor 8")
def test_tab_offers_the_names(three: Az, tmp_path: Path) -> None:
    for words in ("use --name", "delete --name", "pin -n", "run --context", "run --isolated --from"):
        offered = complete(three.with_env(**{CONTEXT: "nothing"}), f"az account context {words} ", tmp_path)
        assert offered == {"bob", "production", "shared"}
    offered = complete(three, "az account context create --name x --subscription ", tmp_path)
    assert any(_MAIN.split()[0] in word for word in offered)
