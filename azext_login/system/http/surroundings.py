"""What the user has configured between this computer and a service: CA certificates, proxies, exceptions from them.

requests and urllib read these settings from the environment, and so does this module. An error names one of them only
if it is what failed.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import requests
from urllib3.util import parse_url

from azext_login.system.entries import not_regular
from azext_login.system.text import printable

# https://requests.readthedocs.io/en/latest/user/advanced/#proxies
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

# requests prefers the first one (Session.merge_environment_settings).
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

# The names of certificates in a directory, by which OpenSSL finds them (openssl-rehash).
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")


@dataclass(frozen=True)
class Proxy:
    """A proxy and the environment variable that names it. Never contains a user name or a password."""

    variable: str | None
    """None for a setting of the operating system."""
    address: str
    has_credentials: bool = False

    def __str__(self) -> str:
        if self.variable is None:
            return f"the proxy {self.address}, which is a setting of the operating system"
        return f"the proxy {self.address} (environment variable {self.variable})"

    @property
    def setting(self) -> str:
        """What to correct, for an advice."""
        return f"the environment variable {self.variable}" if self.variable else "the proxy in the operating system"


@dataclass(frozen=True)
class CaBundle:
    """The CA certificates that replace the usual ones, and the environment variable that names them."""

    variable: str
    path: str

    def __str__(self) -> str:
        return f"{printable(self.path)} (environment variable {self.variable})"

    def problem(self) -> str | None:
        """Return why no certificate can be read from it, as a predicate; None if there are some."""
        if os.path.isdir(self.path):
            try:
                names = os.listdir(self.path)
            except OSError as error:
                return f"cannot be read: {error.strerror}"
            found = any(_HASHED_NAME.fullmatch(name) for name in names)
            return None if found else "is a directory without certificates that OpenSSL can find"
        unusable = kind_of_bundle(self.path)
        if unusable is not None:
            return unusable
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=self.path)
        except ssl.SSLError:
            return "contains no certificate in PEM format"
        except FileNotFoundError:
            return "does not exist"
        except (OSError, ValueError) as error:
            return f"cannot be read: {getattr(error, 'strerror', None) or error}"
        return None


def kind_of_bundle(path: str) -> str | None:
    """Return what is in place of a file of CA certificates, as a predicate; None for a file, and for nothing at all.

    OpenSSL opens the file for every connection. It would wait for the writer of a pipe without any limit, and could
    read its content once only.
    """
    try:
        problem = not_regular(os.stat(path).st_mode)
    except (OSError, ValueError):
        return None
    return None if problem is None else str(problem.strerror).removeprefix("It ")


def ca_bundle() -> CaBundle | None:
    """Return the CA certificates that the environment names."""
    found = next((name for name in _CA_VARIABLES if os.environ.get(name)), None)
    return CaBundle(found, os.environ[found]) if found else None


def proxy_of(address: str) -> Proxy | None:
    """Return the proxy through which requests to an address go."""
    chosen = requests.utils.select_proxy(address, requests.utils.get_environ_proxies(address))
    return _proxy(address, chosen) if chosen else None


def invalid_proxy_of(address: str) -> str | None:
    """Return what names a proxy for an address that is not the address of one; None if there is no such setting."""
    chosen = requests.utils.select_proxy(address, requests.utils.get_environ_proxies(address))
    if not chosen:
        return None
    try:
        parts = _split(chosen)
        is_valid = parts.scheme.lower() in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    return None if is_valid else _variable(_names_of_proxies(address)) or "The proxy in the operating system's settings"


def describe_way(address: str) -> str:
    """Return a sentence about the proxy that a request to an address used or did not use, with a space before it.

    Empty if no proxy is configured that matters, or the address is one of this computer.
    """
    proxy = proxy_of(address)
    if proxy is not None:
        return f" The request went through {proxy}."
    host = _host(address)
    if _is_loopback(host):
        return ""
    variable, excluded = _variable(_names_of_proxies(address)), _variable(["no_proxy"])
    if variable and excluded:
        name = _proxy(address, os.environ[variable])
        return f" The request did not go through {name}, because {excluded} excludes {host}."
    other = _variable(["http_proxy"])
    if other and not variable and urlsplit(address).scheme == "https":
        return f" {other} is not used for https addresses, and HTTPS_PROXY is not set."
    return ""


def _proxy(address: str, chosen: str) -> Proxy:
    try:
        parts = _split(chosen)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        shown = f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
        has_credentials = parts.username is not None
    except ValueError:
        shown, has_credentials = "at an address that is not valid", False
    return Proxy(_variable(_names_of_proxies(address)), printable(shown), has_credentials)


def _split(chosen: str) -> SplitResult:
    """Return the parts of a proxy's address.

    :raises ValueError: requests finds no host in it, as in `HOST:PORT` or `USER:PASSWORD@HOST` without a scheme, or a
        password in it ends the host too early.
    """
    # requests takes what comes before the first colon for the scheme (requests.adapters.HTTPAdapter).
    address: str = requests.utils.prepend_scheme_if_needed(chosen, "http")  # type: ignore[no-untyped-call]
    if not parse_url(address).host:
        raise ValueError("no host")
    parts = urlsplit(chosen if "://" in chosen else f"http://{chosen}")
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError("a password with a character that has to be escaped")
    return parts


def _names_of_proxies(address: str) -> list[str]:
    return [f"{urlsplit(address).scheme or 'https'}_proxy", "all_proxy"]


def _variable(names: Iterable[str]) -> str | None:
    """Return the environment variable that has a value, by one of these lower-case names, as urllib finds it.

    The lower-case spelling takes precedence (urllib.request.getproxies_environment).
    """
    for name in names:
        spellings = [found for found in os.environ if found.lower() == name and os.environ[found]]
        if spellings:
            return name if name in spellings else spellings[-1]
    return None


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
