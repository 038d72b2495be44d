"""Machines sign in with a managed identity, and Cloud Shell as the user who opened it."""

from __future__ import annotations

from tests.parity.case import Case, Fault, Quick, group

_ARM = "https://management.localcloud.example"
_GUID = "00000000-1111-2222-3333-444444444444"
_VM = "virtual machine"
_NOWHERE = "machine without an identity service"
_TOKEN = "account get-access-token"
_USER_ASSIGNED = (
    "--client-id <deploy-identity>",
    "--object-id <deploy-identity.object>",
    "--resource-id <deploy-identity.resource>",
)
#: Where one of several identities can be chosen, as on a virtual machine.
_WITH_CHOICE = ("App Service", "Machine Learning")

CASES = (
    *group(
        # A virtual machine.
        Quick("login --identity"),
        "login -i",
        "login --iden -o table",
        "login -i -o tsv",
        "login -i --query [].name -o tsv",
        "login --identity --allow-no-subscriptions",
        "login --identity --only-show-errors",
        "login --identity --debug",
        *(f"login --identity {option}" for option in _USER_ASSIGNED),
        "login -i --client-id <deploy-identity|upper>",
        "login -i --client <deploy-identity>",
        "login -i --object <deploy-identity.object>",
        "login -i --res <deploy-identity.resource>",
        "login -i --client-id=<deploy-identity>",
        "login --identity --client-id <reader-identity>",
        "login --identity --client-id <reader-identity> --allow-no-subscriptions",
        "login --identity --client-id <ci-app>",
        f"login --identity --client-id {_GUID}",
        f"login --identity --object-id {_GUID}",
        "login --identity --resource-id /subscriptions/x",
        "login --identity --client-id not-a-guid",
        "login --identity --client-id ''",
        # What is not for it, and what contradicts it.
        "login --identity -s <shared>",
        Quick("login --identity -s nonsense"),
        "login --identity -s ' '",
        "login --identity --scope https://graph.microsoft.com/.default",
        "login --identity --claims-challenge not-base64!",
        "login --identity --claims-challenge ' '",
        "login --identity --certificate nowhere.pem",
        "login --identity --federated-token not-a-token",
        "login --identity --use-cert-sn-issuer",
        "login --identity --use-device-code",
        "login --identity --skip-subscription-discovery",
        "login --identity --tenant ''",
        "login --identity --username ''",
        "login --identity --password ''",
        "login --identity --username <deploy-identity>",
        "login --identity --client-id <deploy-identity> --tenant <contoso>",
        "login --identity --client-id <deploy-identity> --object-id <deploy-identity.object>",
        "login --identity --client-id <deploy-identity> --resource-id <deploy-identity.resource>",
        "login --identity --client-id '' --object-id <deploy-identity.object>",
        "login --client-id <deploy-identity> --identity",
        state="empty",
        machine=_VM,
    ),
    *group(
        # Other machines.
        *(Case("login --identity", state="empty", machine=machine) for machine in (*_WITH_CHOICE, "Service Fabric")),
        *(
            Case(f"login --identity {option}", state="empty", machine=machine)
            for machine in _WITH_CHOICE
            for option in _USER_ASSIGNED
        ),
        Case(f"login --identity --client-id {_GUID}", state="empty", machine="App Service"),
        Case("login --identity --client-id <deploy-identity>", state="empty", machine="Service Fabric"),
        Case("login --identity", state="alice", machine=_NOWHERE),
        Case("login -i --client-id <ci-app>", state="alice", machine=_NOWHERE),
    ),
    *group(
        # With something already there.
        Case("login --identity", state="alice", machine=_VM),
        Case("login --identity", state="managed_identity", machine=_VM),
        Case("login --identity --client-id <deploy-identity>", state="managed_identity", machine=_VM),
        Case("login --identity", state="service_principal", machine=_VM),
        Case("login --identity", state="cloud_shell", machine=_VM),
        Case("login --identity --client-id <ci-app>", state="alice", machine=_VM),
        Case("login --identity", state="alice", machine=_VM, fault=Fault("/metadata/identity", "error", None, 404)),
        Case("login --identity", state="alice", machine=_VM, fault=Fault("/metadata/identity", "html")),
        Case("login --identity", state="alice", machine=_VM, fault=Fault("/metadata/identity", "drop")),
        Case("login --identity", state="alice", machine=_VM, fault=Fault("/metadata/identity", "error", 1, 500)),
        Case("login --identity", state="alice", machine=_VM, fault=Fault("^/subscriptions\\?", "html")),
    ),
    *group(
        # Built-in commands use what ours has stored, and the other way round.
        *(
            Case(
                f"login --identity {option} && builtin group list && builtin {_TOKEN} && builtin account list",
                state="empty",
                machine=machine,
            )
            for machine, option in ((_VM, ""), *((_VM, option) for option in _USER_ASSIGNED), ("App Service", ""))
        ),
        Case(f"builtin login --identity && {_TOKEN} && logout && builtin account list", state="empty", machine=_VM),
        Case("login --identity && builtin logout && account list", state="empty", machine=_VM),
        Case("login --identity && builtin login -i --client-id <deploy-identity> && account list", machine=_VM),
    ),
    *group(
        # Tokens.
        *(
            Case(f"{_TOKEN}{rest}", state="managed_identity", machine=_VM)
            for rest in (
                "",
                " -o tsv",
                " --query accessToken -o tsv",
                f" --resource {_ARM}",
                " --resource https://vault.azure.net",
                " --resource <ci-app>",
                " --resource not-a-resource",
                " --resource ''",
                " --resource-type ms-graph",
                " --scope https://graph.microsoft.com/.default",
                " --scope https://graph.microsoft.com/User.Read",
                " --scope https://vault.azure.net/.default https://graph.microsoft.com/.default",
                " --scope openid",
                " --scope ''",
                " --scope",
                " --scope https://nowhere.example/.default",
                " --tenant <contoso>",
                " --tenant <contoso|upper>",
                " --tenant <contoso.domain>",
                " --tenant <fabrikam>",
                " --tenant nobody.example",
                " --tenant ''",
                " -s <shared>",
                " -s <shared.name|upper> --resource https://vault.azure.net",
                " -s nonsense",
                " --tenant <contoso> --subscription <shared>",
            )
        ),
        *(
            Case(_TOKEN, state=state, machine=_VM)
            for state in (
                "named_identity",
                "identity_by_object_id",
                "identity_by_resource_id",
                "identity_without_subscriptions",
                "alice_and_identity",
            )
        ),
        Case(f"{_TOKEN} --tenant <contoso>", state="named_identity", machine=_VM),
        Case(_TOKEN, state="named_identity", machine="App Service"),
        Case(_TOKEN, state="identity_by_object_id", machine="App Service"),
        Case(_TOKEN, state="identity_by_resource_id", machine="App Service"),
        Case(_TOKEN, state="managed_identity", machine=_NOWHERE),
        Case(f"{_TOKEN} --tenant <fabrikam>", state="managed_identity"),
    ),
    *group(
        # The rest of the commands.
        *(
            Case(line, state=state, machine=_VM)
            for state in ("managed_identity", "named_identity", "identity_without_subscriptions", "alice_and_identity")
            for line in ("account list -o table", "account show", "account list --refresh", "logout", "group list")
        ),
        Case("account set -s <shared> && account show && group list", state="managed_identity", machine=_VM),
        Case("account set -s <production> && builtin account show", state="alice_and_identity", machine=_VM),
        Case("logout --username systemAssignedIdentity", state="managed_identity", machine=_VM),
        Case("logout --username SYSTEMASSIGNEDIDENTITY", state="managed_identity", machine=_VM),
        Case("logout --username <alice> && account list", state="alice_and_identity", machine=_VM),
        Case("account clear", state="managed_identity", machine=_VM),
        Case("account list --refresh", state="managed_identity", machine=_NOWHERE),
    ),
    *group(
        # Cloud Shell.
        "login --identity --client-id ' ' -s ' '",
        "login --identity",
        "login -i -o table",
        "login --identity --allow-no-subscriptions",
        "login --identity --client-id <deploy-identity>",
        "login --identity --client-id a --object-id b",
        "login --identity --tenant <contoso>",
        "login --identity -s <development>",
        "login --identity && builtin group list && builtin account get-access-token && builtin account list --refresh",
        "builtin login --identity && account get-access-token && account list --refresh && builtin account show",
        "account show",
        "login --use-device-code",
        "login --service-principal -u <ci-app> -p=<ci-secret> -t <contoso> && account list",
        state="empty",
        machine="Cloud Shell",
    ),
    *group(
        *(f"{_TOKEN}{rest}" for rest in (
            "",
            " --resource https://vault.azure.net",
            " --resource-type ms-graph",
            " --scope https://graph.microsoft.com/.default",
            " --tenant <contoso>",
            " --tenant <fabrikam>",
            " -s <development>",
        )),
        "account list -o table",
        "account show",
        "account list --refresh",
        "account set -s <development> && account show",
        "group list",
        "logout",
        "logout && login --identity",
        "account clear",
        state="cloud_shell",
        machine="Cloud Shell",
    ),
    *group(
        # Its files outside of it.
        Case("account get-access-token", state="cloud_shell"),
        Case("account list --refresh", state="cloud_shell"),
        Case("login --identity", state="alice", machine="Cloud Shell"),
        Case("login --identity", state="alice", machine="Cloud Shell", fault=Fault("/cloudshell", "html")),
    ),
)  # fmt: skip
