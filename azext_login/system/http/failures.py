"""The error for each way in which a request can fail. It names what the user has configured if that is what failed."""

from __future__ import annotations

import os
import re
import ssl
import time
from dataclasses import dataclass, replace
from datetime import timezone
from http.client import HTTPException, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError, ReadTimeoutError

from azext_login.errors import MalformedAnswerError, ServiceUnreachableError, UnexpectedAnswerError
from azext_login.host_errors import AzCLIError
from azext_login.system.http.echoes import Redaction, secrets_of
from azext_login.system.http.surroundings import ca_bundle, describe_way, invalid_proxy_of, proxy_of
from azext_login.system.text import capitalised, format_time, printable, shorten

# The names that versions of OpenSSL have for an answer that is not TLS.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


# http.client's error for a proxy that refuses (HTTPConnection._tunnel).
_TUNNEL = re.compile(r"Tunnel connection failed: (\d+)")

_LONGEST_QUOTE = 300  # characters

_BEHIND_A_PROXY = (
    "If a proxy inspects TLS here, set the environment variable REQUESTS_CA_BUNDLE to the path of its CA certificate: "
    "https://learn.microsoft.com/cli/azure/use-cli-effectively#work-behind-a-proxy"
)

# OpenSSL's results of a verification (x509_vfy.h).
_OUTSIDE_ITS_TIME = (9, 10)
_OTHER_NAME = (62, 64)


