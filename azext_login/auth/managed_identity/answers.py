"""What the service for managed identities answered: a token, or which error it is and what to do next.

https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
https://learn.microsoft.com/azure/service-fabric/how-to-managed-identity-service-fabric-app-code#error-handling
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import requests

from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.auth.managed_identity.sources import IdentitySource, SourceKind
from azext_login.errors import ServiceUnreachableError, SignInError, UnexpectedAnswerError
from azext_login.system.http.errors import capitalised, content_type
from azext_login.system.http.session import parse_retry_after

_KEPT = "Nothing that was stored before has changed."

# Answers after which the same request may succeed. Only IMDS says so of 404 and 410, while it is being updated.
_TRANSIENT = frozenset({408, 429}) | frozenset(range(500, 600))
_TRANSIENT_OF_IMDS = _TRANSIENT | {404, 410}

# How the services say that an identity is not there for this resource.
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
# A GUID, with the word before it that says if it is of something else than an identity.
_LABELLED_GUID = re.compile(
    rf"(?P<other>\b(?:correlation|trace|request|activity|tenant|subscription)[ _-]?id\W{{0,5}})?\b(?P<guid>{_GUID})\b",
    re.IGNORECASE,
)
_LONGEST_REASON = 400  # characters
_LATEST = 10**12  # POSIX time in seconds; far more than any calendar holds


class BusyError(UnexpectedAnswerError):
    """The service is overloaded, restarting or being updated. `retry_after` is what it asks for, in seconds."""

    def __init__(self, message: str, next_step: str, *, retry_after: float | None):
        super().__init__(message, next_step)
        self.retry_after = retry_after


def check_answer(response: requests.Response, source: IdentitySource, identity: AssignedIdentity) -> None:
    """Return if MSAL can go on with this answer: a token, or the challenge of Azure Arc's agent.

    :raises BusyError: the same request may succeed later.
    :raises SignInError: the service refuses.
    :raises ServiceUnreachableError: something else answered in its place.
    :raises UnexpectedAnswerError: the answer is neither a token nor an error of this protocol.
    """
    status = response.status_code
    if _is_challenge(response, source):
        return
    if status in (_TRANSIENT_OF_IMDS if source.kind is SourceKind.IMDS else _TRANSIENT):
        raise _busy(response, source)
    if status == 403 and "unreachable" in response.text:
        # Docker Desktop's proxy answers so for IMDS on a machine that is not in Azure.
        raise ServiceUnreachableError(
            f"{capitalised(source.service)} at {source.place} cannot be reached: a proxy of this machine answered in "
            f"its place. {source.reason} {_KEPT}",
            f"Outside Azure there is no managed identity. {source.alternative}",
        )
    body = _json_of(response)
    if body is None:
        raise UnexpectedAnswerError(
            f"{capitalised(source.service)} at {source.place} answered something other than a JSON object "
            f"({content_type(response)}, HTTP status {status}). {source.reason} {_KEPT}",
            "Something else may have answered in its place. Check the environment and run the command again.",
        )
    if 200 <= status < 300:
        _check_token(body, source, identity)
        return
    raise _refused(status, body, source, identity)


def _is_challenge(response: requests.Response, source: IdentitySource) -> bool:
    """Tell whether the agent of Azure Arc asks for the content of a file (RFC 7617, with the file as realm)."""
    if source.kind is not SourceKind.ARC or response.status_code != 401:
        return False
    if "Authorization" in response.request.headers:
        return False
    kind, separator, file = response.headers.get("WWW-Authenticate", "").partition("=")
    return kind.lower() == "basic realm" and bool(separator) and bool(file) and "=" not in file


def _check_token(body: Mapping[str, Any], source: IdentitySource, identity: AssignedIdentity) -> None:
    """Check what MSAL reads without looking.

    :raises UnexpectedAnswerError: it is not there.
    :raises SignInError: the token is that of another identity.
    """
    # MSAL reads the one or the other (msal/managed_identity.py).
    relative = source.kind in (SourceKind.IMDS, SourceKind.ARC, SourceKind.CLOUD_SHELL)
    lifetime = body.get("expires_in" if relative else "expires_on")
    token = body.get("access_token")
    try:
        usable = isinstance(token, str) and bool(token) and 0 < int(lifetime or 0) < _LATEST
    except (TypeError, ValueError, OverflowError):
        usable = False
    if not usable:
        raise UnexpectedAnswerError(
            f"{capitalised(source.service)} at {source.place} answered without a token and its lifetime. "
            f"{source.reason} {_KEPT}",
            "Something else may have answered in its place. Check the environment and run the command again.",
        )
    if source.kind is SourceKind.ARC and identity.option:
        # An agent that knows the machine's own identity only ignores the ID. One that knows more repeats it.
        repeated = {
            "client-id": body.get("client_id"),
            "object-id": body.get("object_id"),
            "resource-id": body.get("msi_res_id") or body.get("mi_res_id"),
        }[identity.option]
        if str(repeated or "").lower() != str(identity.value).lower():
            raise no_choice(source, identity)


def no_choice(source: IdentitySource, identity: AssignedIdentity) -> SignInError:
    """Return the error for an ID given to a service that has one identity only."""
    return SignInError(
        f"{capitalised(source.service)} gives tokens of one identity only, and not of {identity}. "
        f"{source.reason} {_KEPT}",
        next_step="Leave the ID out:\naz login --identity",
    )


def _busy(response: requests.Response, source: IdentitySource) -> BusyError:
    status = response.status_code
    advice = "Run the command again in a minute."
    if status == 410:
        advice = "It is being updated, which takes up to 70 seconds. " + advice
    elif status == 429:
        advice = "Too many processes of this machine ask at once. " + advice
    elif status == 404:
        advice = "It is being updated, or this machine has no managed identity. " + advice
    elif source.kind is SourceKind.APP_SERVICE:
        # The real service says no more when the resource does not exist.
        advice += " If it stays so, check the spelling of --scope or --resource, and that the identity is assigned."
    reason = _reason(_json_of(response) or {})
    return BusyError(
        f"{capitalised(source.service)} at {source.place} cannot give a token at the moment (HTTP status {status})"
        f"{': ' + reason if reason else ''}. {source.reason} {_KEPT}",
        advice,
        retry_after=parse_retry_after(response.headers.get("Retry-After", "")),
    )


def _refused(status: int, body: Mapping[str, Any], source: IdentitySource, identity: AssignedIdentity) -> SignInError:
    reason = _reason(body)
    everything = json.dumps(body, ensure_ascii=False)
    lower = everything.lower()
    commands = [f"az login --identity{found.arguments}" for found in _identities_in(everything, identity)]
    listed = "Sign in with one of these:\n" + "\n".join(commands) if commands else ""
    if _SEVERAL in lower:
        headline = "This machine has no system-assigned managed identity, but several user-assigned ones."
        advice = listed or (
            "Name one of them with its client ID, which the Azure portal shows on the identity's page:\n"
            "az login --identity --client-id CLIENT_ID"
        )
    elif any(text in lower for text in _UNKNOWN_RESOURCE):
        headline = "There are no tokens for the scope or resource that was asked for."
        advice = (
            "Check the spelling of --scope or --resource. A scope reads like https://vault.azure.net/.default. "
            f"To sign in again:\naz login --identity{identity.arguments}"
        )
    elif any(text in lower for text in _NOT_ASSIGNED):
        headline = "The resource that this command runs on has no system-assigned managed identity."
        if identity.option:
            headline = f"{capitalised(str(identity))} is not assigned to the resource that this command runs on."
        advice = listed or (source.alternative if source.federated else _assign(source, identity))
    elif status in (401, 403):
        headline = "The request for a token was refused."
        advice = "A secret in the environment may be that of another process. Run the command again in a new shell."
        if source.kind is SourceKind.ARC:
            advice = "The agent's challenge failed. Run the command again, and check the agent with:\nazcmagent show"
    else:
        headline = f"There is no token of {identity}."
        advice = listed or f"Check the ID, and run the command again:\naz login --identity{identity.arguments}"
    return SignInError(
        f"{headline}\n{capitalised(source.service)} at {source.place} answered with HTTP status {status}: "
        f"{reason or 'no reason given'}\n{source.reason} {_KEPT}",
        next_step=advice,
    )


def _assign(source: IdentitySource, identity: AssignedIdentity) -> str:
    if identity.option:
        return (
            "Check the ID. If it is right, assign the identity to the resource, for a virtual machine with "
            "`az vm identity assign --identities RESOURCE_ID`; then run:\n"
            f"az login --identity{identity.arguments}"
        )
    if source.kind is SourceKind.ARC:
        return "Check that the server is connected with `azcmagent show`; then run:\naz login --identity"
    if source.kind is SourceKind.SERVICE_FABRIC:
        return "Configure one for the application in the cluster, deploy it again, then run:\naz login --identity"
    return (
        "Turn it on for the resource, for a virtual machine with `az vm identity assign`; then run the command again. "
        "Or name a user-assigned one:\naz login --identity --client-id CLIENT_ID"
    )


def _identities_in(text: str, wanted: AssignedIdentity) -> list[AssignedIdentity]:
    """Return the identities that an answer names, other than the wanted one. A bare GUID is taken for a client ID."""
    resources = _RESOURCE_ID.findall(text)
    found = [AssignedIdentity("resource-id", resource) for resource in resources]
    # Entra's descriptions are full of GUIDs, none of which is another identity.
    if "identities" in text.lower() and "AADSTS" not in text:
        rest = _RESOURCE_ID.sub(" ", text)
        guids = [match["guid"] for match in _LABELLED_GUID.finditer(rest) if not match["other"]]
        found += [AssignedIdentity("client-id", guid) for guid in guids]
    different = [one for one in found if str(one.value).lower() != str(wanted.value).lower()]
    return list(dict.fromkeys(different))


def _reason(body: Mapping[str, Any]) -> str:
    """Return what a refusal says, in the shapes of all these services, on one line."""
    error = body.get("error")
    parts: Mapping[str, Any] = error if isinstance(error, Mapping) else body
    for name in ("error_description", "message", "Message", "error", "code"):
        text = parts.get(name)
        if isinstance(text, str) and text.strip():
            line = text.strip().splitlines()[0].partition(" Trace ID:")[0]
            return "".join(c if c.isprintable() else "?" for c in line)[:_LONGEST_REASON].rstrip(". ")
    return ""


def _json_of(response: requests.Response) -> Mapping[str, Any] | None:
    """Return the object in an answer; None if there is none."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
