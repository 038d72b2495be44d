"""The refusals of Entra ID that service principals receive: secrets, certificates, federated tokens, policies."""

from __future__ import annotations

from azext_login.auth.entra.refusal import SIGN_IN_AGAIN, Refusal
from azext_login.auth.entra.shared_refusals import CHECK_SCOPES, OF_EVERYONE
from azext_login.errors import RefusalKind

_LIST_FEDERATED = "`az ad app federated-credential list --id {client_id}`"

_OF_SECRETS = (
    Refusal(
        {
            70002: "The client secret is not the one of the application.",
            7000215: "The client secret is not valid; often the ID of the secret was passed in its place.",
        },
        "The client secret of {who} is wrong. Nothing that was stored before has changed.",
        f"Pass the value of the secret, not its ID. To use a certificate, pass --certificate. {SIGN_IN_AGAIN}",
        RefusalKind.WRONG_CREDENTIAL,
    ),
    Refusal(
        {7000222: "The client secret has expired."},
        "The client secret of {who} has expired. Nothing that was stored before has changed.",
        "An owner of the application can create a new one: `az ad app credential reset --append --id {client_id}`. "
        f"{SIGN_IN_AGAIN}",
        RefusalKind.EXPIRED,
    ),
    Refusal(
        {
            7000216: "The request has no secret, certificate or federated token.",  # MicrosoftDocs/azure-docs#30777
            7000218: "The request has no secret, certificate or federated token.",
        },
        "The request had no credential of {who}.",
        f"Pass --password, --certificate or --federated-token. {SIGN_IN_AGAIN}",
        RefusalKind.WRONG_CREDENTIAL,
    ),
    Refusal(
        {700025: "The application is a public client, which has no credential."},
        "{who} is a public client, and cannot sign in with a credential of its own.",
        f"An owner can turn off 'Allow public client flows' in its authentication settings. {SIGN_IN_AGAIN}",
    ),
)

_OF_ASSERTIONS = (
    Refusal(
        {
            50048: "The subject of the assertion is not its issuer.",
            70021: "No federated credential of the application fits the token.",  # Azure/azure-workload-identity#340
            700021: "The assertion names another application.",
            # microsoft-authentication-library-for-dotnet#2746
            700023: "The audience of the assertion is not the sign-in service of this tenant.",
            # Azure/azure-workload-identity#1200
            700211: "No federated credential of the application has the issuer of the token.",
            700212: "No federated credential of the application has the audience of the token.",
            700213: "No federated credential of the application has the subject of the token.",
            700214: "No federated credential of the application has the subject of the token.",
            # microsoft/Agents#202
            7002137: "The subject of the federated credential is written in another way than in the token.",
            7002138: "The subject of the token differs in upper and lower case.",  # Azure/login#517
            700229: "A token of a user was passed, where a token of an application is needed.",
            700236: "A token that Entra ID issued cannot be used in this tenant.",  # the text of Entra ID
        },
        "The credential of {who} names another issuer, subject or audience than is registered.",
        "Check the application (client) ID. Compare a federated token with what the application trusts: "
        f"{_LIST_FEDERATED}. {SIGN_IN_AGAIN}",
        RefusalKind.WRONG_CREDENTIAL,
        "some minutes, if the federated credential was added lately",
    ),
    Refusal(
        {
            500133: "The assertion has expired, or is not valid yet.",
            700024: "The assertion has expired, or is not valid yet.",  # Azure/login#180
        },
        "The credential of {who} has expired, or is not valid yet.",
        f"Obtain a new federated token. {SIGN_IN_AGAIN}",
        RefusalKind.EXPIRED,
    ),
    Refusal(
        {
            50006: "The signature is not valid.",
            50012: "The certificate is not trusted, or the signature of the assertion is not valid.",
            50013: "The assertion is not valid.",
            50017: "The certificate could not be validated.",
            50027: "The assertion is not a valid JSON Web Token.",
            700027: "The signature of the assertion does not fit a certificate of the application.",
            700030: "The subject of the certificate is not among the ones that the application allows.",
            900384: "The signature of the token is not valid.",
        },
        "The signature of the credential of {who} was refused.",
        "Check that the certificate is registered: `az ad app credential list --cert --id {client_id}`. For a "
        f"federated token, check its issuer. {SIGN_IN_AGAIN}",
        RefusalKind.WRONG_CREDENTIAL,
    ),
)

_OF_TENANTS = (
    Refusal(
        {
            700011: "The application is not in the directory.",
            700016: "The application was not found in the tenant: its ID is wrong, or the tenant is.",
            700038: "The ID of the application is not valid.",
            # azure-sdk-for-net#46762
            7000229: "The application is registered, but has no service principal in the tenant.",
        },
        "There is no {who} in {where}, or it is disabled.",
        "Check the application (client) ID and --tenant, and that the application is not disabled. An administrator "
        f"of the tenant can add it: `az ad sp create --id {{client_id}}`. {SIGN_IN_AGAIN}",
        RefusalKind.UNKNOWN_NAME,
        is_not_in_tenant=True,
    ),
    Refusal(
        {
            70001: "The application is disabled.",
            7000112: "The application is disabled.",
            1000031: "The application cannot be accessed at this time.",
        },
        "{who} is disabled in {where}.",
        "An administrator of the tenant can enable it: `az ad sp update --id {client_id} --set accountEnabled=true`. "
        f"{SIGN_IN_AGAIN}",
        RefusalKind.DISABLED,
    ),
    Refusal(
        {
            50131: "Conditional access found the location or the request suspicious.",
            53000: "A conditional access policy demands a compliant device.",
            53001: "A conditional access policy demands a device in the domain.",
            53003: "A conditional access policy issues no token for this request.",
            530003: "A conditional access policy demands a managed device.",
            530032: "A security policy of the tenant blocks the request.",
            530034: "The application is blocked, because a risk was found.",
            530035: "The security defaults of the tenant block the request.",
        },
        "A conditional access policy of {where} blocks {who}.",
        f"An administrator of the tenant finds the reason in its sign-in logs. {SIGN_IN_AGAIN}",
        RefusalKind.ACTION_NEEDED,
    ),
    Refusal(
        {50105: "The application has no role in the resource, which demands one."},
        "{who} is not assigned to the requested resource.",
        f"An administrator of the tenant can assign it under 'Enterprise applications'. {SIGN_IN_AGAIN}",
    ),
    Refusal(
        {
            65001: "No administrator has consented to the application.",
            65005: "The application requests a resource that is not among its permissions.",
            650056: "The application has no permission for the resource, or an administrator has not consented.",
            650057: "The resource is not among the permissions of the application.",
            90094: "An administrator has to consent.",
        },
        "Consent is missing: an administrator has to grant it to {who}.",
        f"An administrator can do so: `az ad app permission admin-consent --id {{client_id}}`. {CHECK_SCOPES}",
        RefusalKind.CONSENT_MISSING,
    ),
)

# Entra can send 70002 with a more precise code (azure-activedirectory-library-for-python#79), so its row comes last.
OF_SERVICE_PRINCIPALS = (*OF_EVERYONE, *_OF_ASSERTIONS, *_OF_TENANTS, *_OF_SECRETS)
