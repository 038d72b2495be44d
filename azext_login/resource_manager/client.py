"""Azure Resource Manager: the tenants of an account, and the subscriptions that a tenant shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.cli.core.azclierror import AzCLIError

from azext_login.errors import (
    MalformedAnswerError,
    ServiceBusyError,
    ServiceUnreachableError,
    SignInError,
    UnexpectedAnswerError,
)
from azext_login.resource_manager.resources import Subscription, Tenant
from azext_login.system.http.errors import advise_pause, connection_errors, is_busy, parse_json_object
from azext_login.system.http.waiting import retry_request
from azext_login.system.text import is_utf_8, printable

TokenSource = Callable[[str | None, str | None], str]
"""Returns a Resource Manager token for a tenant (None: the tenant of the sign-in) and a claims challenge (JSON)."""

_SERVICE = "Azure Resource Manager"

_CHECK_ADDRESS = "Check the address of Azure Resource Manager with `az cloud show`; then run the command again."

_LONGEST_QUOTE = 1000  # characters

# Seconds to establish a connection, and seconds between two packets of an answer.
_TIMEOUT = (10.0, 30.0)

# The first API version whose subscriptions and tenants carry the tenant's name and the subscription's home tenant:
# https://learn.microsoft.com/rest/api/resources/subscriptions/list
_DETAILED_API_VERSION = "2018-06-01"
_MANAGED_BY_API_VERSION = "2019-06-01"

# The claims parameter of a challenge: https://learn.microsoft.com/entra/identity-platform/claims-challenge
_CLAIMS = re.compile(r'claims="([^"]+)"')


class ResourceManager:
    """The part of Azure Resource Manager's API that lists tenants and subscriptions."""

    def __init__(
        self,
        endpoint: str,
        *,
        session: requests.Session,
        api_version: str,
        token: TokenSource,
        headers: Mapping[str, str] | None = None,
        verify: bool = True,
    ):
        """:param headers: sent with every request, for example the host's request ID."""
        self._endpoint = endpoint.rstrip("/")
        self._session = session
        self._api_version = api_version
        self._token = token
        self._headers = dict(headers or {})
        self._verify = verify

    def tenants(self) -> list[Tenant]:
        """Return the tenants that the account is a member or a guest of, each once."""
        found = retry_request(
            lambda: [_tenant(item) for item in self._pages("/tenants", None)], on=(ServiceUnreachableError,)
        )
        return list({tenant.key: tenant for tenant in found}.values())

    def subscriptions(self, tenant: Tenant, *, described: bool = False) -> Iterator[Subscription]:
        """Return the subscriptions that can be used through a tenant.

        :param described: `tenant` comes from `tenants()`, so its name and domain go into the rows.
        """
        for item in self._pages("/subscriptions", tenant.id):
            yield self._subscription(item, tenant, described)

    def subscription(self, subscription_id: str, tenant: Tenant) -> Subscription:
        """Return one subscription without listing the others."""
        url = self._url(f"/subscriptions/{subscription_id}")
        item = retry_request(lambda: self._get(url, tenant.id), on=(MalformedAnswerError,))
        return self._subscription(item, tenant, False)

    def _subscription(self, item: Mapping[str, Any], tenant: Tenant, described: bool) -> Subscription:
        details: dict[str, Any] = {}
        if self._api_version >= _DETAILED_API_VERSION:
            details["homeTenantId"] = item.get("tenantId")
            if described:
                details["tenantDefaultDomain"] = tenant.default_domain
                details["tenantDisplayName"] = tenant.display_name
        elif described:
            details["tenantDisplayName"] = tenant.display_name
        if self._api_version >= _MANAGED_BY_API_VERSION:
            managed_by = item.get("managedByTenants")
            details["managedByTenants"] = (
                None if managed_by is None else [{"tenantId": entry.get("tenantId")} for entry in _objects(managed_by)]
            )
        return Subscription(
            id=_last_part(_text_in(item, "id")),
            name=str(item.get("displayName") or ""),
            state=item.get("state"),
            tenant_id=tenant.id,
            details=details,
        )

    def _pages(self, path: str, tenant_id: str | None) -> Iterator[Mapping[str, Any]]:
        url: str | None = self._url(path)
        seen: set[str] = set()
        while url:
            if url in seen:
                raise _unexpected(f"continued {path} with a page that it had sent before")
            seen.add(url)
            page = self._page(url, tenant_id)
            yield from _objects(page["value"])
            url = str(page["nextLink"]) if page.get("nextLink") else None
            if url and _service_of(url) != _service_of(self._endpoint):
                # The token goes along with every request, so it must not follow a link to another service.
                raise _unexpected(f"continued a list at another address ('{printable(url)[:_LONGEST_QUOTE]}')")

    def _url(self, path: str) -> str:
        return f"{self._endpoint}{path}?api-version={self._api_version}"

    def _page(self, url: str, tenant_id: str | None) -> Mapping[str, Any]:
        """Return a page of a list. An object without a list is not an answer: the tenant may have subscriptions.

        :raises MalformedAnswerError: every answer was without a list.
        """

        def ask() -> Mapping[str, Any]:
            page = self._get(url, tenant_id)
            if not isinstance(page.get("value"), list):
                raise MalformedAnswerError(
                    f"{_SERVICE} answered with an object that contains no list.",
                    "A proxy or a captive portal may have answered in its place. Check the network and run the command "
                    "again.",
                )
            return page

        return retry_request(ask, on=(MalformedAnswerError,))

    def _get(self, url: str, tenant_id: str | None) -> Mapping[str, Any]:
        response = self._send(url, self._token(tenant_id, None))
        claims = _claims_challenge(response)
        if claims:
            response = self._send(url, self._token(tenant_id, claims))
        if response.status_code != 200:
            raise _refusal(response)
        return parse_json_object(response, _SERVICE)

    def _send(self, url: str, token: str) -> requests.Response:
        headers = {**self._headers, "Authorization": f"Bearer {token}", "Accept": "application/json"}
        with connection_errors(_SERVICE, self._endpoint):
            return self._session.get(
                url, headers=headers, timeout=_TIMEOUT, verify=None if self._verify else False, allow_redirects=False
            )


