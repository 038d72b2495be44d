"""The request that git writes to a credential helper, and whether it may get a token.

A helper that is configured for every host is asked for every host. https://git-scm.com/docs/git-credential#IOFMT
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import TextIO

from azext_login.system.log import get_logger
from azext_login.system.terminal.streams import is_terminal
from azext_login.system.threads import BackgroundCall

logger = get_logger(__name__)

# Bytes of a request. git's own lines are limited, and a request has about ten of them.
_LONGEST_REQUEST = 2**16

# Seconds for the request to arrive. git writes it at once.
_TIME_LIMIT = 5.0

# Seconds between two looks at a thread: on Windows, Ctrl-C has no effect during a longer wait.
_TICK = 0.2

_HTTPS_PORT = "443"

# https://learn.microsoft.com/azure/devops/organizations/settings/work/new-organization-urls: the address of an
# organization is dev.azure.com/NAME, and NAME.visualstudio.com for older ones.
_AZURE_DEVOPS = ("dev.azure.com", "*.visualstudio.com")

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?P<host>{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?")
_PATTERN = re.compile(rf"(?:\*\.{_LABEL}(?:\.{_LABEL})+|{_LABEL}(?:\.{_LABEL})*)(?::[0-9]{{1,5}})?")


def allowed_host(text: str) -> str:
    """Return a value of --allow-host in lower case.

    :raises argparse.ArgumentTypeError: it is not a host name.
    """
    if not _PATTERN.fullmatch(text.lower()):
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(
            f"{text!r} is not a host. Give a name without a scheme and path, such as git.contoso.com, "
            "git.contoso.com:8443 or *.contoso.com."
        )
    return text.lower()


def may_have_token(stdin: TextIO | None, allowed: Sequence[str]) -> bool:
    """Read git's request, and tell whether a token answers it.

    It does for hosts of Azure DevOps, or for the allowed ones, over https. A user who runs the command at a terminal
    gets the token too: git writes its request into a pipe.

    :param allowed: further hosts, as `allowed_host` returns them.
    """
    if is_terminal(stdin):
        logger.warning("As a credential helper, this command reads git's request from standard input.")
        return True
    request = parse_request(read_request(stdin))
    if not request:
        logger.warning(
            "No token was written, because standard input holds no request of git, such as the lines protocol=https "
            "and host=dev.azure.com. To get a token by hand, use another --format, or az account get-access-token."
        )
        return False
    if "password" in request:
        # `store` or `erase`: git reports whether the credential was accepted, and expects no answer.
        return False
    host = request.get("host", "")
    is_allowed = request.get("protocol") == "https" and any(
        matches(host, pattern) for pattern in (*_AZURE_DEVOPS, *allowed)
    )
    if not is_allowed:
        logger.info("git asks for a credential for another host than Azure DevOps, so there is no answer.")
    return is_allowed


def parse_request(content: bytes) -> Mapping[str, str]:
    """Return the attributes of a request, up to the first empty line. An attribute that is repeated has its last value.

    Lines that are no attribute make the whole request unusable, and so do bytes that are not UTF-8.
    """
    try:
        lines = takewhile(bool, content.decode("utf-8").split("\n"))
    except UnicodeDecodeError:
        return {}
    pairs = [line.partition("=") for line in lines]
    if not all(separator for _, separator, _ in pairs):
        return {}
    return {name: value for name, _, value in pairs}


def read_request(
    stdin: TextIO | None, *, limit: float = _TIME_LIMIT, clock: Callable[[], float] = time.monotonic
) -> bytes:
    """Return what git writes on standard input: up to an empty line or the end of the input.

    :param limit: seconds after which a request that is not complete counts as none.
    :return: b"" without a request, or if there is more than a request can be.
    """
    try:
        descriptor = stdin.fileno() if stdin is not None else None
    except (OSError, ValueError):
        # A stream without a file, in the process of another program.
        descriptor = None
    if descriptor is None:
        return b""
    reading = BackgroundCall(partial(_read, descriptor))
    deadline = clock() + limit
    while not reading.wait(_TICK):
        if clock() > deadline:
            return b""
    return reading.result()


def _read(descriptor: int) -> bytes:
    # Not through `sys.stdin`: a thread that waits there would hold its lock when the process exits.
    content = b""
    while b"\n\n" not in content and not content.startswith(b"\n"):
        try:
            part = os.read(descriptor, 4096)
        except OSError:
            # A directory, for example.
            return b""
        content += part
        if len(content) > _LONGEST_REQUEST:
            return b""
        if not part:
            break
    return content


def matches(host: str, pattern: str) -> bool:
    """Tell whether the host of a request is the one that a pattern names; `*.` stands for one part of a name.

    :param host: as git writes it, with a port if the URL has one.
    :param pattern: in lower case. Without a port, it is for the port of https.
    """
    found = _HOST.fullmatch(host.lower())
    if not found:
        return False
    name, _, port = pattern.partition(":")
    if (found["port"] or _HTTPS_PORT) != (port or _HTTPS_PORT):
        return False
    if name.startswith("*."):
        return found["host"].partition(".")[2] == name[2:]
    return found["host"] == name
