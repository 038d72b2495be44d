"""Failures of requests, and answers that are not usable, as errors that name the service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.cli.core.azclierror import AzCLIError
from urllib3.exceptions import LocationParseError, ReadTimeoutError
from urllib3.util import parse_url

from azext_login.errors import MalformedAnswerError, ServiceBusyError, ServiceUnreachableError, UnexpectedAnswerError
from azext_login.system.http.session import TRANSIENT_STATUS, parse_retry_after
from azext_login.system.pauses import describe
from azext_login.system.text import printable

# https://requests.readthedocs.io/en/latest/user/advanced/#proxies
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

# The names that versions of OpenSSL have for an answer that is not TLS.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


@contextmanager
def connection_errors(service: str, address: str, *, to_check: str = "with `az cloud show`") -> Iterator[None]:
    """Turn the errors that requests raises into one error that names the service and its address.

    :param service: its name for users, for example "the sign-in service".
    :param to_check: how to check whether the address is right.
    :raises ServiceUnreachableError: the service did not answer.
    :raises UnexpectedAnswerError: its answer is not HTTP, or not complete.
    """
    asked = _Asked(service, address, to_check)
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise asked.tls_error(error) from error
    except requests.exceptions.ProxyError as error:
        raise asked.proxy_error(error) from error
    except requests.exceptions.Timeout as error:
        raise asked.timeout_error() from error
    except requests.exceptions.ConnectionError as error:
        raise asked.connection_error(error) from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise asked.incomplete_answer() from error
    except (requests.exceptions.InvalidHeader, UnicodeEncodeError) as error:
        if isinstance(error, UnicodeEncodeError) and error.encoding == "utf-8":
            # It is about the body of the request, which the caller knows.
            raise
        # The error quotes the header, which may be a secret.
        raise asked.invalid_header() from None
    except (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidURL):
        # The error quotes the address of a proxy, which may contain a password.
        raise asked.invalid_address() from None
    except requests.exceptions.RequestException as error:
        raise asked.protocol_error(error) from error
    except (ValueError, LocationParseError):
        raise asked.invalid_address() from None
    except OSError as error:
        # requests raises a plain OSError for a missing CA bundle.
        if "CA certificate bundle" not in str(error):
            raise
        raise asked.missing_ca_bundle(error) from error


@dataclass(frozen=True)
class _Asked:
    """The service that a request was for. Each method returns the error for one kind of failure."""

    service: str
    address: str
    to_check: str

    @property
    def _name(self) -> str:
        return f"{self.service} at {self.address}"

    @property
    def _subject(self) -> str:
        return capitalised(self._name)

    @property
    def _check_address(self) -> str:
        return f"Check its address {self.to_check}; then run the command again."

    @property
    def _check_network(self) -> str:
        return f"Check the network, and the address {self.to_check}; then run the command again."

    def tls_error(self, error: requests.exceptions.SSLError) -> ServiceUnreachableError:
        if any(sign in str(error) for sign in _NOT_TLS):
            return ServiceUnreachableError(f"{self._subject} does not speak TLS: {_cause(error)}.", self._check_address)
        if "certificate" not in str(error).lower():
            return ServiceUnreachableError(
                f"The TLS connection to {self._name} failed: {_cause(error)}.", self._check_network
            )
        return ServiceUnreachableError(
            f"The certificate of {self._name} could not be verified: {_cause(error)}.",
            "If a proxy inspects TLS here, set the environment variable REQUESTS_CA_BUNDLE to the path of its CA "
            "certificate: https://learn.microsoft.com/cli/azure/use-cli-effectively#work-behind-a-proxy",
        )

    def proxy_error(self, error: requests.exceptions.ProxyError) -> ServiceUnreachableError:
        return ServiceUnreachableError(
            f"The proxy for {self._name} refused the connection: {_cause(error)}.",
            "Check the environment variables HTTPS_PROXY and NO_PROXY; then run the command again.",
        )

    def timeout_error(self) -> ServiceUnreachableError:
        return ServiceUnreachableError(
            f"{self._subject} did not answer in time.", "Check the network and run the command again."
        )

    def connection_error(self, error: requests.exceptions.ConnectionError) -> ServiceUnreachableError:
        if isinstance(getattr(error.args[0] if error.args else None, "reason", None), ReadTimeoutError):
            # After the last retry, requests does not raise its own error for a timeout.
            return self.timeout_error()
        return ServiceUnreachableError(f"{self._subject} could not be reached: {_cause(error)}.", self._check_network)

    def incomplete_answer(self) -> MalformedAnswerError:
        return MalformedAnswerError(
            f"{self._subject} broke off in the middle of its answer.", "Check the network and run the command again."
        )

    def invalid_header(self) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"No request was sent to {self._name}: a value for its header contains spaces, line breaks or letters that "
            "HTTP does not allow.",
            "Look for them in the environment and in files with secrets. If it is a token, obtain a new one: run "
            "`az login` again.",
        )

    def protocol_error(self, error: requests.exceptions.RequestException) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"{self._subject} did not answer with valid HTTP: {_cause(error)}.", self._check_address
        )

    def invalid_address(self) -> AzCLIError:
        """Return the error for an address that cannot be parsed: of a proxy, or one to which an answer refers."""
        if _has_invalid_proxy(self.address):
            return ServiceUnreachableError(
                f"No request was sent to {self._name}: HTTPS_PROXY or HTTP_PROXY is not the address of a proxy.",
                "Correct the environment variable, or remove it.",
            )
        return UnexpectedAnswerError(
            f"No request was sent to {self._name}: the address, or one in its answer, is not valid.",
            self._check_address,
        )

    def missing_ca_bundle(self, error: OSError) -> ServiceUnreachableError:
        return ServiceUnreachableError(
            f"No request was sent to {self._name}: {error}.",
            "Correct the environment variable REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE), or remove it.",
        )


def _has_invalid_proxy(address: str) -> bool:
    """Tell whether the environment has a value for a proxy that is not the address of one."""
    for proxy in requests.utils.get_environ_proxies(address).values():
        try:
            parse_url(proxy)
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            if parts.scheme.lower() not in _PROXY_SCHEMES or not parts.hostname or parts.port == 0:
                return True
        except ValueError:
            return True
    return False


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a chain of exceptions, without addresses and object representations."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in getattr(reason, "args", ()) if isinstance(arg, BaseException)), None)
        if inner is None or inner is reason:
            break
        reason = inner
    text = str(getattr(reason, "strerror", None) or reason)
    # urllib3 prefixes its messages with the representation of its connection object.
    text = text.rpartition(">: ")[2].rpartition("] ")[2]
    # The messages of OpenSSL end with a line number of CPython's source.
    return printable(text.partition(" (_ssl.c")[0].strip().rstrip(".)")) or type(reason).__name__


def capitalised(service: str) -> str:
    """Return a service's name for the beginning of a sentence."""
    return service[:1].upper() + service[1:]