def _tenant(item: Mapping[str, Any]) -> Tenant:
    return Tenant(
        id=_text_in(item, "tenantId"),
        display_name=_text_or_none(item, "displayName"),
        default_domain=_text_or_none(item, "defaultDomain"),
    )


def _objects(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _unexpected("answered with something other than a list of objects")
    return value


def _text_in(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value or not is_utf_8(value):
        raise _unexpected(f"listed something without '{key}'")
    return value


def _text_or_none(item: Mapping[str, Any], key: str) -> str | None:
    value = item.get(key)
    return value if isinstance(value, str) else None


def _last_part(path: str) -> str:
    """Return the last part of a resource's ID.

    :raises UnexpectedAnswerError: it is empty.
    """
    last = path.rpartition("/")[2]
    if not last:
        raise _unexpected("answered with a subscription that has no ID")
    return last


def _service_of(url: str) -> tuple[str, str]:
    """Return what identifies a service: scheme and host. Resource Manager may write the default port.

    :raises UnexpectedAnswerError: the URL is not valid.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _unexpected("continued a list at an address that is not valid") from error
    return parts.scheme, parts.netloc.lower().removesuffix(":443")


def _claims_challenge(response: requests.Response) -> str | None:
    """Return the claims (JSON) that a 401 demands: the base64 in WWW-Authenticate. None without a demand."""
    if response.status_code != 401:
        return None
    match = _CLAIMS.search(response.headers.get("WWW-Authenticate", ""))
    if not match:
        return None
    import base64
    import binascii

    try:
        return base64.b64decode(match[1] + "=" * (-len(match[1]) % 4)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None


def _refusal(response: requests.Response) -> AzCLIError:
    """Return the error for an answer other than 200, with the code and message of the service."""
    body = parse_json_object(response, _SERVICE)
    error = body.get("error")
    code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
    code, message = printable(code or response.reason), printable(message or "no reason given")
    text = f"{_SERVICE} refused ({response.status_code} {code}): {message[:_LONGEST_QUOTE]}"
    if response.status_code == 401:
        return SignInError(text, next_step="Sign in again with the same `az login` command as before.")
    if response.status_code == 403:
        return SignInError(text, next_step="Ask an administrator of the tenant; then run the command again.")
    if is_busy(response):
        return ServiceBusyError(text, advise_pause(response))
    return UnexpectedAnswerError(text, _CHECK_ADDRESS)


def _unexpected(what: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(f"{_SERVICE} {what}.", _CHECK_ADDRESS)
