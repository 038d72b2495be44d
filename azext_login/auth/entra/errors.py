"""Errors of Entra ID, with what to run next."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from azext_login.auth.entra.clocks import clock_problem
from azext_login.auth.entra.refusals import (
    OF_POLICIES,
    OF_SERVICE_PRINCIPALS,
    OF_THE_SERVICE,
    OF_USERS,
    PERSONAL_ACCOUNT,
    SEVERAL_RESOURCES,
    SIGN_IN,
    SIGN_IN_AGAIN,
    UNKNOWN_USER,
    Refusal,
    find_refusal,
)
from azext_login.auth.refusal_trace import with_trace, without_trace
from azext_login.auth.token_answers import as_integer
from azext_login.errors import InteractionRequiredError, RefusalKind, ServiceBusyError, SignInError
from azext_login.system.command_line import AZ_LOGIN, Command, quote_word
from azext_login.system.log import get_logger
from azext_login.system.login_command import every_tenant, one_tenant
from azext_login.system.text import printable

logger = get_logger(__name__)

_LONGEST_DETAIL = 1000  # characters

# "AADSTS50126: Error validating credentials due to invalid username or password."
_CODE = re.compile(r"\bAADSTS([0-9]{1,9})\b")

# Domains of personal Microsoft accounts. Entra refuses their passwords with the same code as an unknown user, so only
# the name tells them apart.
_PERSONAL_DOMAINS = ("outlook.", "hotmail.", "live.", "msn.com", "passport.com")


@dataclass(frozen=True)
class Attempt:
    """What was tried, to name the command to run instead."""

    tenant: str | None = None
    username: str | None = None
    scopes: Sequence[str] | None = None
    """Scopes to name in the advice; None for those that `az login` requests by default."""
    claims_challenge: str | None = None
    with_password: bool = False
    service_principal: bool = False
    """Whether it is a service principal, and not a user."""
    command: Command | None = None
    """The `az login` to repeat, without a secret; None if another command ran for a user."""


def explain(
    error: Mapping[str, Any], attempt: Attempt, *, clock: Callable[[], float] = time.time
) -> SignInError | ServiceBusyError:
    """Return the error to raise for an OAuth error answer (RFC 6749 section 5.2, with Entra's additions).

    A refusal names the command to sign in with. A failure of the service does not: signing in would not help. The last
    line of the message has the IDs and the time of the answer.
    """
    codes, word = _codes_in(error), error.get("error")
    detail = _sentence(error.get("error_description")) or _reason(word)
    logger.info("Entra refused: codes=%s %s", sorted(codes), " ".join(
        f"{key}={printable(error.get(key))}" for key in ("error", "suberror", "trace_id", "correlation_id")
    ))  # fmt: skip

    word = word if isinstance(word, str) else None
    if busy := find_refusal(OF_THE_SERVICE, codes, word):
        return ServiceBusyError(with_trace(f"{busy.sentence}\n{detail}", error), busy.next_step)
    clocks = clock_problem(error.get("error_description"), clock())
    if clocks is not None:
        # MSAL writes the time of this computer into the assertion of a certificate.
        return SignInError(
            with_trace(f"{clocks}\n{detail}", error),
            entra_error=error,
            next_step="Set the clock of this computer; then run the command again.",
            kind=RefusalKind.CLOCK_WRONG,
        )
    refusal = _refusal_of(codes, word, attempt)
    kind = InteractionRequiredError if refusal and refusal.is_interactive else SignInError
    return kind(
        with_trace(f"{_fill(refusal.sentence, attempt)}\n{detail}" if refusal else detail, error),
        entra_error=error,
        next_step=_next_step(refusal, attempt),
        kind=refusal.kind if refusal else None,
        login=login_command(attempt).options if _is_up_to_the_user(refusal, attempt) else None,
    )


def _is_up_to_the_user(refusal: Refusal | None, attempt: Attempt) -> bool:
    """Tell whether the request can succeed after the user has signed in again."""
    if refusal is None or attempt.service_principal:
        return False
    return refusal.is_interactive or refusal.kind is RefusalKind.EXPIRED


def _codes_in(error: Mapping[str, Any]) -> frozenset[int]:
    """Return the AADSTS codes of a refusal. An answer that comes through the browser has its code in the text only."""
    listed, text = error.get("error_codes"), error.get("error_description")
    numbers = map(as_integer, listed) if isinstance(listed, list) else ()
    codes = frozenset(number for number in numbers if number is not None)
    found = _CODE.search(text) if isinstance(text, str) and not codes else None
    return frozenset([int(found[1])]) if found else codes


def _refusal_of(codes: frozenset[int], word: str | None, attempt: Attempt) -> Refusal | None:
    if attempt.service_principal:
        return find_refusal(OF_SERVICE_PRINCIPALS, codes)
    is_personal = codes & PERSONAL_ACCOUNT.codes or (codes & UNKNOWN_USER.codes and _is_personal(attempt))
    if attempt.with_password and is_personal:
        return PERSONAL_ACCOUNT
    return find_refusal(OF_USERS, codes, word)


def _fill(sentence: str, attempt: Attempt) -> str:
    who = f"'{attempt.username}'" if attempt.username else "the account"
    if attempt.service_principal:
        who = f"service principal {who}"
    where = f"tenant '{attempt.tenant}'" if attempt.tenant else "the home tenant"
    if not attempt.username:
        sentence = sentence.replace("account {who}", "account").replace("user {who}", "such user")
    filled = sentence.format(who=who, where=where)
    return filled[:1].upper() + filled[1:]


def _next_step(refusal: Refusal | None, attempt: Attempt) -> str:
    template = refusal.next_step if refusal else SIGN_IN_AGAIN if attempt.service_principal else SIGN_IN
    if refusal is SEVERAL_RESOURCES:
        attempt = replace(attempt, scopes=(attempt.scopes or ())[:1])
    elif refusal in OF_POLICIES and attempt.with_password and not attempt.tenant and attempt.username:
        # A user principal name ends with a verified domain of its home tenant, so the domain names the tenant.
        attempt = replace(attempt, tenant=attempt.username.rpartition("@")[2])
    command = login_command(attempt)
    if refusal and refusal.is_interactive and not attempt.service_principal:
        command = command.without("--username", "--password")
    return template.format(command=command, client_id=quote_word(attempt.username or ""))


def login_command(attempt: Attempt) -> Command:
    """Return the `az login` to run. Never contains a secret."""
    command = attempt.command or AZ_LOGIN
    if command.has("--from-env") or command.has("--identity"):
        # The tenant belongs to the account.
        return command
    if attempt.tenant:
        # Each tenant has its own policy for second factors, and asks for one only when it is named.
        command = one_tenant(command, attempt.tenant)
    if attempt.scopes and not attempt.service_principal:
        # A resource such as Microsoft Graph may require a factor that Resource Manager does not.
        command = command.with_option("--scope", *attempt.scopes)
    if attempt.claims_challenge:
        encoded = base64.b64encode(attempt.claims_challenge.encode("utf-8")).decode("ascii")
        command = command.with_option("--claims-challenge", encoded)
    return command


def unknown_tenant(tenant: str, address: str, refusal: Mapping[str, Any], again: Command | None = None) -> SignInError:
    """Return the error for a tenant that the authority has no discovery document for.

    :param refusal: the authority's answer; empty if it gave none.
    :param again: the `az login` that runs; None for another command.
    """
    message = f"Tenant '{printable(tenant)}' was not found at {address}. Nothing that was stored before has changed."
    detail = _sentence(refusal.get("error_description"))
    return SignInError(
        with_trace(f"{message}\n{detail}" if detail else message, refusal),
        next_step="Check the tenant's ID or domain name, and the active cloud with `az cloud show`. A user can omit "
        f"--tenant; a service principal needs it. To sign in, run:\n{one_tenant(again or AZ_LOGIN)}",
        kind=RefusalKind.UNKNOWN_NAME,
    )


def not_one_tenant(name: str, again: Command | None = None) -> SignInError:
    """Return the error for a name that means many tenants, such as `common` or `organizations`.

    :param again: the `az login` that runs; None for another command.
    """
    command = every_tenant(again or AZ_LOGIN)
    omit = "." if command.has("--tenant") else ", or omit --tenant to sign in to all tenants:"
    return SignInError(
        f"'{name}' does not name one tenant.",
        next_step=f"Give the tenant's ID or its domain name{omit}\n{command}",
    )


def _is_personal(attempt: Attempt) -> bool:
    domain = (attempt.username or "").rpartition("@")[2].lower()
    return any(domain == known or domain.startswith(known) for known in _PERSONAL_DOMAINS)


def _reason(error: Any) -> str:
    """Return the reason in an answer without a description: an OAuth error code, or another service's error object."""
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("code")
    return printable(error or "The service gave no reason.")[:_LONGEST_DETAIL]


def _sentence(description: Any) -> str:
    """Return Entra's sentence without the IDs and the time that follow it."""
    return printable(without_trace(description))[:_LONGEST_DETAIL].strip() if isinstance(description, str) else ""