def content_type(response: requests.Response) -> str:
    """Return the content type of an answer, for an error message."""
    return printable(response.headers.get("Content-Type", "no content type").partition(";")[0])


def is_busy(response: requests.Response) -> bool:
    """Tell whether an answer means that the service is overloaded or broken, which may pass."""
    return response.status_code == 429 or response.status_code >= 500


def refuse_if_busy(response: requests.Response, service: str) -> None:
    """Check that the service is neither overloaded nor broken.

    :raises ServiceBusyError: it is.
    """
    if is_busy(response):
        host, status = urlsplit(response.url).netloc, response.status_code
        problem = "is busy" if status in TRANSIENT_STATUS else "is overloaded or broken"
        raise ServiceBusyError(
            f"{capitalised(service)} at {host} {problem} (HTTP status {status}).", advise_pause(response)
        )


def advise_pause(response: requests.Response) -> str:
    """Return the advice when to run the command again, after the pause that a busy service demands."""
    return advise_pause_of(parse_retry_after(response.headers.get("Retry-After", "")))


def advise_pause_of(seconds: float | None) -> str:
    """Return the same advice for a pause; None for an answer that demands none."""
    return f"Run the command again in {describe(seconds)}." if seconds else "Run the command again in a minute."


def parse_json_object(response: requests.Response, service: str) -> Mapping[str, Any]:
    """Return the JSON object of an answer.

    :raises MalformedAnswerError: the answer is not a JSON object, for example the HTML page of a proxy.
    """
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        kind = content_type(response)
        host = urlsplit(response.url).netloc
        raise MalformedAnswerError(
            f"{capitalised(service)} at {host} answered something other than a JSON object "
            f"({kind}, HTTP status {response.status_code}).",
            "A proxy or a captive portal may have answered in its place. Check the network and run the command again.",
        )
    return body
