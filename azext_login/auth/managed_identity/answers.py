"""Answers of the services for managed identities: a token, or an error with its cause and the next step.

https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
https://learn.microsoft.com/azure/service-fabric/how-to-managed-identity-service-fabric-app-code#error-handling
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

import requests

from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.auth.managed_identity.missing_service import (
    advise_on_foreign_answer,
    foreign_answer_error,
    likely_cause,
)
from azext_login.auth.managed_identity.sources import IdentitySource, SourceKind
from azext_login.auth.refusal_trace import with_trace, without_trace
from azext_login.auth.token_answers import standard_identity_answer
from azext_login.errors import RefusalKind, ServiceUnreachableError, SignInError, UnexpectedAnswerError
from azext_login.system.command_line import Command
from azext_login.system.http.bounded import replace_body
from azext_login.system.http.errors import advise_pause_of, content_type
from azext_login.system.http.json_answers import parse_json
from azext_login.system.http.session import parse_retry_after
from azext_login.system.login_command import with_identity
from azext_login.system.text import capitalised

_KEPT = "Nothing that was stored before has changed."

# Status codes after which the same request may succeed. Of these services, only IMDS documents 404 and 410, for the
# time of an update.
_TRANSIENT = frozenset({408, 429}) | frozenset(range(500, 600))
_TRANSIENT_OF_IMDS = _TRANSIENT | {404, 410}

# Messages of the services for an identity that is not assigned to this resource.
_NOT_ASSIGNED = (
    "identity not found",
    "no user assigned or delegated managed identity found",
    "no managed identity was found",
    "no msi found",
    "managedidentitynotfound",
)
_SEVERAL = "multiple user assigned identities"
_UNKNOWN_RESOURCE = ("aadsts500011", "aadsts50001:", "invalid_resource", "audiencenotsupported")

_RESOURCE_ID = re.compile(
    r"/subscriptions/[\w.-]+/resourcegroups/[\w.()-]+/providers/Microsoft\.ManagedIdentity/"
    r"userAssignedIdentities/[\w-]+",
    re.IGNORECASE,
)
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# A GUID, and the words before it if they show that it is not the ID of an identity.
_LABELLED_GUID = re.compile(
    rf"(?P<other>\b(?:correlation|trace|request|activity|tenant|subscription)[ _-]?id\W{{0,5}})?\b(?P<guid>{_GUID})\b",
    re.IGNORECASE,
)
_LONGEST_MESSAGE = 400  # characters


class BusyError(UnexpectedAnswerError):
    """The service is overloaded, restarting or being updated. `retry_after`: the seconds that it demands, or None."""

    def __init__(self, message: str, next_step: str, *, retry_after: float | None):
        super().__init__(message, next_step)
        self.retry_after = retry_after


def check_response(response: requests.Response, source: IdentitySource, identity: AssignedIdentity) -> None:
    """Check that MSAL can handle this answer: a token, or the challenge of Azure Arc's agent.

    :raises BusyError: the same request may succeed later.
    :raises SignInError: the service refused.
    :raises ServiceUnreachableError: a proxy answered instead of the service.
    :raises UnexpectedAnswerError: the answer is neither a token nor an error of this protocol.
    """
    status = response.status_code
    if _is_challenge(response, source):
        return
    body = _parse_object(response)
    if _is_transient(status, body, response, source):
        raise _busy_error(response, source)
    if status == 403 and "unreachable" in response.text:
        # Docker Desktop's proxy gives this answer for IMDS on a computer outside Azure.
        raise ServiceUnreachableError(
            f"{capitalised(source.service)} at {source.place} cannot be reached: a proxy on this computer answered "
            f"instead. {source.reason} {_KEPT}",
            advise_on_foreign_answer(source),
        )
    if response.is_redirect:
        raise foreign_answer_error(source, f"answered with a redirect to another address (HTTP status {status})")
    if body is None:
        raise foreign_answer_error(
            source, f"answered something other than a JSON object ({content_type(response)}, HTTP status {status})"
        )
    if 200 <= status < 300:
        _check_token(response, body, source, identity)
        return
    raise _refusal(status, body, source, identity)


def _is_transient(
    status: int, body: Mapping[str, Any] | None, response: requests.Response, source: IdentitySource
) -> bool:
    """Tell whether the same request may succeed later."""
    if source.kind is not SourceKind.IMDS:
        return status in _TRANSIENT
    # The metadata services of other clouds, at the same address, answer with a page that reads "Not Found".
    return status in _TRANSIENT_OF_IMDS and not (status == 404 and body is None and response.content.strip())


def _is_challenge(response: requests.Response, source: IdentitySource) -> bool:
    """Tell whether the agent of Azure Arc demands the content of a file (RFC 7617, with the file as realm)."""
    if source.kind is not SourceKind.ARC or response.status_code != 401:
        return False
    if "Authorization" in response.request.headers:
        return False
    kind, separator, file = response.headers.get("WWW-Authenticate", "").partition("=")
    return kind.lower() == "basic realm" and bool(separator) and bool(file) and "=" not in file


def _check_token(
    response: requests.Response, body: Mapping[str, Any], source: IdentitySource, identity: AssignedIdentity
) -> None:
    """Check the members of an answer that MSAL uses without a check of its own, and add those that it requires.

    :raises UnexpectedAnswerError: the token or its lifetime is missing or invalid.
    :raises SignInError: the token belongs to another identity.
    """
    token = body.get("access_token")
    try:
        if not isinstance(token, str) or not token:
            raise ValueError("it has no token")
        replace_body(response, standard_identity_answer(body, now=time.time()))
    except ValueError as error:
        raise foreign_answer_error(source, "answered without a token and its lifetime") from error
    if source.kind is SourceKind.ARC and identity.option:
        # An agent that supports only the system-assigned identity ignores the ID. Another one repeats it.
        repeated = {
            "client-id": body.get("client_id"),
            "object-id": body.get("object_id"),
            "resource-id": body.get("msi_res_id") or body.get("mi_res_id"),
        }[identity.option]
        if str(repeated or "").lower() != str(identity.value).lower():
            raise single_identity_error(source, identity)


def single_identity_error(source: IdentitySource, identity: AssignedIdentity) -> SignInError:
    """Return the error for an ID if the service has one identity only."""
    return SignInError(
        f"{capitalised(source.service)} issues tokens for one identity only, not for {identity}. "
        f"{source.reason} {_KEPT}",
        next_step=f"Leave the ID out:\n{with_identity(source.command)}",
    )


def _busy_error(response: requests.Response, source: IdentitySource) -> BusyError:
    status = response.status_code
    pause = parse_retry_after(response.headers.get("Retry-After", ""))
    advice = advise_pause_of(pause)
    if status == 410:
        advice = "It is being updated, which takes up to 70 seconds. " + advice
    elif status == 429:
        advice = "Too many processes on this computer request tokens at the same time. " + advice
    elif status == 404:
        advice = "It is being updated, or this resource has no managed identity. " + advice
    elif source.kind is SourceKind.APP_SERVICE:
        # The service gives no other answer for a resource that does not exist.
        advice += (
            " If that does not help, check the spelling of --scope or --resource, and that the identity is assigned."
        )
    body = _parse_object(response)
    message = _message_of(body or {})
    if body is None and response.content.strip():
        advice += " If this process does not run in Azure, another program has answered in place of the service."
    return BusyError(
        with_trace(
            f"{capitalised(source.service)} at {source.place} cannot issue a token at the moment (HTTP status {status})"
            f"{': ' + message if message else ''}. {source.reason} {_KEPT}",
            body or {},
        ),
        advice,
        retry_after=pause,
    )


def _refusal(status: int, body: Mapping[str, Any], source: IdentitySource, identity: AssignedIdentity) -> SignInError:
    message = _message_of(body)
    everything = json.dumps(body, ensure_ascii=False)
    lower = everything.lower()
    commands = [str(found.login_command(source.command)) for found in _find_identities(everything, identity)]
    listed = "Sign in with one of these:\n" + "\n".join(commands) if commands else ""
    kind = RefusalKind.OTHER
    if _SEVERAL in lower:
        kind = RefusalKind.DISABLED
        headline = (
            "The resource that this command runs on has several user-assigned managed identities, and no "
            "system-assigned one."
        )
        advice = listed or (
            "Name one of them with its client ID, which the Azure portal shows on the identity's page:\n"
            f"{_with_client_id(source)}"
        )
    elif any(text in lower for text in _UNKNOWN_RESOURCE):
        headline = "The requested scope or resource was not found."
        advice = (
            "Check the spelling of --scope or --resource. An example of a scope is https://vault.azure.net/.default. "
            f"To sign in again:\n{identity.login_command(source.command)}"
        )
    elif any(text in lower for text in _NOT_ASSIGNED):
        kind = RefusalKind.DISABLED
        headline = "The resource that this command runs on has no system-assigned managed identity."
        if identity.option:
            headline = f"{capitalised(str(identity))} is not assigned to the resource that this command runs on."
        advice = listed or (source.alternative if source.federated else _advise_assignment(source, identity))
    elif status in (401, 403) and source.kind is SourceKind.IMDS:
        # It demands no secret, so it refuses no process.
        headline = f"The request for a token was refused. {likely_cause(source)}"
        advice = advise_on_foreign_answer(source)
    elif status in (401, 403):
        headline = "The request for a token was refused."
        advice = "The environment may have the secret of another process. Run the command again in a new shell."
        if source.kind is SourceKind.ARC:
            advice = "The agent's challenge failed. Run the command again, and check the agent with:\nazcmagent show"
    else:
        headline = f"No token was issued for {identity}."
        advice = listed or f"Check the ID, and run the command again:\n{identity.login_command(source.command)}"
    return SignInError(
        with_trace(
            f"{headline}\n{capitalised(source.service)} at {source.place} answered with HTTP status {status}: "
            f"{message or 'no message'}\n{source.reason} {_KEPT}",
            body,
        ),
        next_step=advice,
        kind=kind,
    )


def _advise_assignment(source: IdentitySource, identity: AssignedIdentity) -> str:
    again = identity.login_command(source.command)
    if identity.option:
        return (
            "Check the ID. If it is right, assign the identity to the resource, for a virtual machine with "
            "`az vm identity assign --identities RESOURCE_ID`; then run:\n"
            f"{again}"
        )
    if source.kind is SourceKind.ARC:
        return f"Check that the server is connected with `azcmagent show`; then run:\n{again}"
    if source.kind is SourceKind.SERVICE_FABRIC:
        return f"Configure one for the application in the cluster, deploy it again, then run:\n{again}"
    return (
        "Turn it on for the resource, for a virtual machine with `az vm identity assign`; then run the command again. "
        f"Or name a user-assigned one:\n{_with_client_id(source)}"
    )


def _with_client_id(source: IdentitySource) -> Command:
    return with_identity(source.command, "client-id", "CLIENT_ID")


def _find_identities(text: str, wanted: AssignedIdentity) -> list[AssignedIdentity]:
    """Return the identities that an answer names, except the wanted one. A bare GUID counts as a client ID."""
    resources = _RESOURCE_ID.findall(text)
    found = [AssignedIdentity("resource-id", resource) for resource in resources]
    # The GUIDs in Entra's messages are never those of other identities.
    if "identities" in text.lower() and "AADSTS" not in text:
        rest = _RESOURCE_ID.sub(" ", text)
        guids = [match["guid"] for match in _LABELLED_GUID.finditer(rest) if not match["other"]]
        found += [AssignedIdentity("client-id", guid) for guid in guids]
    different = [one for one in found if str(one.value).lower() != str(wanted.value).lower()]
    return list(dict.fromkeys(different))


def _message_of(body: Mapping[str, Any]) -> str:
    """Return the message of a refusal on one line, from the members that these services use."""
    error = body.get("error")
    parts: Mapping[str, Any] = error if isinstance(error, Mapping) else body
    for name in ("error_description", "message", "Message", "error", "code"):
        text = parts.get(name)
        if isinstance(text, str) and text.strip():
            line = without_trace(text)
            return "".join(c if c.isprintable() else "?" for c in line)[:_LONGEST_MESSAGE].rstrip(". ")
    return ""


def _parse_object(response: requests.Response) -> Mapping[str, Any] | None:
    """Return the JSON object of an answer; None for any other content."""
    try:
        body = parse_json(response.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
