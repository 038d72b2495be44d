"""Azure Resource Manager: the tenants of an account, and the subscriptions that a tenant shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from typing import Any

import requests

from azext_login.errors import (
    IncompleteListError,
    MalformedAnswerError,
    ServiceBusyError,
    ServiceUnreachableError,
    SignInError,
    UnexpectedAnswerError,
)
from azext_login.host_errors import AzCLIError
from azext_login.resource_manager.pages import (
    LONGEST_LIST,
    LONGEST_TENANT_LIST,
    NEXT_STEP,
    PAGE_LIMIT,
    Page,
    RowBudget,
    Share,
    follow_pages,
    subscription_budget,
    tenant_budget,
)
from azext_login.resource_manager.resources import Subscription, Tenant
from azext_login.system.command_line import Command
from azext_login.system.http.bounded import pieces_of, read_answer
from azext_login.system.http.echoes import without_echoes
from azext_login.system.http.errors import (
    advise_pause,
    connection_errors,
    is_busy,
    not_an_object,
    parse_json_object,
)
from azext_login.system.http.json_answers import object_in, without_surrogates
from azext_login.system.http.session import LONGEST_REQUEST
from azext_login.system.http.waiting import limit_time, retry_request
from azext_login.system.log import get_logger
from azext_login.system.text import is_id, is_utf_8, printable, shorten, without_controls
from azext_login.system.threads import iterate_ahead

logger = get_logger(__name__)

TokenSource = Callable[[str | None, str | None], str]
"""Returns a Resource Manager token for a tenant (None: the tenant of the sign-in) and a claims challenge (JSON)."""

_SERVICE = "Azure Resource Manager"

_LONGEST_QUOTE, _LONGEST_ID = 1000, 50  # characters

# Seconds to establish a connection, and seconds between two packets of an answer.
_TIMEOUT = (10.0, 30.0)

# The first API version whose subscriptions and tenants carry the tenant's name and the subscription's home tenant:
# https://learn.microsoft.com/rest/api/resources/subscriptions/list
_DETAILED_API_VERSION = "2018-06-01"
_MANAGED_BY_API_VERSION = "2019-06-01"

# What is read of a row: https://learn.microsoft.com/rest/api/resources/subscriptions/list, .../tenants/list
_SUBSCRIPTION_MEMBERS = ("id", "displayName", "state", "tenantId", "managedByTenants")
_TENANT_MEMBERS = ("tenantId", "displayName", "defaultDomain")

_IDS = ("id", "tenantId")

# Characters of a text that is stored. Azure allows 64 in the name of a subscription, 256 in that of a tenant.
_LONGEST_TEXT = 512
# Tenants that are kept of those that manage a subscription.
_MOST_MANAGING = 100

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
        budget: RowBudget | None = None,
        again: Command | None = None,
    ):
        """:param headers: sent with every request, for example the host's request ID.
        :param budget: what several clients may read together; None for a budget of its own.
        :param again: the `az login` that runs, for the advice; None for another command.
        """
        self._endpoint = endpoint.rstrip("/")
        self._session = session
        self._api_version = api_version
        self._token = token
        self._headers = dict(headers or {})
        self._verify = verify
        self._again = again
        self._budget = budget or subscription_budget(again)
        # Key of a tenant -> rows that are being read before anyone asks for them
        self._ahead: dict[str, Iterator[Mapping[str, Any]]] = {}

    def tenants(self) -> list[Tenant]:
        """Return the tenants that the account is a member or a guest of, each once."""
        found = retry_request(self._listed_tenants, on=(ServiceUnreachableError,))
        return list({tenant.key: tenant for tenant in found}.values())

    def _listed_tenants(self) -> list[Tenant]:
        found: list[Tenant] = []
        try:
            share = Share(tenant_budget(self._again))
            found += map(_tenant, self._pages("/tenants", None, _TENANT_MEMBERS, share, longest=LONGEST_TENANT_LIST))
        except IncompleteListError as error:
            if not found:
                raise
            logger.warning("%s The other tenants are not asked for their subscriptions.", error)
        return found

    def subscriptions(self, tenant: Tenant, *, described: bool = False) -> Iterator[Subscription]:
        """Return the subscriptions that can be used through a tenant.

        :param described: `tenant` comes from `tenants()`, so its name and domain go into the rows.
        """
        ahead = self._ahead.pop(tenant.key, None)
        names = f"{tenant.display_name}{tenant.default_domain}" if described else ""
        items = ahead or self._pages("/subscriptions", tenant.id, _SUBSCRIPTION_MEMBERS, Share(self._budget, names))
        for item in items:
            if ahead is not None:
                # When it was read, the names were unknown.
                self._budget.take_text(len(names))
            yield self._subscription(item, tenant, described)

    def read_ahead(self, tenant: Tenant) -> None:
        """Start to read the subscriptions of a tenant whose name is not known yet. `subscriptions` returns them."""
        pages = self._pages("/subscriptions", tenant.id, _SUBSCRIPTION_MEMBERS, Share(self._budget))
        self._ahead[tenant.key] = iterate_ahead(pages)

    def subscription(self, subscription_id: str, tenant: Tenant) -> Subscription:
        """Return one subscription without listing the others."""
        url = self._url(f"/subscriptions/{subscription_id}")

        def ask() -> Mapping[str, Any]:
            return retry_request(lambda: self._object(self._get(url, tenant.id)), on=(MalformedAnswerError,))

        item = limit_time(LONGEST_REQUEST, ask, service=_SERVICE)
        return self._subscription(_trim(item, _SUBSCRIPTION_MEMBERS), tenant, False)

    def _subscription(self, item: Mapping[str, Any], tenant: Tenant, described: bool) -> Subscription:
        details: dict[str, Any] = {}
        if self._api_version >= _DETAILED_API_VERSION:
            details["homeTenantId"] = _id_or_none(item)
            if described:
                details["tenantDefaultDomain"] = tenant.default_domain
                details["tenantDisplayName"] = tenant.display_name
        elif described:
            details["tenantDisplayName"] = tenant.display_name
        if self._api_version >= _MANAGED_BY_API_VERSION:
            managed_by = item.get("managedByTenants")
            details["managedByTenants"] = (
                None if managed_by is None else [{"tenantId": _id_or_none(entry)} for entry in managed_by]
            )
        return Subscription(
            id=_checked_id(_text_in(item, "id").rpartition("/")[2], "subscription"),
            name=_text_or_none(item, "displayName") or "",
            state=_text_or_none(item, "state"),
            tenant_id=tenant.id,
            details=details,
        )

    def _pages(
        self,
        path: str,
        tenant_id: str | None,
        members: Collection[str],
        share: Share,
        *,
        longest: float = LONGEST_LIST,
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of a list, each with its `members` only.

        :raises IncompleteListError: the list is too long. The rows before are to be kept.
        """
        try:
            yield from follow_pages(
                self._url(path), lambda url: self._page(url, tenant_id, members, share), path, longest=longest
            )
        except IncompleteListError:
            raise
        except BaseException:
            share.give_back()
            raise

    def _url(self, path: str) -> str:
        return f"{self._endpoint}{path}?api-version={self._api_version}"

    def _page(self, url: str, tenant_id: str | None, members: Collection[str], share: Share) -> Page:
        """Return a page of a list. An object without a list is not an answer: the tenant may have subscriptions.

        :raises MalformedAnswerError: every answer was without a list.
        """

        def ask() -> Page:
            response = self._get(url, tenant_id)
            with connection_errors(_SERVICE, self._endpoint), closing(pieces_of(response, PAGE_LIMIT)) as pieces:
                try:
                    page = share.read_page(without_echoes(response, pieces), lambda item: _trim(item, members))
                except ValueError:
                    raise not_an_object(response, _SERVICE) from None
            if page is None:
                raise MalformedAnswerError(
                    f"{_SERVICE} answered with an object that contains no list.",
                    "A proxy or a captive portal may have answered in its place. Check the network and run the command "
                    "again.",
                )
            return page

        return retry_request(ask, on=(MalformedAnswerError,))

    def _get(self, url: str, tenant_id: str | None) -> requests.Response:
        """Return the answer with status 200, whose body has not been read."""
        response = self._send(url, self._token(tenant_id, None))
        claims = _claims_challenge(response)
        if claims:
            response.close()
            response = self._send(url, self._token(tenant_id, claims))
        if response.status_code != 200:
            raise _refusal(response, self._object(response), self._again)
        return response

    def _object(self, response: requests.Response) -> Mapping[str, Any]:
        with connection_errors(_SERVICE, self._endpoint):
            read_answer(response)
        return parse_json_object(response, _SERVICE)

    def _send(self, url: str, token: str) -> requests.Response:
        headers = {**self._headers, "Authorization": f"Bearer {token}", "Accept": "application/json"}
        with connection_errors(_SERVICE, self._endpoint):
            return self._session.get(
                url,
                headers=headers,
                timeout=_TIMEOUT,
                verify=None if self._verify else False,
                allow_redirects=False,
                stream=True,
            )


