"""Every output format, queries and the verbosity switches."""

from __future__ import annotations

from tests.parity.case import Case, Quick, group

_QUERY = "[?isDefault].{Name:name, Id:id}"

CASES = (
    *group(
        *(f"account list -o {form}" for form in ("json", "jsonc", "yaml", "yamlc", "tsv", "none")),
        Quick("account list -o table"),
        Quick("account show -o tsv"),
        *(f"account show -o {form}" for form in ("jsonc", "yaml", "table", "none")),
        "account list --out table",
        "account list --query [].name -o tsv",
        Quick(f"account list --query '{_QUERY}' -o table"),
        "account list --query [?user.type==`user`].id -o json",
        "account list --query 'length(@)'",
        "account list --query nothing",
        "account show --query id -o tsv",
        "account show --query 'tenantId' -o yaml",
        "account show --query '[' ",
        "account list --query 'name['",
        "account get-access-token -o table",
        "account get-access-token -o tsv",
        "account get-access-token -o none",
        Quick("account get-access-token --query accessToken -o tsv"),
        "account get-access-token --query '{t:tenant,e:expires_on}'",
        "account set -s <development> -o json",
        "logout -o json",
        state="alice",
    ),
    *group(
        "account list --only-show-errors",
        "account list --verbose",
        "account list --debug",
        "account show --only-show-errors -o tsv",
        "account show --debug",
        "account set -s <development> --debug",
        "account set -s nonsense --debug",
        "account get-access-token --debug",
        "logout --verbose",
        state="alice",
    ),
    *group(
        Case("account list -o table", state="empty"),
        Case("account show -o table", state="empty"),
        Case("account list -o table --all", state="two_clouds"),
        Case("account list -o table", state="service_principal"),
        Case("account list", env={"AZURE_CORE_OUTPUT": "table"}),
        Case("account show", env={"AZURE_CORE_ONLY_SHOW_ERRORS": "true"}),
    ),
)
