"""Commands that are not ours, on what we stored; and the same directory with and without the extension."""

from __future__ import annotations

from tests.parity.case import Case, Quick, group
from tests.users import BOB

_SP = "login --service-principal -u <ci-app> -p=<ci-secret>"

CASES = (
    *group(
        Quick("group list"),
        "group list --subscription <fabrikam-main>",
        "group list --subscription <unicode.name>",
        "group list --subscription nonsense",
        "account list-locations",
        "account list-locations --query [].name -o tsv",
        "rest -m get -u /subscriptions?api-version=2022-12-01",
        "cloud list",
        "cloud show -n LocalCloud",
        "account set -s <fabrikam-main> && group list && account list-locations",
        "account list --refresh && group list",
        "logout && group list",
        "account clear && group list",
        state="alice",
    ),
    *group(
        Case("group list", state="empty"),
        Case("group list", state="service_principal"),
        Case("group list", state="expired_tokens"),
        Case("group list --subscription <shared>", state="alice_and_bob"),
        Case("group list", env={"AZURE_LOGIN_SUBSCRIPTION": "Fabrikam Main"}, fast=True),
        Case("account list-locations", env={"AZURE_LOGIN_ACCOUNT": "nobody@contoso.example"}),
        Case("cloud set -n OtherCloud && group list && account show", state="two_clouds"),
        Case("cloud set -n OtherCloud && account list", state="other_cloud_known"),
        Case("cloud unregister -n OtherCloud && account list --all", state="two_clouds"),
    ),
    *group(
        # Sign in with the one, go on with the other.
        Case("login --use-device-code && builtin account list", state="empty", fast=True),
        Case("login --use-device-code && builtin account show && builtin account get-access-token", state="empty"),
        Case("login --use-device-code && builtin account set -s <development> && account show", state="empty"),
        Case("login --use-device-code && builtin account list --refresh && account list", state="empty", user=BOB),
        Case("login --use-device-code && builtin group list", state="empty"),
        Case("login --use-device-code && builtin logout && account list", state="empty"),
        Case("login --use-device-code && builtin account clear && account show", state="empty"),
        Case("login --use-device-code && builtin login --use-device-code && account list", state="empty"),
        Case(
            "login && builtin account get-access-token --resource https://vault.azure.net", state="empty", browser=True
        ),
        Case(
            "login -u <alice> -p <alice.password> && builtin account get-access-token -s <fabrikam-main>",
            state="empty",
            builtin_line="login --use-device-code && builtin account get-access-token -s <fabrikam-main>",
        ),
        Case("builtin login --use-device-code && account list && account get-access-token", state="empty"),
        Case("builtin login --use-device-code && account get-access-token -s <fabrikam-main>", state="empty"),
        Case("builtin login --use-device-code && account list --refresh && builtin account list", state="empty"),
        Case("builtin login && logout && builtin account show", state="empty", browser=True),
        Case(f"{_SP} -t <contoso> && builtin account get-access-token", state="empty"),
        Case(
            f"builtin {_SP} -t <contoso> && account get-access-token && logout && builtin account list", state="empty"
        ),
        Case("account set -s <development> && builtin account show"),
        Case("builtin account set -s <development> && account show"),
        Case("account get-access-token -t <fabrikam> && builtin account get-access-token -t <fabrikam>"),
        Case("builtin cloud set -n OtherCloud && account show && builtin account show", state="two_clouds"),
    ),
)
