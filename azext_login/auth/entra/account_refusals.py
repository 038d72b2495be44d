"""The refusals of Entra ID that concern a user's account, password, or identity provider."""

from __future__ import annotations

from azext_login.auth.entra.refusal import AUTHENTICATE, SIGN_IN, Refusal
from azext_login.errors import RefusalKind

UNKNOWN_USER = Refusal(
    {
        50014: "The user is not in the tenant, or has not accepted the invitation.",
        50034: "The user does not exist in the tenant, or the name is misspelt.",
        51004: "The user does not exist in the tenant.",
        50197: "The user could not be found.",
        90125: "The user is not known.",
    },
    "There is no user {who} in {where}. Nothing that was stored before has changed.",
    kind=RefusalKind.UNKNOWN_NAME,
    is_not_in_tenant=True,
)

# Only where a password was sent.
PERSONAL_ACCOUNT = Refusal(
    {
        9001023: "A password cannot be sent to this endpoint.",
        500201: "The account is a personal one, and this way to sign in is not for them.",
        500208: "The domain of the user name is one of personal accounts.",
        50194: "The application is registered for one tenant only.",
    },
    "Interactive authentication is needed: {who} is a personal Microsoft account, and those cannot sign in with "
    "--username and --password.",
    AUTHENTICATE,
    RefusalKind.ACTION_NEEDED,
)

OF_ACCOUNTS = (
    Refusal(
        {
            50056: "The account has no password in the directory, or the password was empty.",
            50064: "The user name or the password is wrong.",
            50126: "The user name or the password is wrong.",
        },
        "The user name or password of {who} is wrong. Nothing that was stored before has changed.",
        kind=RefusalKind.WRONG_CREDENTIAL,
    ),
    UNKNOWN_USER,
    Refusal(
        {50057: "An administrator has disabled the account."},
        "The account {who} is disabled. An administrator of its tenant can enable it.",
        kind=RefusalKind.DISABLED,
    ),
    Refusal(
        {500341: "The account was deleted from the directory."},  # the text of Entra ID
        "The account {who} was deleted from {where}. An administrator can restore it for 30 days.",
        "To sign in with another account, run:\n{command}",
        RefusalKind.DISABLED,
    ),
    Refusal(
        {50053: "Too many attempts failed, or the sign-in came from an address with malicious activity."},
        "The account {who} is locked after too many attempts, or its sign-in was blocked.",
        kind=RefusalKind.DISABLED,
        wait="a minute; longer after more attempts",
    ),
    Refusal(
        {
            53011: "The home tenant has blocked the user, because it found a risk.",
            530034: "A delegated administrator is blocked, because the home tenant found a risk.",
        },
        "The account {who} is blocked, because a risk was found for it.",
        f"An administrator of its home tenant can dismiss the risk. {SIGN_IN}",
        RefusalKind.DISABLED,
    ),
    Refusal(
        {80012: "The directory of the organization does not allow a sign-in at this hour."},
        "The account {who} may not sign in at this hour.",
        kind=RefusalKind.DISABLED,
        wait="until the allowed hours",
    ),
    Refusal(
        {
            50055: "The password has expired.",
            50125: "The user has to reset the password, or to register for that.",
            50135: "The user has to change the password, because a risk was found.",
            50144: "The password in the directory of the organization has expired.",
        },
        "Interactive authentication is needed: the password of {who} has expired, or has to be changed.",
        AUTHENTICATE,
        RefusalKind.ACTION_NEEDED,
    ),
    Refusal(
        {
            120000: "The current password is wrong.",
            120002: "The new password is too weak.",
            120003: "The new password contains the name of the user.",
            120004: "The new password does not meet the rules of the organization's directory.",
        },
        "Interactive authentication is needed: the password of {who} was not changed.",
        AUTHENTICATE,
        RefusalKind.ACTION_NEEDED,
    ),
    Refusal(
        {
            16000: "The user does not exist in the tenant.",
            16003: "The user was not added to the tenant.",
            50020: "The user comes from another identity provider or tenant, and was not added to this tenant.",
            50177: "The user is not in the tenant, so that the tenant's policy cannot be fulfilled.",
            50178: "The user is not in the tenant, so that the tenant's policy cannot be fulfilled.",
            90072: "The user is not in the tenant, so that the second factor cannot be checked.",
            90084: "Guests are not allowed.",
        },
        "{who} is not a member or a guest of {where}.",
        f"An administrator of the tenant can invite the user. {SIGN_IN}",
        RefusalKind.UNKNOWN_NAME,
        is_not_in_tenant=True,
    ),
    Refusal(
        {
            500212: "The user's own organization does not allow access to the tenant.",
            500213: "The tenant does not allow access by users of the user's organization.",
        },
        "A policy for access between tenants does not let {who} into {where}.",
        f"The administrators of both tenants can change their cross-tenant access settings. {SIGN_IN}",
    ),
)

OF_IDENTITY_PROVIDERS = (
    Refusal(
        {
            20001: "The answer of the identity provider is not valid.",
            20012: "The message of the identity provider is not valid.",
            20033: "The metadata of the identity provider name another tenant.",
            40008: "The identity provider failed.",
            40009: "The identity provider refused to renew the session.",
            40015: "The identity provider refused the code.",
            50008: "The SAML assertion is missing or not valid.",
            50107: "The federation is not set up for the domain.",
            75011: "The identity provider authenticated the user in another way than the application demands.",
            501241: "A claim is missing from which a SAML answer has to be made.",
        },
        "The identity provider with which {where} is federated failed, or its answer is not valid.",
        f"Ask its administrators. {SIGN_IN}",
    ),
    Refusal(
        {
            40010: "The identity provider failed for the moment.",
            50166: "The provider of claims is overloaded.",
            50088: "The telephone network accepts no more calls for second factors.",
            70012: "The service for personal accounts failed for the moment.",
            80001: "The agent in the organization cannot reach its directory.",
            80002: "The agent in the organization did not check the password in time.",
            80005: "The answer of the agent in the organization is not valid.",
            80007: "The agent in the organization could not check the password.",
            80014: "The agent in the organization did not answer in time.",
        },
        "A service that has to check {who} is not available for the moment.",
        f"Run the command again in a few minutes. If it fails again, ask the administrators of the organization. "
        f"{SIGN_IN}",
        RefusalKind.UNAVAILABLE,
        "a few minutes",
    ),
    Refusal(
        {
            50180: "The sign-in with Kerberos is missing.",
            81004: "The sign-in with Kerberos failed.",
            81009: "The Kerberos ticket cannot be checked.",
            81010: "The Kerberos ticket has expired, or is not valid.",
            81012: "The user of this computer is another one.",
            130004: "No key of Windows Hello is registered for the user.",
            130005: "The signature of Windows Hello is not valid.",
            135010: "The key of the device was not found.",
            140000: "The request lacks a one-time value of the service.",
            140001: "The session key is not valid.",
        },
        "Interactive authentication is needed: the sign-in that Windows provides was refused.",
        AUTHENTICATE,
        RefusalKind.ACTION_NEEDED,
    ),
)
