"""Damaged and odd states of clouds.config and of our copy of it with which the host starts."""

from __future__ import annotations

from pathlib import Path

from tests.integration.damage import (
    CLOUDS,
    LAST_GOOD_CLOUDS,
    PRECIOUS,
    Change,
    Damage,
    before,
    behind,
    missing,
    pipe,
    replaced,
    text,
    together,
    torn,
)

_RESTORED = ("restored",)
_OPTION = "endpoint_active_directory = "
_SECTION = "[LocalCloud]\n"


def _clouds(name: str, change: Change, steps: str = "show", *, says: tuple[str, ...] = ()) -> Damage:
    return Damage(CLOUDS, name, change, steps, says)


def _copy(name: str, change: Change, steps: str = "set, show") -> Damage:
    return Damage(LAST_GOOD_CLOUDS, name, change, steps)


CONFIGS = [
    # The host deletes these, and makes AzureCloud the active cloud.
    _clouds("missing", missing, "show, set", says=_RESTORED),
    _clouds("without a section", text("subscription = 1\n"), "set, show", says=_RESTORED),
    _clouds("a byte order mark", before(b"\xef\xbb\xbf"), "token", says=_RESTORED),
    _clouds("an open bracket", text("[LocalCloud\n"), "login", says=_RESTORED),
    # For the host, these are files without clouds.
    _clouds("empty", text(""), "show, set", says=_RESTORED),
    _clouds("comments alone", text("# hello\n"), says=_RESTORED),
    # It cannot be detected that a part is missing. The host's own error names the file.
    _clouds("torn after the section", text(_SECTION), "!show", says=("clouds.config",)),
    _clouds("torn between two options", replaced("endpoint_active_directory = ", "x = "), "!show"),
    # These work, and must not be changed.
    _clouds("an unknown section", behind(f"\n[Nowhere]\nsubscription = {PRECIOUS}\n".encode()), "set, show"),
    _clouds("a percent sign", replaced(_SECTION, f"{_SECTION}note = 50% {PRECIOUS}\n"), "set, show"),
    _clouds("a doubled percent sign", replaced(_SECTION, f"{_SECTION}endpoint_x = %%20{PRECIOUS}\n"), "set, show"),
    _clouds("a percent sign as the subscription", replaced("subscription = ", "subscription = 50%\nx = "), "set, show"),
    _clouds("comments", before(b"# by hand\n"), "set, show"),
    _clouds("Windows line ends", replaced("\n", "\r\n"), "set, show"),
    _clouds("a section of defaults", behind(f"\n[DEFAULT]\nnote = {PRECIOUS}\n".encode()), "set, show"),
]


def _torn_in_a_line(path: Path) -> None:
    torn(0.5)(path)
    behind(b"\nendpoint")(path)


_GONE = (CLOUDS, missing)
COPIES = [
    _copy("missing", missing),
    _copy("torn", _torn_in_a_line),
    _copy("not text", text(b"\xff\xfe\x00")),
    _copy("a pipe", pipe),
    # The cloud is lost, and with it everything that was active in it.
    _copy("missing, like the original", together(missing, *_GONE), "!show, list"),
    _copy("torn, and the original missing", together(_torn_in_a_line, *_GONE), "!show, list"),
    _copy("not text, and the original missing", together(text(b"\xff\xfe"), *_GONE), "!show, list"),
    _copy("without a section, and the original missing", together(text("a = 1\n"), *_GONE), "!show, list"),
]
