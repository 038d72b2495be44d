"""What Entra said, and what to do next.

The numbers are AADSTS codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes. They decide
the wording only; a code that is not known here still gets Entra's own text and a command to run.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from knack.log import get_logger

from azext_login.errors import InteractionRequiredError, ServiceBusyError, SignInError
from azext_login.system.text import printable

logger = get_logger(__name__)

_WRONG_PASSWORD = frozenset({50126, 50056})
_UNKNOWN_USER = frozenset({50034, 51004})
_DISABLED_USER = frozenset({50057})
_LOCKED_USER = frozenset({50053})
_PASSWORD_EXPIRED = frozenset({50055})
_NOT_IN_TENANT = frozenset({50020, 90072})
_UNKNOWN_TENANT = frozenset({90002, 900021, 900023, 50059})
_NEEDS_FACTOR = frozenset({50072, 50074, 50076, 50078, 50079, 50158, 53000, 53001, 53003, 50005, 50097})
_SESSION_ENDED = frozenset({50173, 70008, 70043, 700081, 700082, 700084, 50132, 50133, 50089, 65002})
_CONSENT_MISSING = frozenset({65001, 90094, 90095, 65004})
_UNKNOWN_RESOURCE = frozenset({500011, 650053})
_SEVERAL_RESOURCES = frozenset({28000})
_INVALID_SCOPE = frozenset({70011})
# What is wrong with the scopes of a request, rather than with who makes it.
_SCOPES_REFUSED = _UNKNOWN_RESOURCE | _SEVERAL_RESOURCES | _INVALID_SCOPE
_PERSONAL_ACCOUNT = frozenset({9001023, 500201, 500208, 50194})
_DEVICE_CODE_EXPIRED = frozenset({70020})
_BUSY = frozenset({50087, 90006, 90012, 90024, 90033, 90036, 90055})

_LONGEST_DETAIL = 1000  # characters

# RFC 6749 section 4.1.2.1; Entra says them at the token endpoint as well.
_BUSY_WORDS = ("temporarily_unavailable", "server_error")

# Codes, whether a person has to sign in interactively, and the sentence to begin with. The first match counts.
_SENTENCES: tuple[tuple[frozenset[int], bool, str], ...] = (
    (
        _WRONG_PASSWORD,
        False,
        "The user name or password of {who} is wrong. Nothing that was stored before has changed.",
    ),
    (_UNKNOWN_USER, False, "There is no user {who} in {where}."),
    (_DISABLED_USER, False, "The account {who} is disabled. An administrator of its tenant can enable it."),
    (_LOCKED_USER, False, "The account {who} is locked after too many attempts, or its sign-in was blocked."),
    (_PASSWORD_EXPIRED, True, "Interactive authentication is needed: the password of {who} has expired."),
    (_UNKNOWN_TENANT, False, "There is no {where} at this authority."),
    (_NOT_IN_TENANT, False, "{who} is not a member or a guest of {where}."),
    (
        _NEEDS_FACTOR,
        True,
        "Interactive authentication is needed: {where} asks for more than the sign-in so far proved.",
    ),
    (
        _SESSION_ENDED,
        True,
        "Interactive authentication is needed: the stored sign-in of {who} has expired or was revoked.",
    ),
)

# The same for service principals, with what to look at before signing in again.
_PRINCIPAL_SENTENCES: tuple[tuple[frozenset[int], str, str], ...] = (
    (
        frozenset({7000215}),
        "The client secret of {who} is wrong.",
        "Give the secret's value, not its ID. A certificate is given with --certificate instead.",
    ),
    (
        frozenset({7000222}),
        "The client secret of {who} has expired.",
        "Whoever owns the application can make a new one: `az ad app credential reset --append --id {client_id}`.",
    ),
    (
        frozenset({700016, 7000229, 7000112}),
        "There is no {who} in {where} that could sign in.",
        "Check the application (client) ID and --tenant, and that the application is not disabled.",
    ),
    (
        frozenset({700211, 700212, 700213, 700214, 700021, 700023}),
        "What {who} proves itself with names another issuer, subject or audience than is registered.",
        "Check the application (client) ID. Compare a federated token with what the application trusts: "
        "`az ad app federated-credential list --id {client_id}`.",
    ),
    (
        frozenset({700024}),
        "What {who} proves itself with has expired, or is not valid yet.",
        "Take a new federated token, and check the clock of this machine.",
    ),
    (
        frozenset({700027, 700030, 50027, 50013}),
        "The signature that {who} proves itself with was refused.",
        "Check that the certificate is registered: `az ad app credential list --cert --id {client_id}`. If it was a "
        "federated token, check its issuer.",
    ),
    (
        frozenset({53000, 53001, 53003, 530003, 530034, 530035}),
        "A conditional access policy of {where} keeps {who} out.",
        "An administrator of the tenant finds the reason in its sign-in logs.",
    ),
)

# Domains in which personal Microsoft accounts are given out. Entra refuses their passwords with the same answer
# as a user that does not exist, so the name is all there is to tell them apart.
_PERSONAL_DOMAINS = ("outlook.", "hotmail.", "live.", "msn.com", "passport.com")


@dataclass(frozen=True)
class Attempt:
    """What was tried: enough to say which command to run instead."""

    tenant: str | None = None
    username: str | None = None
    scopes: Sequence[str] | None = None
    """Scopes to name in the advice; None for those that `az login` asks for anyway."""
    claims_challenge: str | None = None
    with_password: bool = False
    service_principal: str | None = None
    """Options of `az login` that sign the service principal in again, without a secret; None for a person."""


def explain(error: Mapping[str, Any], attempt: Attempt) -> SignInError | ServiceBusyError:
    """Return the error to raise for an OAuth error answer (RFC 6749 section 5.2, with Entra's additions).

    A refusal says how to sign in. That the service has failed does not: signing in would not help.
    """
    listed = error.get("error_codes")
    codes = frozenset(code for code in listed if isinstance(code, int)) if isinstance(listed, list) else frozenset()
    detail = _first_line(error.get("error_description")) or _reason(error.get("error"))
    logger.info("Entra refused: codes=%s %s", sorted(codes), " ".join(
        f"{key}={printable(error.get(key))}" for key in ("error", "suberror", "trace_id", "correlation_id")
    ))  # fmt: skip

    if codes & _BUSY or error.get("error") in _BUSY_WORDS:
        return ServiceBusyError(
            f"The sign-in service is overloaded, or failed for the moment.\n{detail}",
            "Nothing that was stored before has changed. Run the command again in a minute.",
        )
    if attempt.service_principal:
        return _explain_principal(error, codes, detail, attempt)
    interactive, headline = _headline(error, codes, attempt)
    kind = InteractionRequiredError if interactive else SignInError
    return kind(
        f"{headline}\n{detail}" if headline else detail,
        entra_error=error,
        next_step=_next_step(codes, error, attempt, interactive),
    )


def _explain_principal(error: Mapping[str, Any], codes: frozenset[int], detail: str, attempt: Attempt) -> SignInError:
    """Return the error for a service principal: nobody is there to sign in interactively."""
    who, where = f"service principal '{attempt.username}'", f"tenant '{attempt.tenant}'"
    if codes & (_UNKNOWN_TENANT | _SCOPES_REFUSED):
        headline = _headline(error, codes, attempt)[1]
        return SignInError(
            f"{headline}\n{detail}", entra_error=error, next_step=_next_step(codes, error, attempt, interactive=False)
        )
    for known, sentence, advice in _PRINCIPAL_SENTENCES:
        if codes & known:
            detail = f"{sentence.format(who=who, where=where)}\n{detail}"
            hint = advice.format(client_id=attempt.username) + " "
            break
    else:
        hint = ""
    return SignInError(detail, entra_error=error, next_step=f"{hint}To sign in again, run:\n{login_command(attempt)}")


def _headline(error: Mapping[str, Any], codes: frozenset[int], attempt: Attempt) -> tuple[bool, str]:
    """Return whether a person has to sign in interactively, and the sentence to begin with."""
    who = f"'{attempt.username}'" if attempt.username else "the account"
    where = f"tenant '{attempt.tenant}'" if attempt.tenant else "the home tenant"
    if attempt.with_password and (codes & _PERSONAL_ACCOUNT or (codes & _UNKNOWN_USER and _is_personal(attempt))):
        return True, (
            f"Interactive authentication is needed: {who} is a personal Microsoft account, and those cannot sign in "
            "with --username and --password."
        )
    for known, interactive, sentence in _SENTENCES:
        if codes & known:
            return interactive, sentence.format(who=who, where=where)
    if codes & _CONSENT_MISSING:
        return codes.isdisjoint({65004}), "Consent is missing: this was not granted, or needs an administrator."
    if codes & _SEVERAL_RESOURCES:
        return False, "The scopes belong to more than one resource, and a token is for one."
    if codes & _INVALID_SCOPE:
        return False, "A scope that was asked for is not valid."
    if codes & _UNKNOWN_RESOURCE or error.get("error") in ("invalid_scope", "invalid_resource"):
        return False, "The scope or resource that was asked for does not exist in this tenant."
    if codes & _DEVICE_CODE_EXPIRED or error.get("error") in ("expired_token", "authorization_pending"):
        return False, "The device code expired before anybody entered it."
    if error.get("error") in ("authorization_declined", "access_denied"):
        return False, "The sign-in was declined in the browser."
    if error.get("error") == "interaction_required":
        return True, "Interactive authentication is needed."
    return False, ""


def _next_step(codes: frozenset[int], error: Mapping[str, Any], attempt: Attempt, interactive: bool) -> str:
    if codes & _UNKNOWN_TENANT:
        return "Check the tenant's ID or domain name, and the active cloud with `az cloud show`."
    if codes & _SEVERAL_RESOURCES:
        one = replace(attempt, scopes=(attempt.scopes or ())[:1])
        return f"Give the scopes of one resource. To sign in for the first of them, run:\n{login_command(one)}"
    if codes & _SCOPES_REFUSED or error.get("error") in ("invalid_scope", "invalid_resource"):
        # Callers such as azure-identity look for `az login` in the message to try their next credential.
        return (
            "Check the spelling of --scope or --resource. A scope reads like https://vault.azure.net/.default. "
            f"If it is right and was added lately, sign in again:\n{login_command(attempt)}"
        )
    if attempt.with_password and codes & _NEEDS_FACTOR and not attempt.tenant and attempt.username:
        # A user principal name ends with a verified domain of its home tenant, so the domain names the tenant.
        attempt = replace(attempt, tenant=attempt.username.rpartition("@")[2])
    command = login_command(attempt)
    if interactive:
        return (
            "Run the command below to authenticate interactively; additional arguments may be added as needed:\n"
            f"{command}"
        )
    return f"To sign in, run:\n{command}"


def login_command(attempt: Attempt) -> str:
    """Return the `az login` to run, quoted for every shell. Never contains a secret."""
    parts = ["az login"]
    if attempt.service_principal:
        parts.append(attempt.service_principal)
    if attempt.tenant:
        # A second factor counts per tenant, so the tenant has to be named to be asked for it.
        parts.append(f'--tenant "{printable(attempt.tenant)}"')
    if attempt.scopes and not attempt.service_principal:
        # A resource such as Microsoft Graph may ask for a factor that Resource Manager does not.
        parts.append("--scope " + " ".join(f'"{scope}"' for scope in attempt.scopes))
    if attempt.claims_challenge:
        encoded = base64.b64encode(attempt.claims_challenge.encode("utf-8")).decode("ascii")
        parts.append(f'--claims-challenge "{encoded}"')
    return " ".join(parts)


def unknown_tenant(tenant: str, address: str) -> SignInError:
    """Return the error for a tenant that the authority has no discovery document for."""
    return SignInError(
        f"Tenant '{printable(tenant)}' was not found at {address}.",
        next_step="Check the tenant's ID or domain name, and the active cloud with `az cloud show`; then run "
        "`az login` with the right --tenant. A service principal needs one; a person may leave --tenant out.",
    )


def not_one_tenant(name: str) -> SignInError:
    """Return the error for a name that stands for many tenants, such as `common` or `organizations`."""
    return SignInError(
        f"'{name}' does not name one tenant.",
        next_step="Give the tenant's ID or its domain name, or leave --tenant out to sign in to all:\naz login",
    )


def _is_personal(attempt: Attempt) -> bool:
    domain = (attempt.username or "").rpartition("@")[2].lower()
    return any(domain == known or domain.startswith(known) for known in _PERSONAL_DOMAINS)


def _reason(error: Any) -> str:
    """Return what an answer without a description says: a word of OAuth, or the object of another kind of service."""
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("code")
    return printable(error or "The service gave no reason.")[:_LONGEST_DETAIL]


def _first_line(description: Any) -> str:
    """Return Entra's sentence without the trace lines that follow it."""
    if not isinstance(description, str):
        return ""
    return printable(description.strip().partition("\n")[0].partition(" Trace ID:")[0])[:_LONGEST_DETAIL].strip()
