"""The refusals of Entra ID for users and service principals alike: the service, the tenant, the resource."""

from __future__ import annotations

from azext_login.auth.entra.refusal import SIGN_IN, Refusal
from azext_login.errors import RefusalKind

_CHECK_TENANT = "Check the tenant's ID or domain name, and the active cloud with `az cloud show`."
# Programs such as azure-identity look for `az login` in the message before they try their next credential.
CHECK_SCOPES = (
    "Check the spelling of --scope or --resource. A scope reads like https://vault.azure.net/.default. "
    "If it is right and was added lately, sign in again:\n{command}"
)
_NOTHING_CHANGED = "Nothing that was stored before has changed."

BUSY = Refusal(
    {
        50033: "The service failed for the moment.",
        50087: "The second factor could not be checked for the moment.",
        90006: "A service on which the sign-in service depends is unavailable for the moment.",
        90012: "The request timed out inside the service.",
        90024: "The service had no more time for the request.",
        90033: "The directory of the tenant is unavailable for the moment.",
        90036: "The directory of the tenant failed.",
        90055: "Too many requests arrive for the tenant.",
        90090: "Microsoft Graph is unavailable for the moment.",
        90091: "Microsoft Graph cannot be reached by the sign-in service.",
    },
    "The sign-in service is overloaded, or failed for the moment.",
    f"{_NOTHING_CHANGED} Run the command again in a minute.",
    RefusalKind.UNAVAILABLE,
    "a minute",
    words=frozenset({"temporarily_unavailable", "server_error"}),
)

_REPEATED = Refusal(
    # Its requests are served again after some minutes: microsoft-authentication-library-for-dotnet#2808, MSAL.PS#10
    {50196: "The same request was sent too often within a short time."},
    "The sign-in service refuses for some minutes, because it received the same request too often.",
    f"{_NOTHING_CHANGED} Run the command again in five minutes. Commands that run at the same time can share a cached "
    "token: let one of them obtain it first.",
    RefusalKind.UNAVAILABLE,
    "five minutes",
)

# Signing in again would not help.
OF_THE_SERVICE = (BUSY, _REPEATED)

SEVERAL_RESOURCES = Refusal(
    {
        28000: "The scopes belong to more than one resource.",
        700022: "The scopes belong to more than one resource.",
    },
    "The scopes belong to more than one resource, and a token is valid for one resource only.",
    "Give the scopes of one resource. To sign in for the first of them, run:\n{command}",
)

_INVALID_SCOPE = Refusal(
    {
        28002: "A scope is not valid in a request for an access token.",
        28003: "The request names no scope.",
        70011: "A scope is not valid.",
    },
    "A requested scope is not valid.",
    CHECK_SCOPES,
)

_UNKNOWN_RESOURCE = Refusal(
    {
        50001: "The resource does not exist, or is disabled.",
        500011: "The tenant does not have the resource: it was never set up there, or its name is wrong.",
        650053: "The resource has no permission with the name of the scope.",
        650054: "The resource was removed, or is no longer available.",
        650052: "The organization has not subscribed to the resource.",
    },
    "The requested scope or resource does not exist in this tenant.",
    CHECK_SCOPES,
    words=frozenset({"invalid_scope", "invalid_resource"}),
)

_DISABLED_RESOURCE = Refusal(
    # microsoft-authentication-library-for-dotnet#3150
    {500014: "A subscription to the resource has lapsed, or an administrator has disabled the resource."},
    "The requested resource is disabled in {where}.",
    f"An administrator of the tenant can enable it under 'Enterprise applications'. {SIGN_IN}",
)

_RESOURCE_SETTINGS = Refusal(
    {
        90009: "An application that requests a token for itself has to name itself by its ID.",
        501461: "The resource has a name outside the domains of the tenant, and changes the claims of its tokens.",
        50146: "The resource needs a signing key of its own, and has no valid one.",
    },
    "The registration of the requested resource does not allow this token.",
    f"Its owner has to change the registration. For a token for the application itself, name its application (client) "
    f"ID: --resource APPLICATION_ID. {SIGN_IN}",
)

