"""Which of the things that a user has configured an error names: the one that failed, and no other."""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest import mock

import pytest
import requests
import trustme
from azure.cli.core.azclierror import AzCLIError

from azext_login.errors import ServiceUnreachableError
from azext_login.system.http.errors import connection_errors, not_an_object
from azext_login.system.http.session import build_session
from azext_login.system.http.surroundings import proxy_of
from tests.unit.auth.managed_identity.environments import black_hole, listening

CONFIGURED = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
SERVICE = "https://login.invalid"
# Nothing listens at the port "discard" (RFC 863).
REFUSED = "127.0.0.1:9"
PASSWORD = "s3cret%21"


@contextmanager
def _configured(settings: Mapping[str, str]) -> Iterator[None]:
    others = {
        name: value for name, value in os.environ.items() if name.upper() not in CONFIGURED and name != "REQUEST_METHOD"
    }
    with mock.patch.dict(os.environ, {**others, **settings}, clear=True):
        yield


def _error(settings: Mapping[str, str], url: str = SERVICE, *, timeout: float = 5.0, verify: bool = True) -> str:
    """Return everything that a user sees of the error of a request."""
    with _configured(settings), pytest.raises(AzCLIError) as caught, connection_errors("the sign-in service", url):
        build_session(sleep=lambda seconds: None).get(url, timeout=timeout, verify=None if verify else False)
    assert isinstance(caught.value, ServiceUnreachableError)
    text = "\n".join([str(caught.value), *caught.value.recommendations])
    assert "s3cret" not in text
    assert "az login" not in text
    return text


def _named(text: str) -> set[str]:
    """Return the settings that a text names."""
    return {name for name in (*CONFIGURED, *map(str.lower, CONFIGURED)) if re.search(rf"\b{name}\b", text)}


def _refusal(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


# -- proxies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        (
            f"http://user:{PASSWORD}@{REFUSED}",
            rf"the proxy http://{REFUSED} .* could not be reached: Connection refused",
        ),
        (REFUSED, rf"the proxy http://{REFUSED} .* could not be reached: Connection refused"),
        (f"http://user:{PASSWORD}@proxy.invalid:3128", r"the proxy http://proxy\.invalid:3128 .* cannot be resolved"),
        (f"socks5h://user:{PASSWORD}@{REFUSED}", rf"went through the proxy socks5h://{REFUSED}"),
        (f"ftp://user:{PASSWORD}@{REFUSED}", "is not the address of a proxy"),
        (f"http://user:{PASSWORD}[@{REFUSED}", "is not the address of a proxy"),
        (f"http://user:{PASSWORD}@127.0.0.1:99999", "is not the address of a proxy"),
        # requests takes the name before the first colon for a scheme.
        ("localhost:9", "is not the address of a proxy"),
        (f"user:{PASSWORD}@{REFUSED}", "is not the address of a proxy"),
    ],
    ids=[
        "refused",
        "without a scheme",
        "unknown name",
        "SOCKS",
        "odd scheme",
        "brackets",
        "odd port",
        "name without a scheme",
        "user without a scheme",
    ],
)
def test_a_proxy_that_fails_is_named_by_its_variable(variable: str, proxy: str, said: str) -> None:
    # These do not matter: an https address does not use the first, and the other certificates are not at fault.
    text = _error({"HTTP_PROXY": f"http://{REFUSED}", variable: proxy})
    assert re.search(said, text)
    assert _named(text) == {variable}


@pytest.mark.parametrize(
    ("user", "answer", "said", "named"),
    [
        ("", _refusal("407 Proxy Authentication Required"), "demands a user name and a password", set()),
        (f"user:{PASSWORD}@", _refusal("407 Proxy Authentication Required"), "refused the user name and the", set()),
        ("", _refusal("403 Forbidden"), r"refused the connection: .*403 Forbidden", {"NO_PROXY"}),
        ("", _refusal("502 Bad Gateway"), r"refused the connection: .*502 Bad Gateway", {"NO_PROXY"}),
        ("", b"SSH-2.0-OpenSSH_9\r\n", "went through the proxy", set()),
        ("", b"", "went through the proxy", set()),
    ],
    ids=["407", "407 with a password", "403", "502", "no HTTP", "no answer"],
)
def test_the_answer_of_a_proxy_is_told_apart_from_one_of_the_service(
    user: str, answer: bytes, said: str, named: set[str]
) -> None:
    with listening(answer) as (address, _):
        text = _error({"HTTPS_PROXY": f"http://{user}{address}"})
    assert re.search(said, text)
    assert f"http://{address} (environment variable HTTPS_PROXY)" in text
    assert _named(text) == {"HTTPS_PROXY"} | named


