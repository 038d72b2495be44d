"""Service principals and managed identities sign in."""

from __future__ import annotations

from tests.parity.case import Case, Fault, Quick, group

_SP = "login --service-principal -u <ci-app> -p=<ci-secret>"
_NO_IMDS = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9"}

CASES = (
    *group(
        Quick(f"{_SP} -t <contoso>"),
        "login --service-principal --username <ci-app> --password=<ci-secret> --tenant <fabrikam.domain>",
        "login --serv --user <ci-app> --pass=<ci-secret> --ten <contoso>",
        "login --service-principal -u <ci-app|upper> -p=<ci-secret> -t <contoso>",
        "login --service-principal -u <ci-app> -p=@secret.txt -t <contoso>",
        f"{_SP} -t <contoso> -o table",
        f"{_SP} -t <contoso> --query [].id -o tsv",
        f"{_SP} -t <tailspin>",
        f"{_SP} -t nobody.example",
        _SP,
        "login --service-principal -u <ci-app> -p wrong -t <contoso>",
        "login --service-principal -u <contoso> -p x -t <contoso>",
        "login --service-principal -u <ci-app> -t <contoso>",
        "login --service-principal -u <ci-app> --federated-token not-a-token -t <contoso>",
        "login --service-principal -u <ci-app> --fed not-a-token -t <contoso>",
        state="empty",
        files={"secret.txt": "-local~ci'secret.1"},
    ),
    *group(
        f"{_SP} -t <contoso> -s <development>",
        f"{_SP} -t <contoso> -s nonsense",
        f"{_SP} -t <contoso> --skip-sub -s <development>",
        f"{_SP} -t <contoso> --skip-sub",
        state="empty",
    ),
    *group(
        Case(f"{_SP} -t <fabrikam>", state="service_principal"),
        Case(f"{_SP} -t <contoso>", state="service_principal"),
        Case(f"{_SP} -t <contoso>", state="alice"),
        Case("login --service-principal -u <ci-app> -p wrong -t <contoso>", state="service_principal"),
        Case(f"{_SP} -t <contoso>", state="alice", fault=Fault("/token", "unavailable", 1), handed_over=True),
    ),
    *group(
        "login --identity",
        "login -i --client-id <ci-app>",
        state="alice",
        env=_NO_IMDS,
        handed_over=True,
    ),
)
