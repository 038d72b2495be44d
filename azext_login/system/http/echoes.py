"""Removes from an answer the secrets that its request has sent, before the answer is shown, logged or stored.

A service may repeat a secret in the description of an error. Every refusal passes here on its way to its reader, MSAL
included. An answer with a result is left as it is: its tokens may be those of the request.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

import requests

from azext_login.system.text import visible

REMOVED = "***"
"""What takes the place of a secret."""

# RFC 6749 section 2.3.1, 4 and 6, RFC 7521 section 4, RFC 7636 section 4.5, RFC 8628 section 3.4.
_SECRET_FIELDS = frozenset(
    {
        "assertion", "client_assertion", "client_secret", "code", "code_verifier", "device_code", "password",
        "refresh_token", "access_token", "token", "secret", "sig",
    }
)  # fmt: skip
_SECRET_HEADERS = ("authorization", "proxy-authorization", "x-identity-header", "secret", "cookie")

# The password in a request to a federation server (WS-Security UsernameToken).
_XML_PASSWORD = re.compile(r"<(?:\w+:)?Password\b[^>]*>([^<]+)<")

# A secret that is shorter would occur in words by accident.
_SHORTEST = 4
# Characters. A part of a secret that is not shorter is removed wherever it is; it is no word of a message.
_PART = 10
# Only secrets that no user has invented have so many characters.
_LONG = 20

# Services escape no letters, no digits, and not these (RFC 3986 section 2.3).
_NEVER_ESCAPED = re.compile(r"[A-Za-z0-9_.~-]")
# How often a text may be escaped: JSON in JSON in a page, for example.
_DEEPEST = 8

_ENTITIES = {"&": ("amp",), "<": ("lt",), ">": ("gt",), '"': ("quot",), "'": ("apos",)}

# Where a text was cut off, and the beginning of a secret may come before it: an ellipsis, or the end of a line.
_CUT = re.compile(r"\s*(?:\.{2,}|…|\*{2,}|$)", re.MULTILINE)
# A quotation ends here, which may have been cut off.
_QUOTED = re.compile(r"[\"'\])>`]")
# More of them are in no text that is shown.
_MOST_CUTS = 200


def remove_echoes(response: requests.Response) -> None:
    """Remove the secrets of its request from the body of an answer, which was read."""
    secrets = _secrets_sent_for(response)
    if not secrets:
        return
    body = _parsed(response.content)
    if response.status_code == 200 and isinstance(body, dict) and "error" not in body:
        return
    redaction = Redaction(secrets)
    if body is not None:
        cleaned = redaction.of_json(body)
        if cleaned == body:
            return
        content = json.dumps(cleaned).encode("ascii")
    else:
        text = response.content.decode("utf-8", "surrogateescape")
        content = redaction.of_text(text).encode("utf-8", "surrogateescape")
    response._content = content
    response.encoding = "utf-8"


def remove_echoes_in_headers(response: requests.Response) -> None:
    """Remove the secrets of its request from the headers and the reason of an answer, before its body is read.

    A challenge is one of them, and the advice for the user repeats it. Of a result in JSON, no header is shown.
    """
    is_json = response.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/json"
    secrets = () if response.status_code == 200 and is_json else _secrets_sent_for(response)
    if not secrets:
        return
    redaction = Redaction(secrets)
    response.reason = redaction.of_text(str(response.reason or ""))
    for name, value in list(response.headers.items()):
        response.headers[name] = redaction.of_text(value)


def without_echoes(response: requests.Response, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the body of an answer that is read in pieces, without the long secrets of its request as they are.

    Such a body is a list, of which names are stored and addresses are quoted.
    """
    secrets = [secret.encode("utf-8", "replace") for secret in _secrets_sent_for(response) if len(secret) >= _LONG]
    longest = max(map(len, secrets), default=1)
    rest = b""
    for piece in pieces:
        rest += piece
        for secret in secrets:
            rest = rest.replace(secret, REMOVED.encode("ascii"))
        # A secret may begin at the end of a piece.
        end = max(0, len(rest) - longest + 1)
        yield rest[:end]
        rest = rest[end:]
    yield rest


def _secrets_sent_for(response: requests.Response) -> tuple[str, ...]:
    # An answer of our own has no request.
    return tuple(secrets_of(response.request)) if response.request is not None else ()


def secrets_of(request: requests.PreparedRequest) -> Iterator[str]:
    """Yield the secrets in the headers, the address and the body of a request."""
    headers: Mapping[str, Any] = request.headers or {}
    for name in _SECRET_HEADERS:
        value = headers.get(name)
        if value:
            yield from _secrets_of_header(value if isinstance(value, str) else value.decode("latin-1"))
    body = request.body.decode("utf-8", "replace") if isinstance(request.body, bytes) else request.body
    fields = parse_qsl(urlsplit(str(request.url or "")).query)
    if isinstance(body, str):
        fields += parse_qsl(body)
        yield from (html.unescape(found) for found in _XML_PASSWORD.findall(body))
    yield from (value for name, value in fields if name.lower() in _SECRET_FIELDS and value)


