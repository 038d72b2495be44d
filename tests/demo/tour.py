"""The unattended demonstration: from an empty directory to a token and back, through a real browser."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

from tests.demo.setting import DemoError, Terminal, say, setting
from tests.harness.az import Result
from tests.harness.browser_user import BrowserUser
from tests.harness.environments import has_chromium
from tests.harness.http_user import HttpUser
from tests.harness.sign_in import DEVICE_PROMPT
from tests.localcloud import LocalCloud
from tests.users import ALICE

SUBSCRIPTION = "Contoso Development"


def tour() -> None:
    """Play it.

    Raises:
        DemoError: a command failed, or its output is not what it should be.
    """
    with setting() as (cloud, terminal):
        say(f"\n{ALICE} signs in.")
        if has_chromium():
            sign_in_with_browser(cloud, terminal)
        else:
            say("Chromium is not installed (apt-get install chromium chromium-driver). The sign-in uses a device code.")
            sign_in_with_device_code(cloud, terminal)
        terminal.run("account", "show", "--output", "table")
        terminal.run("account", "list", "--output", "table")
        switch_subscription(terminal)
        get_token(terminal)
        groups = terminal.run("group", "list", "--output", "table")
        expect(bool(groups.stdout.strip()), "there should be resource groups")
        terminal.run("logout")
        left = terminal.run("account", "list")
        expect(left.json() == [], "no account should be left after signing out")


def expect(true: bool, otherwise: str) -> None:
    """Stop unless `true`.

    Raises:
        DemoError: with the text of `otherwise`.
    """
    if not true:
        raise DemoError(otherwise)


def sign_in_with_browser(cloud: LocalCloud, terminal: Terminal) -> None:
    """`az login`, with a user of a headless Chromium."""
    password = cloud.directory.user(ALICE).password
    with (
        tempfile.TemporaryDirectory(prefix="login-demo-", ignore_cleanup_errors=True) as folder,
        BrowserUser(Path(folder, "user"), cloud.url, ALICE, password) as user,
    ):
        terminal.run("login", env={"BROWSER": user.browser})
        report = user.report()
    say(f"(In the browser, {ALICE} {', '.join(report.steps)}, and read: {report.title})")


def sign_in_with_device_code(cloud: LocalCloud, terminal: Terminal) -> None:
    """`az login --use-device-code`, with a user who answers the pages over HTTP."""
    words = ("login", "--use-device-code")
    terminal.type(*words)
    process = terminal.az.start(*words)
    assert process.stdin
    assert process.stderr
    process.stdin.close()
    said, prompt = "", None
    while not prompt and (line := process.stderr.readline()):
        terminal.show(line)
        said += line
        prompt = DEVICE_PROMPT.search(said)
    if prompt:
        password = cloud.directory.user(ALICE).password
        user = HttpUser(Path(cloud.ca_bundle), ALICE, password, user_code=prompt.group(2))
        page = user.visit(prompt.group(1))
        say(f"(In the browser, {ALICE} read: {page.text})")
    process.stdin = None  # closed already; communicate() would flush it
    stdout, stderr = process.communicate(timeout=120)
    terminal.show(stderr)
    terminal.show(stdout)
    terminal.require(Result(words, process.returncode, stdout, said + stderr, 0.0))


def switch_subscription(terminal: Terminal) -> None:
    """`az account set`, and what became of it."""
    terminal.run("account", "set", "--subscription", SUBSCRIPTION)
    shown = terminal.run("account", "show", "--query", "name", "--output", "tsv")
    expect(shown.stdout.strip() == SUBSCRIPTION, f"the active subscription should be {SUBSCRIPTION}")


def get_token(terminal: Terminal) -> None:
    """`az account get-access-token`, with the token cut short and its claims beside it."""
    words = ("account", "get-access-token")
    terminal.type(*words)
    result = terminal.az.run(*words)
    terminal.show(result.stderr)
    terminal.require(result)
    answer = result.json()
    token = answer["accessToken"]
    answer["accessToken"] = f"{token[:12]}... ({len(token)} characters)"
    terminal.show(json.dumps(answer, indent=2))
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    say(f"(The token is for {claims['aud']}, tenant {claims['tid']}, and {claims.get('upn', ALICE)}.)")