@dataclass(frozen=True)
class SentRequest:
    """The service that a request was for. Each method returns the error for one kind of failure."""

    service: str
    address: str
    to_check: str
    is_direct: bool = False
    url: str = ""
    """The address of the request itself, if it is known: its scheme determines the proxy."""

    def after(self, error: requests.exceptions.RequestException) -> SentRequest:
        """Return this record with the address of the request that failed."""
        url = getattr(error.request, "url", None)
        return replace(self, url=str(url)) if url else self

    @property
    def _name(self) -> str:
        return f"{self.service} at {printable(self.address)}"

    @property
    def _subject(self) -> str:
        return capitalised(self._name)

    @property
    def _check_address(self) -> str:
        return f"Check its address {self.to_check}; then run the command again."

    @property
    def _check_network(self) -> str:
        return f"Check the network, and the address {self.to_check}; then run the command again."

    @property
    def _url(self) -> str:
        return self.url or (self.address if "://" in self.address else f"https://{self.address}")

    @property
    def _way(self) -> str:
        """A sentence about the proxy, for a failure of the connection; see `describe_way`."""
        return "" if self.is_direct else describe_way(self._url)

    def tls_error(self, error: requests.exceptions.SSLError) -> ServiceUnreachableError:
        reason = _innermost(error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return self._untrusted_certificate(reason)
        bundle = None if self.is_direct else ca_bundle()
        if bundle is not None and (problem := bundle.problem()) and not os.path.isdir(bundle.path):
            return self.unusable_ca_bundle(problem)
        if bundle is not None and not isinstance(reason, (ssl.SSLError, HTTPError, requests.RequestException)):
            return self.unusable_ca_bundle(f"cannot be read: {_cause(error)}")
        if any(sign in str(error) for sign in _NOT_TLS):
            return ServiceUnreachableError(
                f"{self._subject} does not speak TLS: {_cause(error)}.{self._way}", self._check_address
            )
        if "certificate" not in str(error).lower():
            return ServiceUnreachableError(
                f"The TLS connection to {self._name} failed: {_cause(error)}.{self._way}", self._check_network
            )
        return ServiceUnreachableError(
            f"The certificate of {self._name} could not be verified: {_cause(error)}.{self._way}", _BEHIND_A_PROXY
        )

    def _untrusted_certificate(self, reason: ssl.SSLCertVerificationError) -> ServiceUnreachableError:
        code = getattr(reason, "verify_code", None)
        problem = f"The certificate of {self._name} could not be verified: {_cause(reason)}."
        if code in _OUTSIDE_ITS_TIME:
            shown = format_time(time.time(), "%Y-%m-%d %H:%M:%S UTC", timezone.utc)
            return ServiceUnreachableError(
                f"{problem} The clock of this computer shows {shown}.",
                "If that is wrong, set the clock; then run the command again. If it is right, the operator of the "
                "service has to replace the certificate.",
            )
        if code in _OTHER_NAME:
            return ServiceUnreachableError(f"{problem}{self._way}", self._check_address)
        bundle = None if self.is_direct else ca_bundle()
        if bundle is None:
            return ServiceUnreachableError(f"{problem}{self._way}", _BEHIND_A_PROXY)
        unusable = bundle.problem()
        why = f"{bundle} {unusable}." if unusable else f"Only the CA certificates in {bundle} were used."
        return ServiceUnreachableError(
            f"{problem} {why}{self._way}",
            f"Add the certificate of the missing CA there, or correct or remove {bundle.variable}: "
            "https://learn.microsoft.com/cli/azure/use-cli-effectively#work-behind-a-proxy",
        )

    def unusable_ca_bundle(self, problem: str) -> ServiceUnreachableError:
        """:param problem: a predicate, for example "does not exist"."""
        bundle = ca_bundle()
        if bundle is None:
            return ServiceUnreachableError(
                f"No request was sent to {self._name}: the CA certificates of the Azure CLI cannot be used.",
                "Install the Azure CLI again.",
            )
        return ServiceUnreachableError(
            f"No request was sent to {self._name}: the file of CA certificates {bundle} {problem}.",
            f"Correct the environment variable {bundle.variable}, or remove it.",
        )

    def proxy_error(self, error: requests.exceptions.ProxyError) -> ServiceUnreachableError:
        proxy, cause, reason = proxy_of(self._url), _cause(error), _innermost(error)
        name = str(proxy or "the proxy")
        setting = proxy.setting if proxy else "the environment variable HTTPS_PROXY"
        tunnel = _TUNNEL.search(str(reason))
        if any(sign in str(error) for sign in _NOT_TLS):
            return ServiceUnreachableError(
                f"{self._subject} could not be reached: {name} does not speak TLS itself.",
                f"Let the address in {setting} begin with http://; then run the command again.",
            )
        if tunnel is None:
            problem = f"could not be reached: {cause}"
            if isinstance(reason, NameResolutionError):
                problem = f"cannot be resolved: {cause}"
            elif isinstance(reason, ConnectTimeoutError) and not isinstance(reason, NewConnectionError):
                problem = "did not answer in time"
            return ServiceUnreachableError(
                f"{self._subject} could not be reached: {name} {problem}.",
                f"Correct {setting}, or check that the proxy is running; then run the command again.",
            )
        if tunnel[1] != "407":
            return ServiceUnreachableError(
                f"{self._subject} could not be reached: {name} refused the connection: {cause}.",
                "Ask the administrator of the proxy to allow this address. If it can be reached without the proxy, "
                "name its host in the environment variable NO_PROXY; then run the command again.",
            )
        if proxy and proxy.has_credentials:
            problem, advice = "refused the user name and the password in its address", "Correct them in"
        else:
            problem, advice = "demands a user name and a password", "Put both into the address in"
        return ServiceUnreachableError(
            f"{self._subject} could not be reached: {name} {problem}: {cause}.",
            f"{advice} {setting}: http://USER:PASSWORD@HOST:PORT, with special characters as %XX; then run the command "
            "again.",
        )

    def timeout_error(self, error: BaseException) -> ServiceUnreachableError:
        proxy = None if self.is_direct else proxy_of(self._url)
        if proxy is not None and isinstance(error, requests.exceptions.ConnectTimeout):
            return ServiceUnreachableError(
                f"{self._subject} could not be reached: {proxy} did not answer in time.",
                f"Correct {proxy.setting}, or check that the proxy is running; then run the command again.",
            )
        return ServiceUnreachableError(
            f"{self._subject} did not answer in time.{self._way}", "Check the network and run the command again."
        )

    def connection_error(self, error: requests.exceptions.ConnectionError) -> ServiceUnreachableError:
        if isinstance(getattr(error.args[0] if error.args else None, "reason", None), ReadTimeoutError):
            # After the last retry, requests does not raise its own error for a timeout.
            return self.timeout_error(error)
        cause, reason = _cause(error), _innermost(error)
        if isinstance(reason, HTTPException) and not isinstance(reason, ConnectionError):
            return ServiceUnreachableError(
                f"{self._subject} did not answer with valid HTTP: {cause}.{self._way}", self._check_address
            )
        if isinstance(reason, NameResolutionError):
            cause = f"the name '{printable(urlsplit(self._url).hostname)}' cannot be resolved ({cause})"
        return ServiceUnreachableError(
            f"{self._subject} could not be reached: {cause}.{self._way}", self._check_network
        )

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
        invalid = None if self.is_direct else invalid_proxy_of(self._url)
        if invalid:
            return ServiceUnreachableError(
                f"No request was sent to {self._name}: {invalid} is not the address of a proxy.",
                "Correct it, or remove it. The address of a proxy reads http://HOST:PORT.",
            )
        return UnexpectedAnswerError(
            f"No request was sent to {self._name}: the address, or one in its answer, is not valid.",
            self._check_address,
        )


def loggable(error: requests.exceptions.RequestException) -> BaseException | None:
    """Return an error to raise another one from; None if it quotes an answer.

    The host logs the causes of an error with --debug, and a service may have repeated a secret in what is not HTTP.
    """
    reason = _innermost(error)
    is_of_the_answer = isinstance(reason, HTTPException) and not isinstance(reason, RemoteDisconnected)
    return None if is_of_the_answer or _TUNNEL.search(str(reason)) else error


def _innermost(error: BaseException) -> BaseException:
    """Return the innermost reason of a chain of exceptions."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in getattr(reason, "args", ()) if isinstance(arg, BaseException)), None)
        if inner is None or inner is reason:
            return reason  # type: ignore[no-any-return]
        reason = inner


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a chain of exceptions, without addresses and object representations.

    What a service has repeated of its request is removed.
    """
    reason: Any = _innermost(error)
    text = str(getattr(reason, "strerror", None) or reason)
    # urllib3 prefixes its messages with the representation of its connection object.
    text = text.rpartition(">: ")[2].rpartition("] ")[2]
    # The messages of OpenSSL end with a line number of CPython's source.
    text = text.partition(" (_ssl.c")[0].strip().rstrip(".)")
    request = getattr(error, "request", None)
    secrets = tuple(secrets_of(request)) if isinstance(request, requests.PreparedRequest) else ()
    if secrets:
        text = Redaction(secrets).of_text(text)
    return shorten(printable(text), _LONGEST_QUOTE) or type(reason).__name__
