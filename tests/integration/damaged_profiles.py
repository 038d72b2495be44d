"""Damaged and odd states of azureProfile.json and of our copy of it with which the host starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.damage import (
    LAST_GOOD,
    PRECIOUS,
    PROFILE,
    Change,
    Damage,
    before,
    behind,
    directory,
    document,
    edited,
    missing,
    pipe,
    replaced,
    text,
    together,
    torn,
)
from tests.users import ALICE

_RESTORED = ("restored",)
_MOVED = ("1 row(s)", "azextLogin.unusable")


def _profile(
    name: str, change: Change, steps: str = "show, list", *, says: tuple[str, ...] = (), keeps_rows: bool = True
) -> Damage:
    return Damage(PROFILE, name, change, steps, says, keeps_rows)


def _last_good(name: str, change: Change, steps: str = "show, set", *, keeps_rows: bool = True) -> Damage:
    return Damage(LAST_GOOD, name, change, steps, keeps_rows=keeps_rows)


def _plus(row: Any) -> Change:
    """Insert a row before the others."""
    return edited(lambda content: content["subscriptions"].insert(0, row))


def _row(**keys: Any) -> dict[str, Any]:
    """Return one more row of alice, with a name that has to survive. `...` leaves a key out."""
    row = {
        "id": "00000000-0000-4000-8000-000000000001",
        "name": PRECIOUS,
        "state": "Enabled",
        "user": {"name": ALICE, "type": "user"},
        "isDefault": False,
        "tenantId": "00000000-0000-4000-8000-0000000000aa",
        "environmentName": "LocalCloud",
        **keys,
    }
    return {key: value for key, value in row.items() if value is not ...}


def _with(**keys: Any) -> Change:
    """Set top-level keys; `...` removes one."""

    def edit(content: Any) -> None:
        content.update(keys)
        for key in [key for key, value in keys.items() if value is ...]:
            del content[key]

    return edited(edit)


def _own(**keys: Any) -> Change:
    """Set values under our own key."""
    return edited(lambda content: content["azextLogin"].update(keys))


def _defaults(value: Any) -> Change:
    return edited(lambda content: [row.update(isDefault=value) for row in content["subscriptions"]])


def _twice(**keys: Any) -> Change:
    """Add the first row again, with other values."""
    return edited(lambda content: content["subscriptions"].append({**content["subscriptions"][0], **keys}))


def _upper_case(content: Any) -> None:
    row = content["subscriptions"][0]
    content["subscriptions"].append({**row, "id": row["id"].upper(), "isDefault": False})


def _older(content: Any) -> None:
    content["azextLogin"]["generation"] -= 1
    del content["subscriptions"][1:]


def _of_another_user(content: Any) -> None:
    for row in content["profile"]["subscriptions"]:
        row["user"]["name"] = "dora@nowhere.example"


PROFILES = [
    # The host replaces a file that is not JSON by {} before any extension is loaded.
    _profile("empty", text(""), says=_RESTORED),
    _profile("torn in the middle", torn(0.5), "set, list", says=_RESTORED),
    _profile("torn before the last bracket", torn(0.9999), "token", says=_RESTORED),
    _profile("zero bytes", text(bytes(4096)), "show", says=_RESTORED),
    _profile("two documents", behind(b'{"subscriptions": []}'), "show"),
    _profile("missing", missing),
    _profile("an empty object", document({}), says=_RESTORED),
    _profile("an empty object, and a sign-in", document({}), "login, list"),
    _profile("an empty object, and a sign-out", document({}), "logout, list", keeps_rows=False),
    _profile("an empty object, and everything cleared", document({}), "clear, list", keeps_rows=False),
    # The host starts with any other JSON, and most of its commands fail with a traceback.
    _profile("null", document(None), says=("quarantined", "restored")),
    _profile("a list", document([PRECIOUS]), "login, list", says=("quarantined", "restored")),
    _profile("a string", document(PRECIOUS), "show, set, group list"),
    _profile("a number, and everything cleared", document(4711.5), "clear, !show", keeps_rows=False),
    _profile("no subscriptions", _with(subscriptions=...), "show"),
    _profile("subscriptions are an object", _with(subscriptions={PRECIOUS: 1}), "show, set, group list"),
    _profile("subscriptions are a string", _with(subscriptions=PRECIOUS), "list, group list"),
    _profile("subscriptions are null", _with(subscriptions=None), "show"),
    _profile("subscriptions are empty, on purpose", _with(subscriptions=[]), "!show, login", keeps_rows=False),
    # Values that are not rows, and rows with missing parts: built-in commands fail on most of them.
    _profile("a row is null", _plus(None), "show, group list", says=_MOVED),
    _profile("a row is a string", _plus(PRECIOUS), "set, group list"),
    _profile("a row is empty", _plus({}), "list, group list"),
    _profile("a row without an ID", _plus(_row(id=...)), "show, group list"),
    _profile("a row with a number as its ID", _plus(_row(id=1)), "set, group list"),
    _profile("a name is null", _plus(_row(name=None, note=PRECIOUS)), "list, group list", says=_MOVED),
    _profile("a row without a user", _plus(_row(user=...)), "list, group list"),
    _profile("a row without a tenant", _plus(_row(tenantId=...)), "show, set, group list"),
    _profile("the default has no tenant", _plus(_row(tenantId=..., isDefault=True)), "show, set, token"),
    _profile("a row without a cloud", _plus(_row(environmentName=...)), "set, group list"),
    _profile("a row without isDefault", _plus(_row(isDefault=...)), "list, set, show"),
    _profile("a row of an unknown cloud", _plus(_row(environmentName="Nowhere")), "list, login"),
    _profile(
        "the default is of an unknown cloud", _plus(_row(environmentName="No", isDefault=True)), "set, group list"
    ),
    _profile("two defaults", _plus(_row(isDefault=True)), "list, set", says=("one was kept. Active now",)),
    _profile("every default is a string", _defaults("false"), "show, set, list"),
    _profile("no default", _defaults(False), "!show, set, show"),
    _profile("a row twice", _twice(), "show, set, group list"),
    _profile("a row twice, in upper case", edited(_upper_case), "set, group list"),
    _profile("unknown keys", _with(x={PRECIOUS: [None, 1.5]}), "set"),
    _profile("unknown keys in a row", _plus(_row(colour={"deep": [1]})), "login"),
    _profile("a very long row", _plus(_row(note="ü" * 1_000_000)), "list, set"),
    _profile("half a surrogate pair", _plus(_row(note="\ud800")), "set"),
    _profile("a byte order mark", before(b"\xef\xbb\xbf"), "show, set"),
    _profile("Windows line ends", replaced(", ", ",\r\n\t"), "show, set"),
    # Our own key
    _profile("our key is null", _with(azextLogin=None), "show, set"),
    _profile("our key is missing", _with(azextLogin=...), "set"),
    _profile("a generation that is a string", _own(generation="3"), "set"),
    _profile("a huge generation", _own(generation=10**40), "set, list, set"),
    _profile("a newer generation", _own(generation=4711), "set, show"),
    _profile("an older generation with rows missing", edited(_older), says=_RESTORED),
    _profile("other identities are a string", _own(otherIdentities="x"), "show, set"),
    _profile("other identities are damaged", _own(otherIdentities=[None, PRECIOUS, {}]), "list, set"),
    _profile("the previous choice is odd", _own(previous={"LocalCloud": [1, None], "x": {}}), "set, previous"),
    _profile("past choices are odd", _own(choices={"": None, "|": [], "a|b|c": {}}), "login, set"),
]


def _in_another_layout(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=2), encoding="utf-8")


_RESET = (PROFILE, document({}))
COPIES = [
    _last_good("missing", missing),
    _last_good("torn", torn(0.5)),
    _last_good("not text", text(b"\xff\xfe\x00"), "set"),
    _last_good("a newer one without a profile", text('{"generation": 4711, "profile": ')),
    _last_good("of a user who is not signed in", edited(_of_another_user), "list, set"),
    _last_good("a directory", directory, "show"),
    _last_good("a pipe", pipe),
    _last_good(
        "a pipe, and quarantined files", together(pipe, f"{PROFILE}.damaged-1", pipe), "logout", keeps_rows=False
    ),
    _last_good("a pipe, with the profile reset", together(pipe, *_RESET), "!show, login", keeps_rows=False),
    _last_good("missing, with the profile reset", together(missing, *_RESET), "!show, login", keeps_rows=False),
    _last_good(
        "in another layout, with the profile torn", together(_in_another_layout, PROFILE, torn(0.5)), "list, login"
    ),
    _last_good("torn, with the profile reset", together(torn(0.9), *_RESET), "!show, login", keeps_rows=False),
    _last_good(
        "of another user, with the profile reset",
        together(edited(_of_another_user), *_RESET),
        "!show",
        keeps_rows=False,
    ),
    _last_good(
        "a row is null, with the profile reset",
        together(edited(lambda content: content["profile"]["subscriptions"].append(None)), *_RESET),
        "show, group list",
    ),
]