def test_a_proxy_that_speaks_no_tls_itself_is_named_with_the_remedy() -> None:
    with listening(_refusal("400 Bad Request")) as (address, _):
        text = _error({"HTTPS_PROXY": f"https://{address}"})
    assert "Let the address in the environment variable HTTPS_PROXY begin with http://" in text
    assert _named(text) == {"HTTPS_PROXY"}


def test_a_proxy_that_does_not_answer_is_named() -> None:
    with black_hole() as address:
        text = _error({"HTTPS_PROXY": f"http://user:{PASSWORD}@{address}"}, timeout=0.2)
    assert f"the proxy http://{address} (environment variable HTTPS_PROXY) did not answer in time" in text


@pytest.mark.parametrize("sign", ["/", "?", "#"])
def test_a_part_of_a_password_is_not_taken_for_the_host(sign: str) -> None:
    with _configured({"HTTPS_PROXY": f"http://user:one@{PASSWORD}{sign}two@{REFUSED}"}):
        assert "s3cret" not in str(proxy_of(SERVICE))


def test_the_lower_case_spelling_is_the_one_that_is_used() -> None:
    text = _error({"HTTPS_PROXY": "http://other.invalid:1", "https_proxy": f"http://{REFUSED}"})
    assert _named(text) == {"https_proxy"}
    assert "other.invalid" not in text


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_an_exception_from_a_proxy_is_named_when_the_direct_way_fails(variable: str) -> None:
    text = _error({"HTTPS_PROXY": f"http://user:{PASSWORD}@{REFUSED}", variable: ".invalid"})
    assert "the name 'login.invalid' cannot be resolved" in text
    assert f"because {variable} excludes login.invalid" in text
    assert _named(text) == {"HTTPS_PROXY", variable}


def test_a_proxy_for_other_addresses_only_is_named_when_the_direct_way_fails() -> None:
    text = _error({"HTTP_PROXY": f"http://{REFUSED}"})
    assert "HTTP_PROXY is not used for https addresses, and HTTPS_PROXY is not set" in text


@pytest.mark.parametrize("url", [f"https://{REFUSED}", "https://localhost:9"])
@pytest.mark.parametrize(
    "settings", [{}, {"NO_PROXY": "localhost,127.0.0.1", "HTTPS_PROXY": "http://other.invalid"}, {"NO_PROXY": "*"}]
)
def test_nothing_is_named_that_did_not_fail(url: str, settings: dict[str, str]) -> None:
    text = _error(settings, url)
    assert url.partition("//")[2] in text
    assert not _named(text)
    assert "az cloud show" in text


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_proxy_of_a_plain_http_address_is_named(variable: str) -> None:
    """Build systems may serve federated tokens at one, on this computer."""
    text = _error({"HTTPS_PROXY": "http://other.invalid", variable: f"http://{REFUSED}"}, "http://127.0.0.2:1/token")
    assert f"the proxy http://{REFUSED} (environment variable {variable}) could not be reached" in text
    assert _named(text) == {variable}


def test_a_host_that_cannot_be_resolved_is_named() -> None:
    text = _error({})
    assert "the name 'login.invalid' cannot be resolved" in text
    assert not _named(text)


# -- CA certificates and clocks -------------------------------------------------------------------------------------


