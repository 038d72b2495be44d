"""Resolves a tenant's domain name to its ID."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from azext_login.auth.entra.documents import AuthorityDocuments
from azext_login.auth.entra.errors import not_one_tenant, unknown_tenant
from azext_login.auth.entra.http_client import SIGN_IN_SERVICE
from azext_login.auth.refusal_trace import trace_of
from azext_login.errors import UnexpectedAnswerError
from azext_login.system.http.errors import (
    connection_errors,
    parse_json_object,
    refuse_denial,
    refuse_if_busy,
    refuse_web_page,
)
from azext_login.system.http.json_answers import object_in
from azext_login.system.http.session import LONGEST_REQUEST, TIMEOUT
from azext_login.system.http.waiting import limit_time
from azext_login.system.text import capitalised, is_id, is_utf_8, printable

if TYPE_CHECKING:
    from azext_login.system.command_line import Command


def resolve_tenant(
    http: Any,
    authority: str,
    domain: str,
    *,
    verify: bool,
    documents: AuthorityDocuments | None = None,
    again: Command | None = None,
) -> str:
    """Return the GUID of the tenant with the domain `domain`, from its OpenID configuration.

    https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc#find-your-apps-openid-configuration-document-uri

    :param documents: learns the configuration, so that it is not requested again for the GUID.
    :param again: the `az login` that runs, for the advice; None for another command.
    :raises SignInError: there is no such tenant.
    :raises ServiceUnreachableError: the sign-in service did not answer.
    """
    authority = authority.rstrip("/")
    if not is_utf_8(domain):
        raise unknown_tenant(domain.encode("utf-8", "replace").decode("utf-8"), authority, {}, again)
    url = f"{authority}/{quote(domain, safe='')}/v2.0/.well-known/openid-configuration"
    ask = partial(http.get, url, timeout=TIMEOUT, verify=None if verify else False)
    with connection_errors(SIGN_IN_SERVICE, authority):
        response = limit_time(LONGEST_REQUEST, ask, service=f"{SIGN_IN_SERVICE} at {authority.partition('//')[2]}")
    refuse_if_busy(response, SIGN_IN_SERVICE, trace_of(response))
    refuse_web_page(response, SIGN_IN_SERVICE)
    refuse_denial(response, SIGN_IN_SERVICE)
    if 400 <= response.status_code < 500:
        raise unknown_tenant(domain, authority, object_in(response.content), again)
    document = parse_json_object(response, SIGN_IN_SERVICE)
    # An issuer reads https://login.microsoftonline.com/<GUID>/v2.0.
    parts = str(document.get("issuer", "")).split("/")
    tenant = parts[3] if len(parts) > 3 else ""
    if "{" in tenant:
        # The issuer of an endpoint for many tenants has a placeholder instead of the GUID.
        raise not_one_tenant(domain, again)
    if not is_id(tenant):
        raise UnexpectedAnswerError(
            f"{capitalised(SIGN_IN_SERVICE)} at {authority} named no issuer for tenant '{printable(domain)}'.",
            "Check the tenant's ID or domain name, and the active cloud with `az cloud show`.",
        )
    if documents is not None:
        documents.learn(document)
    return tenant
