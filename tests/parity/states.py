"""What a case starts from: config directories that the built-in commands prepared, once, to be copied."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.localcloud import Admin
from tests.localcloud.seed import CONTOSO
from tests.users import ADAM, ALICE, BOB, CAROL, ERIN, MIA

PROFILE, TOKENS, ENTRIES = "azureProfile.json", "msal_token_cache.json", "service_principal_entries.json"
_SP = "login --service-principal -u <ci-app>"
_SP_LOGIN = f"{_SP} -p=<ci-secret> --tenant"


@dataclass(frozen=True)
class State:
    """A start state: another state, then commands (see `case.Case.line`), then an edit of the files.

    user: who answers the sign-in pages.
    machine: where the commands run (see `case.Case.machine`).
    edit: what no command can do; gets the config directory.
    cloud: what changes in the cloud at the end.
    """

    line: str = ""
    after: str = ""
    user: str | None = None
    machine: str = ""
    edit: Callable[[Path], None] | None = None
    cloud: Callable[[Admin], None] | None = None


def edit_json(name: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    """Return an edit that changes one JSON file."""

    def edit(folder: Path) -> None:
        path = folder / name
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        change(document)
        path.write_text(json.dumps(document), encoding="utf-8")

    return edit


def write(name: str, content: bytes) -> Callable[[Path], None]:
    """Return an edit that replaces a file."""

    def edit(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return edit


def remove(*names: str) -> Callable[[Path], None]:
    """Return an edit that removes files."""

    def edit(folder: Path) -> None:
        for name in names:
            (folder / name).unlink(missing_ok=True)

    return edit


def _cut_in_half(name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return edit


def _start_with_bom(folder: Path) -> None:
    """What Azure PowerShell and older releases write."""
    text = (folder / PROFILE).read_text(encoding="utf-8-sig")
    (folder / PROFILE).write_text(text, encoding="utf-8-sig")


def _expire_access_tokens(document: Any) -> None:
    for token in document["AccessToken"].values():
        token["expires_on"] = token["extended_expires_on"] = "1000000000"


def _name_all_rows_alike(document: Any) -> None:
    for row in document["subscriptions"]:
        row["name"] = "Same Name"


def _choose_none(document: Any) -> None:
    for row in document["subscriptions"]:
        row["isDefault"] = False


def _old_row(document: Any) -> None:
    """Rows as releases before 2.6 wrote them: without the keys that came later."""
    for row in document["subscriptions"]:
        for key in ("homeTenantId", "managedByTenants", "tenantDefaultDomain", "tenantDisplayName"):
            row.pop(key, None)


def _foreign_keys(document: Any) -> None:
    document["installationId"] = "0b9e8c0a-7f1d-11ef-9d5e-0242ac120002"
    document["someoneElses"] = {"kept": True}


def _one_more_tenant_level_row(document: Any) -> None:
    row = {
        "id": CONTOSO.id,
        "name": "N/A(tenant level account)",
        "state": "Enabled",
        "user": {"name": ALICE, "type": "user"},
        "isDefault": False,
        "tenantId": CONTOSO.id,
        "environmentName": "LocalCloud",
    }
    document["subscriptions"].append(row)


_REGISTER_OTHER = "cloud register -n OtherCloud --endpoint-resource-manager <url>"

STATES: dict[str, State] = {
    # No user is signed in.
    "empty": State(),
    "other_cloud_known": State(_REGISTER_OTHER),
    "cleared": State("account clear", after="alice"),
    # Users.
    "alice": State("login --use-device-code", user=ALICE),
    "bob": State("login --use-device-code", user=BOB),
    "alice_and_bob": State("login --use-device-code", after="alice", user=BOB),
    "alice_on_shared": State("account set -s <shared>", after="alice"),
    "alice_everywhere": State("login --use-device-code --allow-no-subscriptions", user=ALICE),
    "alice_tenant_level": State("login --use-device-code -t <tailspin> --allow-no-subscriptions", user=ALICE),
    "alice_with_old_tenant_row": State(after="alice", edit=edit_json(PROFILE, _one_more_tenant_level_row)),
    "carol_no_subscriptions": State("login --use-device-code --allow-no-subscriptions", user=CAROL),
    "mia_mfa": State("login --use-device-code", user=MIA),
    "erin_revoked": State("login --use-device-code", user=ERIN, cloud=lambda admin: admin.revoke(ERIN)),
    # Programs.
    "service_principal": State(f"{_SP_LOGIN} <contoso>"),
    "sp_in_two_tenants": State(f"{_SP_LOGIN} <fabrikam>", after="service_principal"),
    "bob_and_sp": State(f"{_SP_LOGIN} <contoso>", after="bob"),
    "sp_with_certificate": State(f"{_SP} --certificate <file.own.pem> -t <contoso>"),
    "sp_by_subject_name": State(f"{_SP} --certificate <file.rolled-alone.pem> --use-cert-sn-issuer -t <contoso>"),
    "sp_federated": State(f"{_SP} --federated-token <assertion> -t <contoso>"),
    "expired_sp_with_certificate": State(after="sp_with_certificate", edit=edit_json(TOKENS, _expire_access_tokens)),
    "expired_sp_by_subject_name": State(after="sp_by_subject_name", edit=edit_json(TOKENS, _expire_access_tokens)),
    "expired_sp_federated": State(after="sp_federated", edit=edit_json(TOKENS, _expire_access_tokens)),
    "managed_identity": State("login --identity", machine="virtual machine"),
    "named_identity": State("login --identity --client-id <deploy-identity>", machine="virtual machine"),
    "identity_by_object_id": State("login --identity --object-id <deploy-identity.object>", machine="virtual machine"),
    "identity_by_resource_id": State(
        "login --identity --resource-id <deploy-identity.resource>", machine="virtual machine"
    ),
    "identity_without_subscriptions": State(
        "login --identity --client-id <reader-identity> --allow-no-subscriptions", machine="virtual machine"
    ),
    "alice_and_identity": State("login --identity", after="alice", machine="virtual machine"),
    "cloud_shell": State("login --identity", machine="Cloud Shell"),
    # Two clouds.
    "two_clouds": State(
        "cloud set -n OtherCloud && login --use-device-code && cloud set -n LocalCloud",
        after="alice_knows_other",
        user=MIA,
    ),
    "alice_knows_other": State(_REGISTER_OTHER, after="alice"),
    "two_clouds_other_active": State("cloud set -n OtherCloud", after="two_clouds"),
    # Azure Stack with AD FS.
    "azure_stack": State(
        "cloud register -n AzureStack --endpoint-resource-manager <stack-url> && cloud set -n AzureStack"
    ),
    "adam": State("login --use-device-code", after="azure_stack", user=ADAM),
    "stack_app": State("login --service-principal -u <stack-app> -p <stack-secret> -t <stack>", after="azure_stack"),
    # The choice.
    "disabled_default": State("account set -s <retired>", after="alice"),
    "none_default": State(after="alice", edit=edit_json(PROFILE, _choose_none)),
    "bob_and_carol": State("login --use-device-code --allow-no-subscriptions", after="bob", user=CAROL),
    "same_names": State(after="bob", edit=edit_json(PROFILE, _name_all_rows_alike)),
    # Files as time and accidents leave them.
    "expired_tokens": State(after="alice", edit=edit_json(TOKENS, _expire_access_tokens)),
    "expired_sp_tokens": State(after="service_principal", edit=edit_json(TOKENS, _expire_access_tokens)),
    "no_tokens": State(after="alice", edit=remove(TOKENS)),
    "no_entries": State(after="expired_sp_tokens", edit=remove(ENTRIES)),
    "damaged_tokens": State(after="alice", edit=_cut_in_half(TOKENS)),
    "damaged_profile": State(after="alice", edit=_cut_in_half(PROFILE)),
    "empty_profile": State(after="alice", edit=write(PROFILE, b"{}")),
    "null_subscriptions": State(after="alice", edit=write(PROFILE, b'{"subscriptions": null}')),
    "profile_with_bom": State(after="alice", edit=_start_with_bom),
    "old_rows": State(after="alice", edit=edit_json(PROFILE, _old_row)),
    "foreign_keys": State(after="alice", edit=edit_json(PROFILE, _foreign_keys)),
    "adal_file": State(after="alice", edit=write("accessTokens.json", b"[]")),
}
