"""Damaged and odd states of the token cache, of service principals' secrets, and of MSAL's HTTP cache."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.damage import (
    DEEP,
    ENTRIES,
    HTTP_CACHE,
    PRECIOUS,
    TOKENS,
    Change,
    Damage,
    before,
    dangling,
    directory,
    document,
    edited,
    missing,
    text,
    torn,
)
from tests.users import ALICE

_SIGN_IN_AGAIN = "!token, login, token"
_APP_SIGN_IN_AGAIN = "!app token, app login, app token"
_QUARANTINED = ("quarantined", "az login")


def _tokens(
    name: str, change: Change, steps: str = _SIGN_IN_AGAIN, *, says: tuple[str, ...] = (), keeps_rows: bool = True
) -> Damage:
    return Damage(TOKENS, name, change, steps, says, keeps_rows)


def _entries(
    name: str, change: Change, steps: str = _APP_SIGN_IN_AGAIN, *, says: tuple[str, ...] = (), keeps_rows: bool = True
) -> Damage:
    return Damage(ENTRIES, name, change, steps, says, keeps_rows)


def _each(section: str, edit: Callable[[dict[str, Any]], object]) -> Change:
    """Edit every entry of a section."""
    return edited(lambda content: [edit(entry) for entry in content[section].values()])


def _without(section: str, key: str) -> Change:
    return _each(section, lambda entry: entry.pop(key))


def _all_entries(section: str, value: Any) -> Change:
    """Replace every entry of a section by the same value."""
    return edited(lambda content: content.update({section: dict.fromkeys(content[section], value)}))


def _section(name: str, value: Any) -> Change:
    return edited(lambda content: content.update({name: value}))


def _sections(value: Any) -> Change:
    return edited(lambda content: content.update(dict.fromkeys(content, value)))


def _another_encoding(path: Path) -> None:
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))


TOKEN_CACHES = [
    _tokens("missing", missing),
    _tokens("empty", text("")),
    _tokens("a list", document([PRECIOUS])),
    _tokens("a string", document(PRECIOUS)),
    _tokens("torn in the middle", torn(0.5), says=_QUARANTINED),
    _tokens("no JSON, and a sign-in", text(PRECIOUS), "login, token", says=_QUARANTINED),
    _tokens("no JSON, and a sign-out", text(ALICE), "logout, list", keeps_rows=False),
    _tokens("no JSON, and everything cleared", text(ALICE), "clear, list", keeps_rows=False),
    _tokens("no JSON, and a token of a service principal", text(PRECIOUS), "app token, app group list"),
    _tokens("zero bytes", text(bytes(1000)), "!token", says=_QUARANTINED),
    _tokens("not text", text(b"\xff\xfe\xfa" + PRECIOUS.encode()), says=_QUARANTINED),
    _tokens("a byte order mark", before(b"\xef\xbb\xbf"), "!token, login", says=_QUARANTINED),
    _tokens("nested too deeply", text(DEEP), "!token, login", says=_QUARANTINED),
    _tokens("a number with too many digits", text('{"x": ' + "9" * 5000 + "}"), "!token", says=_QUARANTINED),
    _tokens("a directory", directory, "!token, !login, list"),
    _tokens("a link to nowhere", dangling),
    _tokens("sections are lists", _sections([PRECIOUS])),
    _tokens("an unknown section with a text", _section("Version", PRECIOUS), "token, login, token"),
    _tokens("an unknown section", _section("Later", {"a": {PRECIOUS: 1}}), "login, token"),
    _tokens("no accounts", edited(lambda content: content.pop("Account"))),
    _tokens("no access tokens", edited(lambda content: content.pop("AccessToken")), "token, other token"),
    _tokens("accounts are null", _all_entries("Account", None)),
    _tokens("accounts without a home", _without("Account", "home_account_id")),
    _tokens("access tokens without a secret", _without("AccessToken", "secret"), "token, login, token"),
    _tokens("access tokens without an expiry", _without("AccessToken", "expires_on"), "token"),
    _tokens("an expiry that is a text", _each("AccessToken", lambda entry: entry.update(expires_on="soon")), "token"),
    _tokens("refresh tokens without a secret", _without("RefreshToken", "secret"), "token, login, other token"),
    _tokens("refresh tokens are strings", _all_entries("RefreshToken", PRECIOUS), "token, login, other token"),
]


def _entry(**keys: Any) -> Change:
    """Set keys of every entry; `...` removes one."""

    def edit(content: Any) -> None:
        for entry in content:
            entry.update(keys)
            for key in [key for key, value in keys.items() if value is ...]:
                del entry[key]

    return edited(edit)


def _first(entry: Any) -> Change:
    """Insert an entry before the others."""
    return edited(lambda content: content.insert(0, entry))


SERVICE_PRINCIPALS = [
    _entries("missing", missing),
    _entries("empty", text(""), "!app token, app login"),
    _entries("an object", document({PRECIOUS: 1})),
    _entries("an empty list", document([]), "!app token"),
    _entries("torn", torn(0.5), says=("quarantined",)),
    _entries("zero bytes", text(bytes(100)), "app login", says=("quarantined",)),
    _entries("not text", text(b"\xff" + PRECIOUS.encode()), says=("quarantined",)),
    _entries("a byte order mark", before(b"\xef\xbb\xbf"), "!app token, app login", says=("quarantined",)),
    _entries("nested too deeply", text(DEEP), "!app token", says=("quarantined",)),
    _entries("no JSON, and the service principal signs out", text("x"), "app logout, show", keeps_rows=False),
    _entries("no JSON, and everything cleared", text("x"), "clear, list", keeps_rows=False),
    _entries("an entry is null", _first(None), "app token, app login, app logout", keeps_rows=False),
    _entries("an entry is a string", _first(PRECIOUS), "app login, app token"),
    _entries("no client ID", _entry(client_id=..., note=PRECIOUS)),
    _entries("a secret that is null", _entry(client_secret=None), "app login, app token"),
    _entries("unknown keys", _entry(note=PRECIOUS), "app token"),
]


def _http_cache(name: str, content: bytes, steps: str) -> Damage:
    return Damage(HTTP_CACHE, name, text(content), steps, keeps_rows="logout" not in steps)


# Everything in this file can be requested again. It only must not make a command fail.
HTTP_CACHES = [
    _http_cache("text", b"hello", "other token"),
    _http_cache("a list", pickle.dumps([1]), "login"),
    _http_cache("odd keys", pickle.dumps({"_index_": (1, {2: 3}), 2: 3}), "other token"),
    _http_cache("a class that is not there", b"cnowhere\nNothing\n)R.", "logout"),
]
