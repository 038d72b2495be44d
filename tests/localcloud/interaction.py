"""One user at one browser: what was requested, how far the sign-in is, which accounts the browser knows."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from tests.localcloud.signin import SignIn


@dataclass(frozen=True)
class Asked:
    """What an application asked for, checked. `kind` is "authorize" or "device".

    `tenant` is the authority's path segment. The fields from `redirect_uri` on are empty for a device sign-in, except
    `device_code`.
    """

    kind: str
    tenant: str
    client_id: str
    scope: str
    claims: str | None = None
    prompt: str | None = None
    login_hint: str | None = None
    redirect_uri: str = ""
    response_mode: str = "query"
    state: str | None = None
    nonce: str | None = None
    challenge: str = ""
    client_info: bool = False
    device_code: str = ""


@dataclass
class Browser:
    """One browser, known by its cookie. `accounts` are the users who signed in with it; signed-out ones have None."""

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    accounts: dict[str, SignIn | None] = field(default_factory=dict)

    def signed_in(self) -> list[SignIn]:
        """The users who need not type a password again."""
        return [s for s in self.accounts.values() if s is not None]


@dataclass
class Interaction:
    """A sign-in under way. Progress is in the fields below `asked`."""

    asked: Asked
    browser_id: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    username: str | None = None
    sign_in: SignIn | None = None
    other_account: bool = False
    confirmed: bool = False
    consented: bool = False

    @property
    def mfa_code(self) -> str:
        """The six digits that an authenticator app would show for this sign-in."""
        return f"{int(hashlib.sha256(self.id.encode()).hexdigest(), 16) % 1_000_000:06}"

    def start(self, browser: Browser) -> None:
        """Use what the browser knows, as far as `prompt` and `login_hint` (OpenID Connect Core 3.1.2.1) allow."""
        hint, prompt, known = self.asked.login_hint, self.asked.prompt, browser.signed_in()
        if prompt == "select_account":
            return
        if hint:
            self.username = hint
            if prompt != "login":
                self.sign_in = next((s for s in known if s.username.lower() == hint.lower()), None)
        elif prompt not in ("login",) and len(known) == 1 and self.asked.kind == "authorize":
            self.username, self.sign_in = known[0].username, known[0]
        elif prompt == "login":
            self.other_account = True
