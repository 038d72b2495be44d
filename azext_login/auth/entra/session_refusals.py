"""The refusals of Entra ID that concern a user's session: policies, second factors, expired tokens and codes."""

from __future__ import annotations

from azext_login.auth.entra.refusal import AUTHENTICATE, Refusal
from azext_login.errors import RefusalKind

_NEEDS_FACTOR = Refusal(
    {
        50005: "A conditional access policy does not support this operating system.",
        50072: "The user has to register a second factor.",
        50074: "The user has to pass a second factor.",
        50076: "The user has to pass a second factor: a policy or another location demands it.",
        50078: "The second factor was passed too long ago.",
        50079: "The user has to register a second factor: a policy or another location demands it.",
        500121: "The user did not complete the second factor.",  # MicrosoftDocs/entra-docs#943
        50158: "Another service has to confirm the sign-in.",
        53004: "The user has to register a second factor, and a risk was found for the account.",
        53010: "The user has to register a second factor, which only some locations or devices may do.",
    },
    "Interactive authentication is needed: {where} asks for more than this sign-in has provided.",
    AUTHENTICATE,
    RefusalKind.ACTION_NEEDED,
)

_NEEDS_DEVICE = Refusal(
    {
        50097: "The device has to authenticate.",
        50127: "The device has to have a broker application.",
        50129: "The device has to be joined to the workplace.",
        50155: "The device could not authenticate.",
        50187: "The request does not name the device.",
        53000: "The device has to comply with the rules of the organization.",
        53001: "The device has to be joined to the domain.",
        53002: "The application is not among those that a policy approves.",
        530003: "The device has to be managed by the organization.",  # azure-cli#29282
        530033: "The device has to be managed, and a device code does not name the device.",  # azure-cli#27919
        530084: "A policy demands tokens that are bound to the device.",  # Azure/azure-dev#7704
        700003: "The device was removed from the tenant.",  # azure-activedirectory-library-for-java#294
        135011: "The device is disabled.",
    },
    "Interactive authentication is needed: {where} asks for a device that it knows.",
    f"Sign in with a browser on a managed device; a device code does not name the device. {AUTHENTICATE}",
    RefusalKind.ACTION_NEEDED,
)

_BLOCKED_BY_POLICY = Refusal(
    {
        50131: "Conditional access found the device, the location or the request suspicious.",
        53003: "A conditional access policy issues no token for this request.",
        530032: "A security policy of the tenant blocks the request.",
        530035: "The security defaults of the tenant block the request.",
    },
    "Interactive authentication is needed: a policy of {where} blocks this sign-in.",
    f"An administrator of the tenant finds the policy in its sign-in logs. {AUTHENTICATE}",
    RefusalKind.ACTION_NEEDED,
)

# Where the domain of a user name is that of its home tenant, so that the command can name the tenant.
OF_POLICIES = (_NEEDS_FACTOR, _NEEDS_DEVICE, _BLOCKED_BY_POLICY)

OF_SESSIONS = (
    Refusal(
        {
            50085: "The identity provider of the account demands a new sign-in.",
            50089: "The sign-in took too long.",
            50132: "The password has expired, or was changed.",
            50133: "The password has expired, or was changed.",
            50139: "The session has no refresh token of the external provider.",
            50173: "The user or an administrator revoked the session, or the password was changed.",
            70000: "The refresh token is not valid.",
            7000012: "The refresh token or code was issued for another tenant.",  # BingAds-Python-SDK#297
            70008: "The refresh token or code has expired.",
            70043: "A conditional access policy demands a sign-in more often.",
            70044: "A conditional access policy demands a sign-in more often.",  # MicrosoftDocs/azure-docs#31876
            # microsoft-authentication-library-for-js#3931
            700081: "The refresh token has reached its longest lifetime.",
            700082: "The refresh token has not been used for too long (90 days).",
            700084: "The refresh token had a fixed lifetime, which is over.",
        },
        "Interactive authentication is needed: the stored sign-in of {who} has expired or was revoked.",
        AUTHENTICATE,
        RefusalKind.EXPIRED,
    ),
    Refusal(
        {
            501481: "The code does not belong to this sign-in.",
            54005: "The code was used before.",
            700005: "The code was issued for another tenant.",
        },
        "The authorization code cannot be used: it was used before, or belongs to another sign-in.",
        kind=RefusalKind.EXPIRED,
    ),
    Refusal(
        {
            70019: "The code expired before it was entered.",
            70020: "The device code expired before it was entered.",  # azure-cli#22251
        },
        "The device code expired before a user entered it.",
        kind=RefusalKind.EXPIRED,
        words=frozenset({"expired_token", "authorization_pending"}),
    ),
    Refusal(
        {
            50134: "The code was entered in the data center of another region.",
            70018: "The code was misspelt.",
            7000014: "The device code is not known.",  # the text of Entra ID
            90119: "The code is empty.",
            90120: "The request of the code was granted or declined before.",
        },
        "The device code was not accepted.",
        kind=RefusalKind.EXPIRED,
    ),
    Refusal(
        {},
        "The sign-in was declined in the browser.",
        words=frozenset({"authorization_declined", "access_denied"}),
    ),
    Refusal(
        {
            16001: "The session that was chosen is not valid.",
            16002: "The session of the application is not valid.",
            160021: "The session does not exist.",
            50058: "No user is signed in, or the session in the browser is no longer valid.",
            50140: "The user has to answer whether to stay signed in.",
            50199: "The user has to confirm the application.",
            700020: "The user has to continue.",
            9002341: "The user has to allow single sign-on.",
        },
        "Interactive authentication is needed.",
        AUTHENTICATE,
        RefusalKind.ACTION_NEEDED,
        words=frozenset({"interaction_required"}),
    ),
)