_UNKNOWN_TENANT = Refusal(
    {
        50049: "The authority is not known.",
        50059: "The request names no tenant, and neither does the credential.",
        50128: "The domain name is not valid, so that it names no tenant.",
        90002: "The tenant does not exist, or is a tenant of another cloud.",
        900021: "The ID of the tenant is not valid.",
        900023: "The name of the tenant is neither an ID nor a domain name.",
        90019: "The service cannot find out from the request which tenant is meant.",
    },
    "{where} does not exist at this authority.",
    _CHECK_TENANT,
    RefusalKind.UNKNOWN_NAME,
)

_GONE_TENANT = Refusal(
    # microsoft-authentication-library-for-dotnet#5251
    {5000224: "The tenant was shut down."},
    "{where} is no longer available.",
    f"Its administrator can ask Microsoft for the reason. {_CHECK_TENANT}",
    RefusalKind.UNKNOWN_NAME,
)

_OTHER_CLOUD = Refusal(
    {
        90038: "The tenant belongs to a national cloud.",
        90051: "The name of the national cloud is not valid.",
        900382: "An application cannot sign in with its credential across clouds.",
        900432: "An application cannot sign in with its credential across clouds.",
        1000104: "The home tenant of the account does not allow resources in this cloud.",
    },
    "The account, {where} and the requested resource are not in one cloud.",
    "Choose the cloud of the tenant: `az cloud set --name NAME`; `az cloud list` shows the names. Then sign in:\n"
    "{command}",
    RefusalKind.UNKNOWN_NAME,
)

_RESTRICTED_NETWORK = Refusal(
    {
        50002: "The proxy of this network does not allow the tenant.",
        500021: "The proxy of this network does not list the tenant as allowed.",
        500022: "The proxy of this network does not list the tenant as allowed.",
    },
    "The proxy of this network does not allow {where}.",
    f"Ask the administrator of the network about its tenant restrictions. {SIGN_IN}",
)

_MALFORMED_REQUEST = Refusal(
    {
        50050: "The request for discovery is malformed.",
        70003: "The kind of the request is not supported.",
        90004: "The request has the wrong format.",
        90005: "The request contains parameters that cannot be used together.",
        90013: "The user's input is not valid.",
        90014: "A field of the credential is missing.",
        900144: "A parameter of the request is missing.",
        90015: "The address of the request is too long.",
        90023: "The request is not valid.",
        9002313: "The request is malformed.",
        90056: "The request reached the wrong endpoint, or without its content.",
        900561: "The request arrived as another kind (such as GET in place of POST): a proxy or the browser's back "
        "button changed it.",
        90100: "A parameter of the request is empty or not valid.",
        90102: "An address in the request is not valid.",
        90107: "The request contains invalid characters.",
        90117: "The input of the request is not valid.",
        90121: "The request is empty.",
    },
    "The sign-in service did not understand the request.",
    f"Check the options of the command for values with unusual characters. A proxy can also have changed the request. "
    f"{SIGN_IN}",
)

_FAILED_SERVICE = Refusal(
    {
        50000: "The service could not issue a token.",
        90092: "Microsoft Graph failed inside the sign-in service.",
    },
    "The sign-in service failed.",
    f"If it fails again, ask Microsoft's support, with the IDs in the message. {SIGN_IN}",
    wait="a minute",
)

OF_EVERYONE = (
    _UNKNOWN_TENANT,
    _GONE_TENANT,
    _OTHER_CLOUD,
    _RESTRICTED_NETWORK,
    SEVERAL_RESOURCES,
    _INVALID_SCOPE,
    _UNKNOWN_RESOURCE,
    _DISABLED_RESOURCE,
    _RESOURCE_SETTINGS,
    _MALFORMED_REQUEST,
    _FAILED_SERVICE,
)
