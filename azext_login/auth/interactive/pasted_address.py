"""The address that a user copies from the browser and pastes into the terminal."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from azext_login.system.http_server.request import DuplicateParameterError, FormError, parse_form
from azext_login.system.terminal.line_editor import MAX_LENGTH

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

_QUOTES = "\"'`<>\u00ab\u00bb\u2018\u2019\u201c\u201d"

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f\u200b-\u200f\u2060\ufeff]")

# An address contains no blanks. A terminal or a mail program adds line breaks.
_LINE_BREAK = re.compile(r"\s*[\r\n]\s*")

_BARE_QUERY = re.compile(r"[?#]?[A-Za-z_]+=")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")

# Chrome and Safari show an address without its scheme, and users type what they see.
_NO_SCHEME = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]):[0-9]", re.IGNORECASE)


class PastedAddressError(ValueError):
    """The pasted text is not the expected address. The message explains why, and repeats no part of the text."""


def parse_pasted_address(text: str, *, redirect_uri: str) -> Mapping[str, str]:
    """Return the authority's answer in an address copied from the browser, or in its query alone.

    Accepted are https (browsers upgrade), any name of the loopback interface, quotes and blanks around the address,
    line breaks in it, and an answer in the fragment.

    :param redirect_uri: of the request, ``http://localhost:PORT``.
    :raises PastedAddressError: the text is not such an address.
    """
    if len(text) > MAX_LENGTH:
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
    raise PastedAddressError(f"This address contains no answer to the sign-in. {_wanted(redirect_uri)}")


def _answer_parts(address: str, redirect_uri: str) -> list[str]:
    """Return the query and the fragment of an address with the redirect URI, in the order in which they are read."""
    expected = urlsplit(redirect_uri)
    found = None
    # The error of urlsplit quotes the address, so it must not become the context of ours.
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
        raise PastedAddressError(f"This address belongs to another sign-in: its port differs. {_wanted(redirect_uri)}")
    if path != (expected.path or "/"):
        raise PastedAddressError(f"This is the address of another page. {_wanted(redirect_uri)}")
    return [parts.query, parts.fragment]


def _wanted(redirect_uri: str) -> str:
    return (
        f"Sign in, and when the browser cannot show the page, copy the whole address from its address bar: "
        f"it starts with {redirect_uri}/ and contains code= and state=."
    )


def _decoded(query: str) -> dict[str, str]:
    problem = ""
    try:
        return parse_form(query.encode("utf-8", "replace"))
    except DuplicateParameterError:
        problem = "A parameter appears twice in the pasted address. Copy the address again, once."
    except FormError:
        problem = "The pasted address is damaged: its encoding is not valid. Copy the address again."
    raise PastedAddressError(problem)


def _checked(parameters: Mapping[str, str]) -> Mapping[str, str]:
    if parameters.get("code") and parameters.get("error"):
        raise PastedAddressError("The pasted address contains both a code and an error. Copy the address again.")
    if not parameters.get("state"):
        raise PastedAddressError("The pasted address is not complete: state= is missing. Copy the whole address.")
    return parameters
