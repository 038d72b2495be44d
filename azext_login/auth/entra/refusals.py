"""The refusals of Entra ID that are known by their codes: what each one means, and what to run next.

The numbers are AADSTS codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes. They decide the
wording only. An unknown code is still reported with Entra's own text and a command to run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SIGN_IN = "To sign in, run:\n{command}"
SIGN_IN_AGAIN = "To sign in again, run:\n{command}"
AUTHENTICATE = (
    "Run the command below to authenticate interactively; additional arguments may be added as needed:\n{command}"
)
_CHECK_TENANT = "Check the tenant's ID or domain name, and the active cloud with `az cloud show`."
# Programs such as azure-identity look for `az login` in the message before they try their next credential.
_CHECK_SCOPES = (
    "Check the spelling of --scope or --resource. A scope reads like https://vault.azure.net/.default. "
    "If it is right and was added lately, sign in again:\n{command}"
)


@dataclass(frozen=True)
class Refusal:
    """One reason for which Entra ID refuses a request."""

    codes: frozenset[int]
    sentence: str
    """The first sentence of the message. `{who}` and `{where}` are the account and its tenant."""
    next_step: str = SIGN_IN
    """`{command}` is the `az login` to run, `{client_id}` the application that was refused."""
    words: frozenset[str] = frozenset()
    """Values of `error` (RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5) with the same meaning."""

    @property
    def is_interactive(self) -> bool:
        """Whether only the user can continue, in an interactive sign-in."""
        return self.next_step == AUTHENTICATE


def find_refusal(table: Iterable[Refusal], codes: frozenset[int], word: object = None) -> Refusal | None:
    """Return the first refusal of a table with one of these codes, or with this value of `error`."""
    return next((one for one in table if codes & one.codes or word in one.words), None)


# The service is overloaded, or failed for the moment. Signing in again would not help.
BUSY = Refusal(
    frozenset({50087, 90006, 90012, 90024, 90033, 90036, 90055}),
    "The sign-in service is overloaded, or failed for the moment.",
    "Nothing that was stored before has changed. Run the command again in a minute.",
    words=frozenset({"temporarily_unavailable", "server_error"}),
)

UNKNOWN_USER = Refusal(
    frozenset({50034, 51004}), "There is no user {who} in {where}. Nothing that was stored before has changed."
)

# Only where a password was sent.
PERSONAL_ACCOUNT = Refusal(
    frozenset({9001023, 500201, 500208, 50194}),
    "Interactive authentication is needed: {who} is a personal Microsoft account, and those cannot sign in with "
    "--username and --password.",
    AUTHENTICATE,
)

NEEDS_FACTOR = Refusal(
    frozenset({50072, 50074, 50076, 50078, 50079, 50158, 53000, 53001, 53003, 50005, 50097}),
    "Interactive authentication is needed: {where} asks for more than this sign-in has provided.",
    AUTHENTICATE,
)

_UNKNOWN_TENANT = Refusal(
    frozenset({90002, 900021, 900023, 50059}), "There is no {where} at this authority.", _CHECK_TENANT
)

SEVERAL_RESOURCES = Refusal(
    frozenset({28000}),
    "The scopes belong to more than one resource, and a token is valid for one resource only.",
    "Give the scopes of one resource. To sign in for the first of them, run:\n{command}",
)

_INVALID_SCOPE = Refusal(frozenset({70011}), "A requested scope is not valid.", _CHECK_SCOPES)

_UNKNOWN_RESOURCE = Refusal(
    frozenset({500011, 650053}),
    "The requested scope or resource does not exist in this tenant.",
    _CHECK_SCOPES,
    words=frozenset({"invalid_scope", "invalid_resource"}),
)

# The first match counts.
OF_USERS = (
    Refusal(
        frozenset({50126, 50056}),
        "The user name or password of {who} is wrong. Nothing that was stored before has changed.",
    ),
    UNKNOWN_USER,
    Refusal(frozenset({50057}), "The account {who} is disabled. An administrator of its tenant can enable it."),
    Refusal(frozenset({50053}), "The account {who} is locked after too many attempts, or its sign-in was blocked."),
    Refusal(
        frozenset({50055}), "Interactive authentication is needed: the password of {who} has expired.", AUTHENTICATE
    ),
    _UNKNOWN_TENANT,
    Refusal(frozenset({50020, 90072}), "{who} is not a member or a guest of {where}."),
    NEEDS_FACTOR,
    Refusal(
        frozenset({50173, 70008, 70043, 700081, 700082, 700084, 50132, 50133, 50089, 65002}),
        "Interactive authentication is needed: the stored sign-in of {who} has expired or was revoked.",
        AUTHENTICATE,
    ),
    # The user declined to consent.
    Refusal(frozenset({65004}), "Consent is missing: it was not granted, or an administrator has to grant it."),
    Refusal(
        frozenset({65001, 90094, 90095}),
        "Consent is missing: it was not granted, or an administrator has to grant it.",
        AUTHENTICATE,
    ),
    Refusal(
        frozenset({700016, 700038}),
        "The application does not exist in {where}, or is disabled there.",
        "Check the application (client) ID and --tenant: an organization's own application is often known in one "
        "tenant only. To sign in, run:\n{command}",
    ),
    # Only at `organizations`. A personal account is refused with the same code if it signs in with a password.
    Refusal(
        frozenset({50194}),
        "The application is registered for one tenant only.",
        "Name its tenant with --tenant:\n{command}",
    ),
    Refusal(
        frozenset({7000218}),
        "The application allows no sign-in with a device code or a password: it is not a public client.",
        "An owner can turn on 'Allow public client flows' in its authentication settings. To sign in, run:\n{command}",
    ),
    Refusal(
        frozenset({650057, 650056}),
        "The application has no permission for the requested resource.",
        f"An owner can add it under 'API permissions'. {_CHECK_SCOPES}",
    ),
    SEVERAL_RESOURCES,
    _INVALID_SCOPE,
    _UNKNOWN_RESOURCE,
    Refusal(
        frozenset({70020}),
        "The device code expired before a user entered it.",
        words=frozenset({"expired_token", "authorization_pending"}),
    ),
    Refusal(
        frozenset(),
        "The sign-in was declined in the browser.",
        words=frozenset({"authorization_declined", "access_denied"}),
    ),
    Refusal(
        frozenset(),
        "Interactive authentication is needed.",
        AUTHENTICATE,
        words=frozenset({"interaction_required"}),
    ),
)

# A service principal cannot sign in interactively.
OF_SERVICE_PRINCIPALS = (
    _UNKNOWN_TENANT,
    SEVERAL_RESOURCES,
    _INVALID_SCOPE,
    _UNKNOWN_RESOURCE,
    Refusal(
        frozenset({7000215}),
        "The client secret of {who} is wrong. Nothing that was stored before has changed.",
        f"Pass the value of the secret, not its ID. To use a certificate, pass --certificate. {SIGN_IN_AGAIN}",
    ),
    Refusal(
        frozenset({7000222}),
        "The client secret of {who} has expired. Nothing that was stored before has changed.",
        "An owner of the application can create a new one: `az ad app credential reset --append --id {client_id}`. "
        f"{SIGN_IN_AGAIN}",
    ),
    Refusal(
        frozenset({700016, 7000229, 7000112}),
        "There is no {who} in {where}, or it is disabled.",
        f"Check the application (client) ID and --tenant, and that the application is not disabled. {SIGN_IN_AGAIN}",
    ),
    Refusal(
        frozenset({700211, 700212, 700213, 700214, 700021, 700023}),
        "The credential of {who} names another issuer, subject or audience than is registered.",
        "Check the application (client) ID. Compare a federated token with what the application trusts: "
        f"`az ad app federated-credential list --id {{client_id}}`. {SIGN_IN_AGAIN}",
    ),
    Refusal(
        frozenset({700024}),
        "The credential of {who} has expired, or is not valid yet.",
        f"Obtain a new federated token. {SIGN_IN_AGAIN}",
    ),
    Refusal(
        frozenset({700027, 700030, 50027, 50013}),
        "The signature of the credential of {who} was refused.",
        "Check that the certificate is registered: `az ad app credential list --cert --id {client_id}`. For a "
        f"federated token, check its issuer. {SIGN_IN_AGAIN}",
    ),
    Refusal(
        frozenset({53000, 53001, 53003, 530003, 530034, 530035}),
        "A conditional access policy of {where} blocks {who}.",
        f"An administrator of the tenant finds the reason in its sign-in logs. {SIGN_IN_AGAIN}",
    ),
)
