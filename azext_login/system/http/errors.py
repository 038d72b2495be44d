"""Failures of requests, and answers that are not usable, as errors that name the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import LocationParseError

from azext_login.errors import MalformedAnswerError, ServiceBusyError, UnexpectedAnswerError
from azext_login.system.http.failures import SentRequest, loggable
from azext_login.system.http.json_answers import object_in, parse_json
from azext_login.system.http.session import TRANSIENT_STATUS, parse_retry_after
from azext_login.system.http.surroundings import ca_bundle, proxy_of
from azext_login.system.pauses import describe
from azext_login.system.text import capitalised, printable

SIGN_IN_TO_NETWORK = (
    "A network that asks users to sign in first (a captive portal) answers like this, and so does a proxy. Open a page "
    "in a web browser, sign in to the network if it asks for that, and run the command again."
)

# What a captive portal answers, if it does not pretend to be the service (RFC 6585 section 6).
NETWORK_AUTHENTICATION_REQUIRED = 511

_PAGES = ("text/html", "application/xhtml+xml")
_BEGINNINGS = (b"<!doctype html", b"<html")


@contextmanager
def connection_errors(
    service: str, address: str, *, to_check: str = "with `az cloud show`", is_direct: bool = False
) -> Iterator[None]:
    """Turn the errors that requests raises into one error that names the service and its address.

    What the user has configured on the way to the service is named if it is what failed.

    :param service: its name for users, for example "the sign-in service".
    :param to_check: how to check whether the address is right.
    :param is_direct: whether the request ignores the environment: proxies and CA certificates.
    :raises ServiceUnreachableError: the service did not answer.
    :raises UnexpectedAnswerError: its answer is not HTTP, or not complete.
    """
    asked = SentRequest(service, address, to_check, is_direct)
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise asked.after(error).tls_error(error) from error
    except requests.exceptions.ProxyError as error:
        raise asked.after(error).proxy_error(error) from loggable(error)
    except requests.exceptions.Timeout as error:
        raise asked.after(error).timeout_error(error) from error
    except requests.exceptions.ConnectionError as error:
        raise asked.after(error).connection_error(error) from loggable(error)
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise asked.incomplete_answer() from loggable(error)
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
        raise asked.protocol_error(error) from loggable(error)
    except (ValueError, LocationParseError):
        raise asked.invalid_address() from None
    except OSError as error:
        # requests raises a plain OSError for a missing CA bundle.
        if "CA certificate bundle" not in str(error):
            raise
        bundle = ca_bundle()
        raise asked.unusable_ca_bundle((bundle and bundle.problem()) or "does not exist") from error


def content_type(response: requests.Response) -> str:
    """Return the content type of an answer, for an error message."""
    return printable(response.headers.get("Content-Type", "no content type").partition(";")[0])


def is_busy(response: requests.Response) -> bool:
    """Tell whether an answer means that the service is overloaded or broken, which may pass."""
    return response.status_code == 429 or response.status_code >= 500


def refuse_if_busy(response: requests.Response, service: str, last_line: str = "") -> None:
    """Check that the service is neither overloaded nor broken.

    :param last_line: the last line of the error, by which the service's administrators find the request.
    :raises ServiceBusyError: it is.
    :raises MalformedAnswerError: the network demands that the user signs in to it first.
    """
    if response.status_code == NETWORK_AUTHENTICATION_REQUIRED:
        raise _web_page_error(response, service)
    if is_busy(response):
        host, status = urlsplit(response.url).netloc, response.status_code
        problem = "is busy" if status in TRANSIENT_STATUS else "is overloaded or broken"
        raise ServiceBusyError(
            f"{capitalised(service)} at {host} {problem} (HTTP status {status}).\n{last_line}".rstrip(),
            advise_pause(response),
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
        body = parse_json(response.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise not_an_object(response, service, response.content)
    return body


def refuse_web_page(response: requests.Response, service: str) -> None:
    """Check that a network has not answered with a page of its own in place of a service.

    Status 400 and 404 are left to the caller: web servers have pages for addresses that are not valid or do not exist.

    :raises MalformedAnswerError: it has.
    """
    if response.status_code not in (400, 404) and _is_web_page(response, response.content):
        raise _web_page_error(response, service)


def refuse_denial(response: requests.Response, service: str) -> None:
    """Check that a service, or something on the way to it, has not refused a request that needs no credential.

    Status 400 and 404 are left to the caller, and so is an answer that states a reason.

    :raises UnexpectedAnswerError: it has.
    """
    status = response.status_code
    if not 400 <= status < 500 or status in (400, 404) or object_in(response.content).get("error"):
        return
    raise UnexpectedAnswerError(
        f"{capitalised(service)} at {urlsplit(response.url).netloc} refused the request (HTTP status {status})."
        f"{_way_of(response.url)}",
        "A proxy or a firewall may have answered in its place. Check the network, and the address with "
        "`az cloud show`; then run the command again.",
    )


def not_an_object(response: requests.Response, service: str, content: bytes = b"") -> MalformedAnswerError:
    """Return the error for an answer that is not a JSON object.

    :param content: the body, or its beginning, if it was read.
    """
    if redirect := foreign_redirect(response, service):
        return redirect
    if _is_web_page(response, content):
        return _web_page_error(response, service)
    return MalformedAnswerError(
        f"{capitalised(service)} at {urlsplit(response.url).netloc} answered something other than a JSON object "
        f"({content_type(response)}, HTTP status {response.status_code}).{_way_of(response.url)}",
        "A proxy or a captive portal may have answered in its place. Check the network and run the command again.",
    )


def foreign_redirect(response: requests.Response, service: str) -> MalformedAnswerError | None:
    """Return the error for a redirect of a request to another host, which was not followed; None for another answer."""
    here, there = urlsplit(response.url), _target_of(response)
    if there is None or there == here.hostname:
        return None
    return MalformedAnswerError(
        f"The network answered in place of {service} at {here.netloc}, with a redirect to {printable(there)} (HTTP "
        f"status {response.status_code}). Nothing was sent there, because the request contains a secret."
        f"{_way_of(response.url)}",
        SIGN_IN_TO_NETWORK,
    )


def _target_of(response: requests.Response) -> str | None:
    """Return the host to which an answer redirects; None if it does not, or if the address is not valid."""
    if not response.is_redirect:
        return None
    try:
        return urlsplit(urljoin(response.url, response.headers["Location"])).hostname
    except ValueError:
        return None


def _is_web_page(response: requests.Response, content: bytes) -> bool:
    """Tell whether a user, and not a program, is meant to read an answer."""
    is_page = content_type(response).strip().lower() in _PAGES or content[:512].lstrip().lower().startswith(_BEGINNINGS)
    return is_page or response.status_code == NETWORK_AUTHENTICATION_REQUIRED


def _web_page_error(response: requests.Response, service: str) -> MalformedAnswerError:
    asked = response.history[0].url if response.history else response.url
    host, last = urlsplit(asked).netloc, urlsplit(response.url).netloc
    after = f", after a redirect to {printable(last)}" if last != host else ""
    return MalformedAnswerError(
        f"A web page answered in place of {service} at {printable(host)} ({content_type(response)}, HTTP status "
        f"{response.status_code}{after}).{_way_of(asked)}",
        SIGN_IN_TO_NETWORK,
    )


def _way_of(url: str) -> str:
    proxy = proxy_of(url)
    return f" The request went through {proxy}." if proxy is not None else ""
