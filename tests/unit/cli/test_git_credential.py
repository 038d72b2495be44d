"""Which requests of git are answered."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from azext_login.cli.git_credential import allowed_host, may_have_token, parse_request, read_request


@contextmanager
def _stdin(content: bytes, *, is_closed: bool = True) -> Iterator[TextIO]:
    """Yield a pipe that holds `content`, as git gives it to a helper."""
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as stream:
        os.write(writing, content)
        if is_closed:
            os.close(writing)
        yield stream
        if not is_closed:
            os.close(writing)


def _is_answered(request: str, *allowed: str) -> bool:
    with _stdin(request.encode()) as stream:
        return may_have_token(stream, [allowed_host(host) for host in allowed])


@pytest.mark.parametrize(
    "host, is_answered",
    [
        ("dev.azure.com", True),
        ("DEV.Azure.COM", True),
        ("dev.azure.com:443", True),
        ("fabrikam.visualstudio.com", True),
        ("github.com", False),
        ("dev.azure.com:8443", False),
        ("dev.azure.com:", False),
        ("dev.azure.com.", False),
        ("dev.azure.com.example.com", False),
        ("dev.azure.com@example.com", False),
        ("example.com/dev.azure.com", False),
        ("example.com#dev.azure.com", False),
        ("xdev.azure.com", False),
        ("x.dev.azure.com", False),
        ("visualstudio.com", False),
        (".visualstudio.com", False),
        ("fabrikam.visualstudio.com.example.com", False),
        ("fabrikamvisualstudio.com", False),
        ("example.com:443.visualstudio.com", False),
        ("example.com\rdev.azure.com", False),
        ("dev.azure.com\r", False),
        ("dev.azure.com\x00", False),
        ("dev.azure.com ", False),
        ("dev。azure。com", False),
        ("deᴠ.azure.com", False),
        ("[::1]", False),
        ("", False),
    ],
)
def test_only_hosts_of_azure_devops_are_answered(host: str, is_answered: bool) -> None:
    assert _is_answered(f"protocol=https\nhost={host}\n") == is_answered


@pytest.mark.parametrize(
    "host, allowed, is_answered",
    [
        ("git.contoso.com", "git.contoso.com", True),
        ("git.contoso.com", "GIT.contoso.com", True),
        ("git.contoso.com:443", "git.contoso.com", True),
        ("git.contoso.com", "git.contoso.com:443", True),
        ("git.contoso.com:8443", "git.contoso.com", False),
        ("git.contoso.com:8443", "git.contoso.com:8443", True),
        ("git.contoso.com", "*.contoso.com", True),
        ("contoso.com", "*.contoso.com", False),
        ("a.git.contoso.com", "*.contoso.com", False),
        ("git.contoso.com", "contoso.com", False),
        ("localhost", "localhost", True),
    ],
)
def test_a_host_can_be_allowed(host: str, allowed: str, is_answered: bool) -> None:
    assert _is_answered(f"protocol=https\nhost={host}\n", allowed) == is_answered


@pytest.mark.parametrize("text", ["*", "*.com", "https://git.contoso.com", "git.contoso.com/x", "a@b.com", "*x.de", ""])
def test_what_is_no_host_cannot_be_allowed(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a host"):
        allowed_host(text)


@pytest.mark.parametrize(
    "request_of_git, is_answered",
    [
        ("capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=dev.azure.com\npath=org/_git/x\n", True),
        ('protocol=https\nhost=dev.azure.com\nwwwauth[]=Basic realm="x"\nwwwauth[]=Bearer\nusername=org\n', True),
        ("protocol=https\nhost=dev.azure.com\n\nhost=example.com\n", True),
        ("protocol=https\nhost=dev.azure.com", True),
        ("protocol=https\nhost=dev.azure.com\nhost=example.com\n", False),
        ("protocol=http\nhost=dev.azure.com\n", False),
        ("protocol=https\nhost=example.com\npath=dev.azure.com\nusername=dev.azure.com\n", False),
        ("host=dev.azure.com\n", False),
        ("protocol=https\n", False),
        ("url=https://dev.azure.com\n", False),
        ("\nprotocol=https\nhost=dev.azure.com\n", False),
        ("protocol=https\nhost=dev.azure.com\nnonsense\n", False),
        # `store` and `erase`
        ("protocol=https\nhost=dev.azure.com\nusername=x\npassword=y\n", False),
        ("", False),
    ],
)
def test_a_request_is_read_as_git_writes_it(request_of_git: str, is_answered: bool) -> None:
    assert _is_answered(request_of_git) == is_answered


def test_bytes_that_are_not_utf_8_are_no_request() -> None:
    assert parse_request(b"protocol=https\nhost=dev.azure.com\npath=\xff\n") == {}


def test_a_request_that_is_not_complete_is_waited_for_with_a_limit() -> None:
    with _stdin(b"protocol=https\nhost=dev.azure.com\n", is_closed=False) as stream:
        assert read_request(stream, limit=0) == b""


def test_a_request_is_complete_with_an_empty_line() -> None:
    with _stdin(b"protocol=https\nhost=dev.azure.com\n\n", is_closed=False) as stream:
        assert may_have_token(stream, ())


def test_a_request_has_a_largest_size() -> None:
    with open("/dev/zero", encoding="utf-8") as stream:
        assert read_request(stream) == b""


def test_a_closed_standard_input_holds_no_request(caplog: pytest.LogCaptureFixture) -> None:
    assert not may_have_token(None, ())
    assert "No token was written" in caplog.text