@contextmanager
def _tls_server(certificate: trustme.LeafCert) -> Iterator[str]:
    """Yield the address of a server that has this certificate and closes every connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                client.settimeout(5)
                context.wrap_socket(client, server_side=True).close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Path]:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    (tmp_path / "empty.pem").touch()
    (tmp_path / "junk.pem").write_text("-----BEGIN CERTIFICATE-----\nxyz\n-----END CERTIFICATE-----\n")
    (tmp_path / "binary.pem").write_bytes(bytes(range(256)))
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    names = ("other.pem", "empty.pem", "junk.pem", "binary.pem", "directory", "pipe", "device", "none")
    return {name: tmp_path / name for name in names}


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        ("other.pem", "Only the CA certificates in {} were used."),
        ("empty.pem", "{} contains no certificate in PEM format."),
        ("junk.pem", "{} contains no certificate in PEM format."),
        ("binary.pem", "{} contains no certificate in PEM format."),
        ("directory", "{} is a directory without certificates that OpenSSL can find."),
        ("pipe", "{} is a named pipe."),
        ("device", "{} is a device."),
        ("none", "{} does not exist."),
    ],
)
def test_ca_certificates_that_cannot_be_used_are_named_and_not_the_service(
    authority: trustme.CA, bundles: dict[str, Path], variable: str, bundle: str, said: str
) -> None:
    settings = {variable: str(bundles[bundle]), "HTTP_PROXY": f"http://{REFUSED}"}
    with _tls_server(authority.issue_cert("localhost")) as url:
        text = _error(settings, url)
    assert said.format(f"{bundles[bundle]} (environment variable {variable})") in text
    assert _named(text) == {variable}
    if bundle not in ("other.pem", "directory"):
        assert "No request was sent" in text


def test_a_file_of_ca_certificates_that_cannot_be_read_is_named(bundles: dict[str, Path]) -> None:
    denied = requests.exceptions.SSLError(PermissionError(13, "Permission denied"))
    with (
        _configured({"REQUESTS_CA_BUNDLE": str(bundles["other.pem"])}),
        pytest.raises(ServiceUnreachableError, match=r"other\.pem .* cannot be read: Permission denied"),
        connection_errors("the sign-in service", SERVICE),
    ):
        raise denied


def test_a_ca_that_is_not_known_without_a_setting_is_advised_to_be_configured(authority: trustme.CA) -> None:
    with _tls_server(authority.issue_cert("localhost")) as url:
        text = _error({}, url)
    assert "could not be verified" in text
    assert "set the environment variable REQUESTS_CA_BUNDLE" in text


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize(
    ("settings", "verify"), [({"REQUESTS_CA_BUNDLE": "empty.pem"}, False), ({"REQUESTS_CA_BUNDLE": "ca.pem"}, True)]
)
def test_ca_certificates_are_not_named_when_something_else_failed(
    authority: trustme.CA, bundles: dict[str, Path], tmp_path: Path, settings: dict[str, str], verify: bool
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    settings = {name: str(tmp_path / value) for name, value in settings.items()}
    with _tls_server(authority.issue_cert("localhost")) as url:
        assert not _named(_error(settings, url, verify=verify))
    assert not _named(_error(settings, f"https://{REFUSED}", verify=verify))


@pytest.mark.parametrize(("begins", "ends"), [(-2, -1), (1, 2)], ids=["expired", "not yet valid"])
def test_the_clock_is_named_if_a_certificate_is_outside_its_time(
    authority: trustme.CA, tmp_path: Path, begins: int, ends: int
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    now = datetime.now(timezone.utc)
    certificate = authority.issue_cert(
        "localhost", not_before=now + timedelta(days=begins), not_after=now + timedelta(days=ends)
    )
    with _tls_server(certificate) as url:
        text = _error({"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")}, url)
    assert f"The clock of this computer shows {now:%Y-%m-%d %H:%M}" in text
    assert not _named(text)


def test_the_address_is_named_if_a_certificate_is_for_another_host(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with _tls_server(authority.issue_cert("other.example")) as url:
        text = _error({"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")}, url)
    assert "az cloud show" in text
    assert "clock" not in text
    assert not _named(text)


def test_a_request_that_ignores_the_environment_names_nothing_of_it() -> None:
    settings = {"HTTPS_PROXY": f"http://{REFUSED}", "REQUESTS_CA_BUNDLE": "/no/such/file"}
    with (
        _configured(settings),
        pytest.raises(ServiceUnreachableError) as caught,
        connection_errors("the metadata service", "http://169.254.169.254", is_direct=True),
    ):
        raise requests.exceptions.ConnectTimeout("timed out")
    assert not _named(str(caught.value))


def test_a_proxy_that_may_have_answered_in_place_of_the_service_is_named() -> None:
    answer = requests.Response()
    answer.status_code, answer.url, answer._content = 200, SERVICE, b"<h1>Welcome</h1>"
    for settings in ({}, {"HTTPS_PROXY": f"http://user:{PASSWORD}@{REFUSED}"}):
        with _configured(settings):
            text = str(not_an_object(answer, "the sign-in service"))
        assert _named(text) == set(settings)
        assert "s3cret" not in text


@pytest.mark.parametrize("is_pipe", [False, True], ids=["a password for every host", "a pipe"])
def test_a_netrc_file_neither_replaces_a_token_nor_makes_a_request_wait(tmp_path: Path, is_pipe: bool) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    netrc = tmp_path / "netrc"
    if is_pipe:
        os.mkfifo(netrc)
    else:
        netrc.write_text(f"default login user password {PASSWORD}\n")
        netrc.chmod(0o600)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with listening(answer) as (address, heard), _configured({"NETRC": str(netrc), "NO_PROXY": "*"}):
        build_session().get(f"http://{address}/", headers={"Authorization": "Bearer token"}, timeout=5)
    assert b"\r\nAuthorization: Bearer token\r\n" in heard[0]
