"""Service principals sign in with a secret, a certificate or a federated token, and what works afterwards."""

from __future__ import annotations

from tests.parity.case import Case, Fault, Quick, group

_ID = "login --service-principal -u <ci-app>"
_SP = f"{_ID} -p=<ci-secret>"
_GUID = "00000000-1111-2222-3333-444444444444"
_VAULT = "account get-access-token --resource https://vault.azure.net"
_GRAPH = "https://graph.microsoft.com/.default"

CASES = (
    *group(
        # A client secret.
        Quick(f"{_SP} -t <contoso>"),
        "login --service-principal --username <ci-app> --password=<ci-secret> --tenant <fabrikam.domain>",
        "login --serv --user <ci-app> --pass=<ci-secret> --ten <contoso>",
        "login --service-principal -u <ci-app|upper> -p=<ci-secret> -t <contoso>",
        f"{_SP} -t <contoso|upper>",
        f"{_ID} -p=@secret.txt -t <contoso>",
        f"{_SP} -t <contoso> -o table",
        f"{_SP} -t <contoso> -o tsv",
        f"{_SP} -t <contoso> -o none",
        f"{_SP} -t <contoso> --query [].id -o tsv",
        f"{_SP} -t <contoso> --scope {_GRAPH}",
        f"{_SP} -t <contoso> --only-show-errors",
        f"{_SP} -t <contoso> --debug",
        f"{_SP} -t <tailspin>",
        f"{_SP} -t <tailspin> --allow-no-subscriptions",
        f"{_SP} -t <contoso> --allow-no-subscriptions",
        f"{_SP} -t {_GUID}",
        f"{_SP} -t nobody.example",
        f"{_SP} -t ''",
        _SP,
        f"{_ID} -p wrong -t <contoso>",
        f"{_ID} -p '' -t <contoso>",
        f"{_ID} -t <contoso>",
        "login --service-principal -u <contoso> -p x -t <contoso>",
        "login --service-principal -u not-a-guid -p x -t <contoso>",
        "login --service-principal -u '' -p x -t <contoso>",
        state="empty",
        files={"secret.txt": "-local~ci'secret.1"},
    ),
    *group(
        Case(f"{_ID} -p=@- -t <contoso>", state="empty", stdin="-local~ci'secret.1"),
        # Which subscriptions.
        *group(
            f"{_SP} -t <contoso> -s <development>",
            f"{_SP} -t <contoso> -s <development.name|upper>",
            f"{_SP} -t <contoso> -s nonsense",
            f"{_SP} -t <contoso> --skip-sub -s <development>",
            f"{_SP} -t <contoso> --skip-sub -s <vault>",
            f"{_SP} -t <contoso> --skip-sub -s <vault> --allow-no-subscriptions",
            f"{_SP} -t <contoso> --skip-subscription-discovery",
            f"{_SP} -t <contoso> --skip-sub && account show && builtin account get-access-token",
            f"{_SP} -t <tailspin> --skip-sub",
            f"{_ID} --certificate <file.own.pem> -t <contoso> --skip-sub -s <development>",
            f"{_ID} --federated-token <assertion> -t <contoso> --skip-sub",
            state="empty",
        ),
    ),
    *group(
        # A certificate.
        f"{_ID} --certificate <file.own.pem> -t <contoso>",
        f"{_ID} --cert <file.own.pem> -t <contoso> -o table",
        f"{_ID} --certificate <file.certificate-first.pem> -t <fabrikam.domain>",
        f"{_ID} --certificate <file.commented.pem> -t <contoso>",
        f"{_ID} --certificate <file.chain.pem> -t <contoso>",
        f"{_ID} --certificate <file.chain.pem> -t <contoso> --use-cert-sn-issuer",
        f"{_ID} --certificate <file.rolled-alone.pem> -t <contoso> --use-cert-sn-issuer -o json",
        f"{_ID} --cert <file.rolled-alone.pem> -t <contoso> --use-cert",
        f"{_ID} --certificate <file.rolled.pem> -t <contoso> --use-cert-sn",
        f"{_ID} --certificate <file.rolled.pem> -t <contoso>",
        f"{_ID} --certificate <file.issuer-first.pem> -t <contoso>",
        f"{_ID} --certificate ci.pem -t <contoso>",
        f"{_ID} --certificate ./ci.pem -t <contoso> && builtin group list",
        f"{_ID} --certificate ~/ci.pem -t <contoso>",
        f"{_ID} --certificate <file.own.pem> -t <tailspin> --allow-no-subscriptions",
        f"{_ID} --certificate <file.own.pem> -t <contoso> -s <development>",
        # One that does not do.
        f"{_ID} --certificate <file.unknown.pem> -t <contoso>",
        f"{_ID} --certificate <file.unknown.pem> -t <contoso> --use-cert-sn-issuer",
        f"{_ID} --certificate <file.mismatched.pem> -t <contoso>",
        f"{_ID} --certificate <file.expired.pem> -t <contoso>",
        f"{_ID} --certificate <file.encrypted.pem> -t <contoso>",
        f"{_ID} --certificate <file.certificate-only.pem> -t <contoso>",
        f"{_ID} --certificate <file.key-only.pem> -t <contoso>",
        f"{_ID} --certificate <file.text.pem> -t <contoso>",
        f"{_ID} --certificate <file.empty.pem> -t <contoso>",
        f"{_ID} --certificate . -t <contoso>",
        f"{_ID} --certificate nowhere.pem -t <contoso>",
        f"{_ID} --certificate '' -t <contoso>",
        f"{_ID} --certificate <file.own.pem>",
        state="empty",
        files={"ci.pem": "<text.own.pem>", "../home/ci.pem": "<text.own.pem>"},
    ),
    *group(
        # A federated token.
        f"{_ID} --federated-token <assertion> -t <contoso>",
        f"{_ID} --federated-token=<assertion> -t <fabrikam.domain> -o table",
        f"{_ID} --fed <assertion> -t <contoso>",
        f"{_ID} --federated-token @token -t <contoso> && builtin group list",
        f"{_ID} --federated-token <assertion> -t <contoso> -s <development>",
        f"{_ID} --federated-token <assertion> -t <tailspin>",
        f"{_ID} --federated-token <assertion.expired> -t <contoso>",
        f"{_ID} --federated-token <assertion.stranger> -t <contoso>",
        f"{_ID} --federated-token <assertion.audience> -t <contoso>",
        f"{_ID} --federated-token <assertion.forged> -t <contoso>",
        f"{_ID} --federated-token not-a-token -t <contoso>",
        f"{_ID} --fed not-a-token -t <contoso>",
        f"{_ID} --federated-token '' -t <contoso>",
        f"{_ID} --federated-token <assertion>",
        state="empty",
        files={"token": "<assertion>"},
    ),
    *group(
        # More than one credential: the built-in takes the first of secret, certificate, token.
        f"{_SP} --certificate <file.own.pem> -t <contoso>",
        f"{_SP} --certificate nowhere.pem -t <contoso>",
        f"{_SP} --federated-token not-a-token -t <contoso>",
        f"{_SP} --certificate ' ' --federated-token ' ' -t <contoso>",
        f"{_SP} --use-cert-sn-issuer -t <contoso>",
        f"{_ID} --certificate <file.own.pem> --federated-token not-a-token -t <contoso>",
        f"{_ID} --federated-token <assertion> --use-cert-sn-issuer -t <contoso>",
        # Options of other ways to sign in.
        f"{_SP} -t <contoso> --client-id <deploy-identity>",
        f"{_SP} -t <contoso> --claims-challenge not-base64!",
        "login --use-device-code --certificate nowhere.pem",
        "login --use-device-code --federated-token not-a-token",
        "login --use-device-code --client-id x --object-id y",
        state="empty",
    ),
    *group(
        # Built-in commands use what ours has stored.
        *(
            f"{_ID} {proof} -t <contoso> && builtin group list && builtin {_VAULT} && builtin account list --refresh"
            for proof in (
                "-p=<ci-secret>",
                "--certificate <file.own.pem>",
                "--certificate <file.chain.pem>",
                "--certificate <file.rolled-alone.pem> --use-cert-sn-issuer",
                "--certificate <file.rolled.pem> --use-cert-sn-issuer",
                "--federated-token <assertion>",
            )
        ),
        f"builtin {_ID} --certificate <file.own.pem> -t <contoso> && {_VAULT} && account list --refresh && logout",
        f"builtin {_ID} --certificate <file.rolled-alone.pem> --use-cert-sn-issuer -t <contoso> && {_VAULT}",
        f"builtin {_ID} --federated-token <assertion> -t <contoso> && {_VAULT} && logout && builtin account list",
        f"{_ID} --certificate <file.own.pem> -t <contoso> && builtin logout && builtin account get-access-token",
        f"{_SP} -t <contoso> && {_SP} -t <fabrikam> && builtin account get-access-token -s <fabrikam-main>",
        f"{_SP} -t <contoso> && builtin {_ID} --federated-token <assertion> -t <contoso> && {_VAULT}",
        state="empty",
    ),
    *group(
        # With something already there.
        Case(f"{_SP} -t <fabrikam>", state="service_principal"),
        Case(f"{_SP} -t <contoso>", state="service_principal"),
        Case(f"{_SP} -t <contoso>", state="alice"),
        Case(f"{_SP} -t <contoso> -s <development>", state="alice"),
        Case(f"{_ID} -p wrong -t <contoso>", state="service_principal"),
        Case(f"{_ID} -p wrong -t <fabrikam>", state="service_principal"),
        Case(f"{_ID} -p wrong -t <contoso>", state="alice"),
        Case(f"{_SP} -t <contoso>", state="sp_with_certificate"),
        Case(f"{_ID} --certificate <file.own.pem> -t <contoso>", state="service_principal"),
        Case(f"{_ID} --certificate <file.own.pem> -t <contoso>", state="sp_by_subject_name"),
        Case(f"{_ID} --federated-token <assertion> -t <contoso>", state="sp_with_certificate"),
        Case(f"{_ID} --federated-token <assertion> -t <contoso>", state="managed_identity"),
        Case(f"{_SP} -t <contoso>", state="alice", fault=Fault("/token", "unavailable", 1)),
        Case(f"{_ID} --certificate <file.own.pem> -t <contoso>", state="alice", fault=Fault("/token", "drop")),
        Case(f"{_SP} -t <contoso>", state="alice", fault=Fault("^/subscriptions\\?", "html")),
    ),
    *group(
        # Afterwards.
        *(
            Case(line, state=state)
            for state in ("sp_with_certificate", "sp_by_subject_name", "sp_federated")
            for line in (
                "account list -o table",
                "account show",
                "account get-access-token",
                _VAULT,
                "account get-access-token --tenant <fabrikam>",
                "account list --refresh",
                "logout",
                "group list",
            )
        ),
        *(
            Case(line, state=f"expired_{state}")
            for state in ("sp_with_certificate", "sp_by_subject_name", "sp_federated")
            for line in ("account get-access-token", "group list && account get-access-token")
        ),
        Case("logout --username <ci-app|upper>", state="sp_federated"),
        Case("account clear", state="sp_with_certificate"),
    ),
)
