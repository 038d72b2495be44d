"""What is in the pictures: commands, and what the user and the browser do until the terminal shows what is wanted.

A scene waits for names, numbers and the state of the terminal, not for messages: those may be reworded.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.harness.browser_user import AddressTaker
from tests.harness.http_user import HttpUser
from tests.harness.screen import Screen
from tests.localcloud import LocalCloud
from tests.localcloud.seed import FABRIKAM, TAILSPIN, UNICODE
from tests.users import ALICE

_UP, _END = "\x1b[A", "\x1b[F"


@dataclass(frozen=True)
class Studio:
    """Where a scene plays. `browser` keeps the address that `az` opens."""

    screen: Screen
    cloud: LocalCloud
    browser: AddressTaker

    def sign_in(self) -> None:
        """Answer the sign-in pages in the browser."""
        password = self.cloud.directory.user(ALICE).password
        HttpUser(Path(self.cloud.ca_bundle), ALICE, password).visit(self.browser.address())

    def wait_until_settled(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds and everything that was written before it did is on the screen."""
        read = -1

        def is_settled(lines: list[str]) -> bool:
            nonlocal read
            before, read = read, len(self.screen.said)
            return condition() and read == before

        self.screen.wait_for(is_settled)


@dataclass(frozen=True)
class Scene:
    """One picture.

    name: of the file, without its suffix.
    arguments: what `az` is called with.
    description: what is to be seen, for readers who do not see it.
    size: rows and columns of the terminal. The picture has as many rows as have text.
    play: does everything until the terminal shows what is wanted.
    shows_cursor: the terminal waits for the user there.
    """

    name: str
    arguments: tuple[str, ...]
    description: str
    size: tuple[int, int]
    play: Callable[[Studio], None]
    shows_cursor: bool = True


def _pick(studio: Studio) -> None:
    # Not every reader has a font for all of its characters.
    studio.cloud.admin.rename_subscription(UNICODE.id, "Entwicklung Zürich")
    studio.sign_in()
    studio.screen.wait_for(lambda lines: any(line.startswith(">* ") for line in lines))
    # The last but one: the list is in alphabetical order.
    studio.screen.press(_END, _UP)
    studio.screen.wait_for(lambda lines: any(line.startswith(">  Fabrikam Main ") for line in lines))


def _search(studio: Studio) -> None:
    waiting = (FABRIKAM, TAILSPIN)
    for tenant in waiting:
        # Cut short when the scene is over.
        studio.cloud.admin.fail_next(f"/{tenant.id}/.*token$", kind="hang", hang=600, count=None)
    studio.sign_in()
    names = ".*".join(tenant.name for tenant in waiting)
    # 2 of 4 tenants. The host ends the line with dots.
    studio.screen.wait_for(lambda lines: bool(re.search(rf"^ \S 2\D+4\D.*{names}.* \.\.$", "\n".join(lines), re.M)))


def _table(studio: Studio) -> None:
    admin = studio.cloud.admin
    # One row for each of the reasons: no answer, a second factor, nothing there.
    admin.fail_next(f"/{FABRIKAM.id}/.*token$", kind="malformed", count=None)
    studio.sign_in()
    exit_code = studio.screen.finish()
    assert exit_code == 0, f"exit code {exit_code}\n{studio.screen.said}"


def _come_back_with_https(studio: Studio) -> None:
    (redirect_uri,) = parse_qs(urlsplit(studio.browser.address()).query)["redirect_uri"]
    port = urlsplit(redirect_uri).port
    with socket.create_connection(("localhost", port or 0), timeout=60) as plain, suppress(OSError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    # The command turns the echo off for the paste, after it has explained everything.
    studio.wait_until_settled(lambda: not studio.screen.terminal.getecho())


SCENES = (
    Scene(
        "picker",
        ("login",),
        "A list of subscriptions with their tenants and IDs, a line to search in, and one subscription highlighted.",
        (16, 100),
        _pick,
    ),
    Scene(
        "search-progress",
        ("login",),
        "One line tells how many tenants have answered, how many subscriptions there are, and which tenants are still "
        "being asked.",
        (30, 100),
        _search,
        shows_cursor=False,
    ),
    Scene(
        "tenant-table",
        ("login", "--subscription", "Contoso Production", "--output", "none"),
        "After a sign-in, a table lists the tenants whose subscriptions could not be read, why, and the command to run "
        "for each.",
        (40, 140),
        _table,
        shows_cursor=False,
    ),
    Scene(
        "browser-hsts",
        ("login",),
        "The terminal explains why the browser cannot reach it (HSTS), how to fix that in Edge and Chrome, and which "
        "address to open instead.",
        (40, 100),
        _come_back_with_https,
    ),
)
