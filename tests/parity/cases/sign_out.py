"""`logout` and `account clear`, and what works afterwards."""

from __future__ import annotations

from tests.parity.case import Case, Quick, group

CASES = (
    *group(
        Quick("logout"),
        "logout && account show",
        "logout && account list",
        "logout && account get-access-token",
        "logout && logout",
        "logout --username <alice>",
        "logout --user <alice>",
        "logout --username=<alice|upper>",
        "logout --username <bob>",
        "logout --username ''",
        "logout --username nonsense && account show",
        Quick("account clear"),
        "account clear && account list",
        "account clear && account get-access-token",
        "account clear && account clear",
        "account clear && login --use-device-code",
        "logout && login --use-device-code",
        state="alice",
    ),
    *group(
        Case("logout", state="empty"),
        Case("logout --username <alice>", state="empty"),
        Case("account clear", state="empty"),
        Case("logout", state="cleared"),
    ),
    *group(
        Quick("logout"),
        "logout && account show",
        "logout && account set -s <production> && account show",
        "logout --username <bob> && account show && account list",
        "account clear",
        state="alice_and_bob",
    ),
    *group(
        Case("logout", state="service_principal", fast=True),
        Case("logout --username <ci-app>", state="service_principal"),
        Case("logout --username <ci-app|upper>", state="service_principal"),
        Case("account clear", state="service_principal"),
        Case("logout", state="sp_in_two_tenants"),
        Case("logout --username <ci-app>", state="bob_and_sp"),
        Case("logout --username <bob>", state="bob_and_sp"),
        Case("logout", state="managed_identity"),
        Case("logout", state="two_clouds"),
        Case("logout --username <mia>", state="two_clouds"),
        Case("account clear", state="two_clouds"),
        Case("logout", state="none_default"),
        Case("logout", state="no_tokens"),
        Case("logout", state="disabled_default"),
        Case("logout", state="alice_tenant_level"),
        Case("logout", state="adal_file"),
        Case("account clear", state="adal_file"),
        Case("logout", state="foreign_keys"),
        Case("account clear", state="foreign_keys"),
    ),
)
