"""Takes the redirect address that somebody copied from the browser and pasted into the terminal.

This is the way out when the browser cannot reach the redirect receiver: another machine, a container, a
browser that insists on https. The address holds the authorization code, so no message of this module repeats
any part of it, and the terminal does not show it.
"""

from __future__ import annotations

import atexit
import contextlib
import re
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TextIO
from urllib.parse import urlsplit

from azext_login.auth.interactive.redirect_request import DuplicateParameterError, FormError, parse_form
from azext_login.system.signals import termination_as_exit
from azext_login.system.terminal.line_editor import LineEditor
from azext_login.system.terminal.raw_terminal import raw_terminal

_MAX_LENGTH = 64 * 1024
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_QUOTES = "\"'`<>\u00ab\u00bb\u2018\u2019\u201c\u201d"
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f\u200b-\u200f\u2060\ufeff]")
# An address holds no blanks; where there is a line break, a terminal or a mail program put it there.
_LINE_BREAK = re.compile(r"\s*[\r\n]\s*")
_BARE_QUERY = re.compile(r"[?#]?[A-Za-z_]+=")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
# Chrome and Safari leave the scheme away when they show an address, and people type what they see.
_NO_SCHEME = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]):[0-9]", re.IGNORECASE)


class PastedAddressError(ValueError):
    """The pasted text is not the address that was asked for. The message says why, and repeats nothing of
    it."""


def parse_pasted_address(text: str, *, redirect_uri: str) -> Mapping[str, str]:
    """The authority's answer in an address copied from the browser, or in its query alone.

    `redirect_uri` is the address that the authority was asked to redirect to, ``http://localhost:PORT``.
    Accepted are https (browsers upgrade), any name of the loopback interface, quotes and blanks around it,
    line breaks in it, and an answer in the fragment. Raises PastedAddressError.
    """
    if len(text) > _MAX_LENGTH:
        raise PastedAddressError("The pasted text is too long to be an address.")
    address = _INVISIBLE.sub("", _LINE_BREAK.sub("", text.strip())).strip(_QUOTES + " \t\u00a0")
    if not address:
        raise PastedAddressError(f"Nothing was pasted. {_wanted(redirect_uri)}")
    if _NO_SCHEME.match(address):
        address = "http://" + address
    if _SCHEME.match(address):
        parts = _answer_parts(address, redirect_uri)
    elif _BARE_QUERY.match(address):
        parts = [address.lstrip("?#").partition("#")[0]]
    else:
        raise PastedAddressError(f"This is not an address. {_wanted(redirect_uri)}")
    for part in parts:
        parameters = _decoded(part)
        if parameters.get("code") or parameters.get("error"):
            return _checked(parameters)
    raise PastedAddressError(f"This address holds no answer to the sign-in. {_wanted(redirect_uri)}")


def _answer_parts(address: str, redirect_uri: str) -> list[str]:
    """Query and fragment of an address of ours, in the order in which they are looked at."""
    expected = urlsplit(redirect_uri)
    found = None
    # The error quotes the address, so it must not become the context of ours.
    with contextlib.suppress(ValueError):
        parts = urlsplit(address)
        found = (parts.scheme.lower(), parts.hostname or "", parts.port, parts.path or "/")
    if found is None:
        raise PastedAddressError(f"This is not an address. {_wanted(redirect_uri)}")
    scheme, host, port, path = found
    hosts = _LOOPBACK_NAMES if expected.hostname in _LOOPBACK_NAMES else (expected.hostname,)
    if scheme not in ("http", "https") or host not in hosts:
        raise PastedAddressError(f"This is the address of another page. {_wanted(redirect_uri)}")
    if port != expected.port:
        raise PastedAddressError(f"This address is of another sign-in: its port differs. {_wanted(redirect_uri)}")
    if path != (expected.path or "/"):
        raise PastedAddressError(f"This is the address of another page. {_wanted(redirect_uri)}")
    return [parts.query, parts.fragment]


def _wanted(redirect_uri: str) -> str:
    return (
        f"Sign in, and when the browser cannot show the page, copy the whole address from its address bar: "
        f"it starts with {redirect_uri}/ and holds code= and state=."
    )


def _decoded(query: str) -> dict[str, str]:
    problem = ""
    try:
        return parse_form(query.encode("utf-8", "replace"))
    except DuplicateParameterError:
        problem = "A parameter appears twice in the pasted address. Copy it again, once."
    except FormError:
        problem = "The pasted address is damaged: it is not properly encoded. Copy it again."
    raise PastedAddressError(problem)


def _checked(parameters: Mapping[str, str]) -> Mapping[str, str]:
    if parameters.get("code") and parameters.get("error"):
        raise PastedAddressError("The pasted address holds both a code and an error. Copy it again.")
    if not parameters.get("state"):
        raise PastedAddressError("The pasted address is not complete: state= is missing. Copy all of it.")
    return parameters


class PasteReader:
    """Reads lines from a terminal without blocking, so that the browser can answer first.

    `poll` it in a loop, ten times a second or so. What is typed is shown as stars through `prompt_writer`.
    Leaving the ``with`` block or calling `close` restores the terminal and throws away what was typed and not
    read; so does the end of the process, by a signal (SIGTERM) as well. Raises ValueError if `stdin` is no terminal.
    """

    def __init__(
        self,
        stdin: TextIO,
        *,
        prompt_writer: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal = raw_terminal(stdin)
        self._editor = LineEditor(prompt_writer, clock)
        self._until_closed = contextlib.ExitStack()
        self._started = False

    def __enter__(self) -> PasteReader:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def ended(self) -> bool:
        """Whether the input has ended (Ctrl-D, a closed window): `poll` will not give a line any more."""
        return self._editor.ended

    def start(self) -> None:
        """Take the terminal over. In a background job, this does nothing and no line will come."""
        self._started = True
        atexit.register(self.close)
        self._until_closed.enter_context(termination_as_exit())
        self._terminal.open()

    def poll(self) -> str | None:
        """The next line if one is complete, else None; returns at once. Raises KeyboardInterrupt for Ctrl-C.

        An Enter without anything before it gives "". The line is a secret: hand it to `parse_pasted_address`
        and nowhere else.
        """
        if not self._started or self.ended:
            return None
        typed = self._terminal.read()
        if typed is None:
            self._editor.ended = True
            return None
        self._editor.feed(typed)
        return self._editor.take()

    def close(self) -> None:
        """Restore the terminal. Idempotent."""
        if self._started:
            self._started = False
            self._terminal.close()
            self._until_closed.close()
            atexit.unregister(self.close)
