"""What goes wrong between us and a service, as one error that names the service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.cli.core.azclierror import AzCLIError
from urllib3.exceptions import LocationParseError, ReadTimeoutError
from urllib3.util import parse_url

from azext_login.errors import MalformedAnswerError, ServiceBusyError, ServiceUnreachableError, UnexpectedAnswerError
from azext_login.system.text import printable

# https://requests.readthedocs.io/en/latest/user/advanced/#proxies
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

# What OpenSSL calls an answer that is not TLS at all, in its versions.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


@contextmanager
def connection_errors(service: str, address: str, *, to_check: str = "with `az cloud show`") -> Iterator[None]:
    """Turn what requests raises into one error that names the service and its address.

    :param service: what the person knows it as, for example "the sign-in service".
    :param to_check: how a person finds out whether the address is right.
    :raises ServiceUnreachableError: no answer.
    :raises UnexpectedAnswerError: an answer that is not HTTP, or not complete.
    """
    try:
        yield
    except requests.exceptions.SSLError as error:
        if any(sign in str(error) for sign in _NOT_TLS):
            raise ServiceUnreachableError(
                f"{capitalised(service)} at {address} does not speak TLS: {_cause(error)}.",
                f"Check its address {to_check}; then run the command again.",
            ) from error
        if "certificate" not in str(error).lower():
            raise ServiceUnreachableError(
                f"No TLS connection to {service} at {address} could be made: {_cause(error)}.",
                f"Check the network, and the address {to_check}; then run the command again.",
            ) from error
        raise ServiceUnreachableError(
            f"The certificate of {service} at {address} could not be verified: {_cause(error)}.",
            "If a proxy inspects TLS here, point the environment variable REQUESTS_CA_BUNDLE to a file with its CA "
            "certificate: https://learn.microsoft.com/cli/azure/use-cli-effectively#work-behind-a-proxy",
        ) from error
    except requests.exceptions.ProxyError as error:
        raise ServiceUnreachableError(
            f"The proxy between here and {service} at {address} refused: {_cause(error)}.",
            "Check the environment variables HTTPS_PROXY and NO_PROXY.",
        ) from error
    except requests.exceptions.Timeout as error:
        raise _too_late(service, address) from error
    except requests.exceptions.ConnectionError as error:
        if isinstance(getattr(error.args[0] if error.args else None, "reason", None), ReadTimeoutError):
            # requests has an error of its own for that, but not after the last retry.
            raise _too_late(service, address) from error
        raise ServiceUnreachableError(
            f"{capitalised(service)} at {address} could not be reached: {_cause(error)}.",
            f"Check the network, and the address {to_check}; then run the command again.",
        ) from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise MalformedAnswerError(
            f"{capitalised(service)} at {address} broke off in the middle of its answer.",
            "Check the network and run the command again.",
        ) from error
    except (requests.exceptions.InvalidHeader, UnicodeEncodeError) as error:
        if isinstance(error, UnicodeEncodeError) and error.encoding == "utf-8":
            # Not of a header. Whoever made the request knows what it is of.
            raise
        # The error quotes the header, which may be a secret.
        raise UnexpectedAnswerError(
            f"{capitalised(service)} at {address} was not asked: what is to be sent to it has blanks, line ends or "
            "letters that no header can hold.",
            "Look for them in the environment and in files with secrets. If it is a token, get a new one: run "
            "`az login` again.",
        ) from None
    except (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidURL):
        # The error quotes the address of a proxy, in which a password may be.
        raise _no_address(service, address, to_check) from None
    except requests.exceptions.RequestException as error:
        raise UnexpectedAnswerError(
            f"{capitalised(service)} at {address} did not speak HTTP as expected: {_cause(error)}.",
            f"Check its address {to_check}; then run the command again.",
        ) from error
    except (ValueError, LocationParseError):
        raise _no_address(service, address, to_check) from None
    except OSError as error:
        if "CA certificate bundle" not in str(error):
            raise
        # requests raises a plain OSError for a bundle that is not there.
        raise ServiceUnreachableError(
            f"{capitalised(service)} at {address} was not asked: {error}.",
            "Correct the environment variable REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE), or remove it.",
        ) from error


def _too_late(service: str, address: str) -> ServiceUnreachableError:
    return ServiceUnreachableError(
        f"{capitalised(service)} at {address} did not answer in time.", "Check the network and run the command again."
    )


def _no_address(service: str, address: str, to_check: str) -> AzCLIError:
    """Return the error for what cannot be parsed: a proxy's address, or where an answer points to."""
    if _has_odd_proxy(address):
        return ServiceUnreachableError(
            f"{capitalised(service)} at {address} was not asked: HTTPS_PROXY or HTTP_PROXY is not the address of a "
            "proxy.",
            "Correct the environment variable, or remove it.",
        )
    return UnexpectedAnswerError(
        f"{capitalised(service)} at {address} cannot be asked: its address, or one that it answered with, is none.",
        f"Check its address {to_check}; then run the command again.",
    )


def _has_odd_proxy(address: str) -> bool:
    """Tell whether the environment names a proxy by what is no address of one."""
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
    # OpenSSL's messages end with the place in CPython's source.
    return printable(text.partition(" (_ssl.c")[0].strip().rstrip(".)")) or type(reason).__name__


def capitalised(service: str) -> str:
    """Return a service's name for the beginning of a sentence."""
    return service[:1].upper() + service[1:]


def content_type(response: requests.Response) -> str:
    """Return what an answer says that it is, for an error message."""
    return printable(response.headers.get("Content-Type", "no content type").partition(";")[0])


def is_busy(response: requests.Response) -> bool:
    """Tell whether a service says that it is overloaded or broken, which may pass."""
    return response.status_code == 429 or response.status_code >= 500


def refuse_if_busy(response: requests.Response, service: str) -> None:
    """Let no answer of an overloaded or broken service pass for one.

    :raises ServiceBusyError: it is one.
    """
    if is_busy(response):
        host = urlsplit(response.url).netloc
        raise ServiceBusyError(
            f"{capitalised(service)} at {host} is overloaded or broken (HTTP status {response.status_code}).",
            "Run the command again in a minute.",
        )


def parse_json_object(response: requests.Response, service: str) -> Mapping[str, Any]:
    """Return the JSON object of an answer.

    :raises MalformedAnswerError: the answer is something else, such as the HTML page of a proxy.
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
