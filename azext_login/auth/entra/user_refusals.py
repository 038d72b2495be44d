"""The refusals of Entra ID that users receive, those of the application with which they sign in among them."""

from __future__ import annotations

from azext_login.auth.entra.account_refusals import OF_ACCOUNTS, OF_IDENTITY_PROVIDERS
from azext_login.auth.entra.refusal import AUTHENTICATE, SIGN_IN, Refusal
from azext_login.auth.entra.session_refusals import OF_POLICIES, OF_SESSIONS
from azext_login.auth.entra.shared_refusals import CHECK_SCOPES, OF_EVERYONE
from azext_login.errors import RefusalKind

_CONSENT = "Consent is missing: it was not granted, or an administrator has to grant it."

_OF_APPLICATIONS = (
    Refusal({65004: "The user declined to consent."}, _CONSENT, kind=RefusalKind.CONSENT_MISSING),
    Refusal(
        {
            65001: "Neither the user nor an administrator has consented to the application.",
            90008: "The application has no permission to sign users in.",
            90094: "Only an administrator can consent.",
            90095: "Only an administrator can consent; the user can request it.",
            90099: "The application was not authorized in the tenant of the partner's customer.",
        },
        _CONSENT,
        AUTHENTICATE,
        RefusalKind.CONSENT_MISSING,
    ),
    Refusal(
        {50105: "The user has no role in the application, which demands one."},
        "{who} is not assigned to the application.",
        "An administrator of the tenant can assign the user, or a group of the user, to the application under "
        f"'Enterprise applications'. {SIGN_IN}",
    ),
    Refusal(
        {
            700011: "The application is not in the directory.",
            700016: "The application was not found in the tenant: its ID is wrong, or the tenant is.",
            700038: "The ID of the application is not valid.",
            70001: "The application is disabled.",
            7000112: "The application is disabled.",
            1000031: "The application cannot be accessed at this time.",
        },
        "The application does not exist in {where}, or is disabled there.",
        "Check the application (client) ID and --tenant: an organization's own application is often known in one "
        "tenant only. To sign in, run:\n{command}",
        RefusalKind.UNKNOWN_NAME,
    ),
    # Only at `organizations`. A personal account is refused with the first code if it signs in with a password.
    Refusal(
        {
            50194: "The application is registered for one tenant only.",
            90124: "The resource is not available at the endpoint for all tenants.",
            90130: "The application is not available at the endpoint for all tenants.",
        },
        "The application is registered for one tenant only.",
        "Name its tenant with --tenant:\n{command}",
    ),
    Refusal(
        {
            # azure-activedirectory-library-for-nodejs#140
            70002: "The application has to send a credential of its own.",
            7000218: "The application has to send a credential of its own.",
        },
        "The application allows no sign-in with a device code or a password: it is not a public client.",
        "An owner can turn on 'Allow public client flows' in its authentication settings. To sign in, run:\n{command}",
    ),
    Refusal(
        {
            50011: "The redirect address of this sign-in is not registered.",
            70004: "The redirect address of this sign-in is not registered.",
            900971: "No redirect address is registered.",
        },
        "The application does not allow the address to which the browser has to return.",
        "An owner can add http://localhost to its redirect URIs for 'Mobile and desktop applications'. To sign in, "
        "run:\n{command}",
    ),
    Refusal(
        {
            65002: "Microsoft has not allowed this application of its own to use the resource.",
            65005: "The application requests a resource that is not among its permissions.",
            650056: "The application has no permission for the resource, or an administrator has not consented.",
            650057: "The resource is not among the permissions of the application.",
        },
        "The application has no permission for the requested resource.",
        f"An owner can add it under 'API permissions'. {CHECK_SCOPES}",
        RefusalKind.CONSENT_MISSING,
    ),
)

OF_USERS = (
    *OF_ACCOUNTS,
    *OF_POLICIES,
    *OF_SESSIONS,
    *_OF_APPLICATIONS,
    *OF_EVERYONE,
    *OF_IDENTITY_PROVIDERS,
)