def _tenant(item: Mapping[str, Any]) -> Tenant:
    return Tenant(
        id=_checked_id(_text_in(item, "tenantId"), "tenant"),
        display_name=_text_or_none(item, "displayName"),
        default_domain=_text_or_none(item, "defaultDomain"),
    )


def _trim(item: object, members: Collection[str]) -> dict[str, Any]:
    """Return the members of a row that are stored, in a form and size that can be stored.

    :raises UnexpectedAnswerError: it is not an object.
    """
    if not isinstance(item, dict):
        raise _unexpected("answered with something other than a list of objects")
    row = {name: item[name] for name in members if name in item}
    for name, value in row.items():
        if isinstance(value, str) and name != "managedByTenants":
            text = value[:_LONGEST_TEXT]
            row[name] = text if name in _IDS else without_controls(without_surrogates(text))
        elif name == "managedByTenants" and isinstance(value, list):
            row[name] = [_trim(entry, ("tenantId",)) for entry in value[:_MOST_MANAGING]]
        else:
            row[name] = None
    return row


def _text_in(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value or not is_utf_8(value):
        raise _unexpected(f"listed something without '{key}'")
    return value


def _text_or_none(item: Mapping[str, Any], key: str) -> str | None:
    value = item.get(key)
    return value if isinstance(value, str) and is_utf_8(value) else None


def _id_or_none(item: Mapping[str, Any]) -> str | None:
    value = item.get("tenantId")
    return value if is_id(value) else None


def _checked_id(word: str, kind: str) -> str:
    """Return an ID, which goes into files, requests, and commands to paste.

    :param kind: of what.
    :raises UnexpectedAnswerError: it is none.
    """
    if not word:
        raise _unexpected(f"answered with a {kind} that has no ID")
    if not is_id(word):
        raise _unexpected(f"listed a {kind} whose ID is not an ID: '{shorten(printable(word), _LONGEST_ID)}'")
    return word


def _claims_challenge(response: requests.Response) -> str | None:
    """Return the claims (JSON) that a 401 demands: the base64 in WWW-Authenticate. None without a demand."""
    if response.status_code != 401:
        return None
    match = _CLAIMS.search(response.headers.get("WWW-Authenticate", ""))
    if not match:
        return None
    import base64

    try:
        claims = base64.b64decode(match[1] + "=" * (-len(match[1]) % 4)).decode("utf-8")
    except ValueError:
        # It is not base64, or not UTF-8.
        return None
    return claims if object_in(claims) else None


def _refusal(response: requests.Response, body: Mapping[str, Any], again: Command | None) -> AzCLIError:
    """Return the error for an answer other than 200, with the code and message of the service."""
    error = body.get("error")
    code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
    code, message = printable(code or response.reason), printable(message or "no reason given")
    text = f"{_SERVICE} refused ({response.status_code} {code}): {message[:_LONGEST_QUOTE]}"
    if response.status_code == 401:
        same = f"Sign in again:\n{again}" if again else "Sign in again with the same `az login` command as before."
        return SignInError(text, next_step=same)
    if response.status_code == 403:
        return SignInError(text, next_step="Ask an administrator of the tenant; then run the command again.")
    if is_busy(response):
        return ServiceBusyError(text, advise_pause(response))
    return UnexpectedAnswerError(text, NEXT_STEP)


def _unexpected(what: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(f"{_SERVICE} {what}.", NEXT_STEP)