def _secrets_of_header(value: str) -> Iterator[str]:
    scheme, _, rest = value.partition(" ")
    yield rest.strip() or scheme
    if scheme.lower() == "basic":
        # user:password (RFC 7617)
        try:
            yield base64.b64decode(rest, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return


class Redaction:
    """Removes secrets from texts: whole ones, in every common encoding, and parts of long ones."""

    def __init__(self, secrets: tuple[str, ...]):
        forms = {visible(form) for secret in secrets for form in _forms_of(secret)} - {""}
        self._forms = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)
        self._escaped = [pattern for secret in secrets if (pattern := _escaped_form_of(visible(secret)))]
        self._words = [re.compile(rf"(?<!\w){re.escape(form)}(?!\w)") for form in forms if len(form) < _SHORTEST]
        self._parts = {
            form[i : i + _PART] for form in self._forms if len(form) >= _LONG for i in range(len(form) - _PART + 1)
        }

    def of_json(self, value: Any) -> Any:
        """Return a JSON value whose texts contain no secret."""
        if isinstance(value, str):
            return self.of_text(value)
        if isinstance(value, list):
            return [self.of_json(each) for each in value]
        if isinstance(value, Mapping):
            return {self.of_text(name): self.of_json(each) for name, each in value.items()}
        # A number may be a secret of digits.
        return self.of_json(str(value)) if str(value) in self._forms else value

    def of_text(self, text: str) -> str:
        """Return a text without the secrets. Invisible characters are removed from it first if they hide one."""
        shown = visible(text)
        cleaned = self._without_beginnings(self._without_parts(self._without_forms(shown)))
        return text if cleaned == shown else cleaned

    def _without_forms(self, text: str) -> str:
        for pattern in self._escaped:
            text = pattern.sub(REMOVED, text)
        for form in self._forms:
            text = text.replace(form, REMOVED)
        for word in self._words:
            text = word.sub(REMOVED, text)
        return text

    def _without_parts(self, text: str) -> str:
        if not self._parts or len(text) < _PART:
            return text
        kept: list[str] = []
        done = position = 0
        while position <= len(text) - _PART:
            if text[position : position + _PART] not in self._parts:
                position += 1
                continue
            end = position + _PART
            while text[end - _PART + 1 : end + 1] in self._parts:
                end += 1
            kept += [text[done:position], REMOVED]
            done = position = end
        return "".join(kept) + text[done:]

    def _without_beginnings(self, text: str) -> str:
        cuts = {match.start(): True for match in islice(_CUT.finditer(text), _MOST_CUTS)}
        quotes = {match.start(): False for match in islice(_QUOTED.finditer(text), _MOST_CUTS)}
        for end, is_cut in sorted({**quotes, **cuts}.items(), reverse=True):
            for form in self._forms:
                if not is_cut and len(form) < _LONG:
                    continue
                lengths = range(min(len(form), _PART, end), _SHORTEST - 1, -1)
                length = next((each for each in lengths if text.endswith(form[:each], 0, end)), 0)
                if length:
                    text = text[: end - length] + REMOVED + text[end:]
                    break
        return text


def _forms_of(secret: str) -> Iterator[str]:
    """Yield a secret as services may write it: as it is, and encoded."""
    data = secret.encode("utf-8", "surrogateescape")
    encoded = quote(data, safe="")
    yield from (secret, encoded, quote_plus(data), quote(data))
    yield re.sub("%..", lambda found: found[0].lower(), encoded)
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    yield from (html.escape(secret), html.escape(secret, quote=False), html.escape(secret).replace("&#x27;", "&#39;"))
    if len(data) < _SHORTEST:
        return
    # In base64, a text has three forms, depending on what comes before it. Its first and last characters also depend on
    # its neighbours.
    for before, unclear in ((0, 0), (1, 2), (2, 3)):
        alone = base64.b64encode(b"\0" * before + data).decode("ascii")
        sure = len(data) + before - (len(data) + before) % 3
        form = alone[unclear : sure // 3 * 4]
        if len(form) >= _SHORTEST:
            yield from (form, form.replace("+", "-").replace("/", "_"))


def _escaped_form_of(secret: str) -> re.Pattern[str] | None:
    """Return a pattern for a secret that is escaped in any mixture of ways, several times over.

    None for a secret that stays the same, or is so short that it is a word.
    """
    if len(secret) < _SHORTEST or all(map(_NEVER_ESCAPED.match, secret)):
        return None
    # Services escape in upper and in lower case.
    return re.compile("".join(map(_any_form_of, re.findall(r"\\+|[^\\]", secret))), re.IGNORECASE)


def _any_form_of(part: str) -> str:
    """Return a pattern for a character in a URL, a form, HTML and JSON. A row of backslashes counts as one."""
    char = part[0]
    if _NEVER_ESCAPED.match(char):
        return char if char.isalnum() or char == "_" else re.escape(char)
    again = f"{{0,{_DEEPEST}}}"
    percent = "".join(f"%(?:25){again}{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    units = char.encode("utf-16-be", "surrogatepass").hex()
    in_json = "".join(rf"\\{{1,{_DEEPEST}}}u{units[i : i + 4]}" for i in range(0, len(units), 4))
    names = "".join(f"|{name}" for name in _ENTITIES.get(char, ()))
    in_html = rf"&(?:amp;){again}(?:#0{again}{ord(char)}|#x0{again}{ord(char):x}{names});"
    plain = rf"\\{again}{re.escape(char)}" if char != "\\" else rf"\\{{1,{_DEEPEST * len(part)}}}"
    blank = r"|\+" if char == " " else ""
    return f"(?:{plain}|{percent}|{in_json}|{in_html}{blank})"


def _parsed(content: bytes) -> Any:
    """Return the JSON object or list of an answer; None for anything else."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, (dict, list)) else None
