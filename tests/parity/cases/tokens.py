"""`account get-access-token`: what programs call."""

from __future__ import annotations

from tests.parity.case import Case, Fault, Quick, group

_ARM = "https://management.localcloud.example"
_GUID = "00000000-1111-2222-3333-444444444444"
_RESOURCE_TYPES = ("oss-rdbms", "arm", "aad-graph", "ms-graph", "batch", "media", "data-lake")

CASES = (
    *group(
        Quick("account get-access-token"),
        "account get-access-token --output json --resource https://graph.microsoft.com",
        f"account get-access-token --resource {_ARM}",
        "account get-access-token --resource=https://vault.azure.net",
        "account get-access-token --resource <ci-app>",
        "account get-access-token --resource ''",
        "account get-access-token --resource not-a-resource",
        *(f"account get-access-token --resource-type {kind}" for kind in _RESOURCE_TYPES),
        "account get-access-token --resource-t arm",
        f"account get-access-token --resource-type ms-graph --resource {_ARM}",
        Quick("account get-access-token --scope https://graph.microsoft.com/.default"),
        "account get-access-token --scope https://graph.microsoft.com/User.Read https://graph.microsoft.com/Mail.Read",
        "account get-access-token --scope",
        "account get-access-token --scope ''",
        "account get-access-token --scope openid",
        "account get-access-token --scope https://nowhere.example/.default",
        "account get-access-token --scope https://graph.microsoft.com/.default --resource https://vault.azure.net",
        "account get-access-token --sc https://graph.microsoft.com/.default",
        "account get-access-token -s <development>",
        "account get-access-token -n <development.name>",
        Quick("account get-access-token --subscription <fabrikam-main>"),
        "account get-access-token -s <fabrikam-main|upper> --resource https://graph.microsoft.com",
        "account get-access-token -s nonsense",
        "account get-access-token -s ''",
        "account get-access-token -s <retired>",
        "account get-access-token --subscription <development> --name <fabrikam-main>",
        "account get-access-token --name <fabrikam-main> --subscription <development>",
        "account get-access-token --name <development> --subscription <development>",
        "account get-access-token --scope https://graph.microsoft.com/.default --subscription <development.name> "
        "--name myResourceGroup",
        "account get-access-token --tenant <contoso>",
        Quick("account get-access-token --tenant <fabrikam>"),
        "account get-access-token -t <fabrikam.domain>",
        "account get-access-token --tenant=<fabrikam|upper>",
        "account get-access-token --tenant <tailspin>",
        "account get-access-token --tenant <woodgrove>",
        "account get-access-token --tenant nobody.example",
        f"account get-access-token --tenant {_GUID}",
        "account get-access-token --tenant ''",
        "account get-access-token --tenant common",
        "account get-access-token --tenant <fabrikam> --subscription <production>",
        "account get-access-token --tenant <fabrikam> --resource-type ms-graph",
        "account set -s <fabrikam-main> && account get-access-token",
        "account get-access-token && account get-access-token",
        state="alice",
    ),
    *group(
        Case("account get-access-token", state="empty", fast=True),
        Case("account get-access-token --tenant <contoso>", state="empty"),
        Case("account get-access-token", state="none_default"),
        Case("account get-access-token -s <development>", state="none_default"),
        Case("account get-access-token", state="expired_tokens", fast=True),
        Case("account get-access-token", state="no_tokens", fast=True),
        Case("account get-access-token", state="erin_revoked"),
        Case("account get-access-token --resource https://vault.azure.net", state="erin_revoked"),
        Case("account get-access-token", state="mia_mfa"),
        Case("account get-access-token", state="carol_no_subscriptions"),
        Case("account get-access-token -s <tailspin>", state="alice_everywhere"),
        Case("account get-access-token", state="alice_tenant_level"),
        Case("account get-access-token -s <vault>", state="two_clouds"),
        Case("account get-access-token", state="two_clouds_other_active"),
        Case("account get-access-token -s 'Same Name'", state="same_names"),
        Case("account get-access-token -s <shared>", state="alice_and_bob"),
    ),
    *group(
        Quick("account get-access-token"),
        "account get-access-token --resource https://vault.azure.net",
        "account get-access-token --tenant <contoso>",
        "account get-access-token --tenant <fabrikam>",
        "account get-access-token --tenant <tailspin>",
        "account get-access-token --scope https://graph.microsoft.com/User.Read",
        state="service_principal",
    ),
    *group(
        Case("account get-access-token -s <fabrikam-main>", state="sp_in_two_tenants"),
        Case("account get-access-token", state="expired_sp_tokens"),
        Case("account get-access-token", state="no_entries"),
    ),
    *group(
        # The sign-in service is in trouble.
        Case("account get-access-token", state="expired_tokens", fault=Fault("/token", "unavailable", 1)),
        Case("account get-access-token", state="expired_tokens", fault=Fault("/token", "drop")),
        Case("account get-access-token", state="expired_tokens", fault=Fault("/token", "html")),
        Case("account get-access-token", state="alice", fault=Fault("/token", "drop")),
    ),
)
