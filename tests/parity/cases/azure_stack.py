"""Azure Stack, whose sign-in service is AD FS: one tenant, no common endpoint, no user realms."""

from __future__ import annotations

from tests.parity.case import Case, group
from tests.users import ADAM

_SP = "login --service-principal -u <stack-app>"

CASES = (
    *group(
        "login --use-device-code",
        "login",
        "login --use-device-code -t <stack>",
        "login --use-device-code -t <stack.domain>",
        "login --use-device-code -t adfs",
        "login --use-device-code -o table",
        "login --use-device-code --allow-no-subscriptions",
        "login --use-device-code && builtin account get-access-token && builtin account list --refresh",
        state="azure_stack",
        user=ADAM,
    ),
    *group(
        f"{_SP} -p <stack-secret> -t <stack>",
        f"{_SP} -p <stack-secret> -t <stack> && builtin account get-access-token && account get-access-token",
        f"{_SP} -p <stack-secret> -t adfs",
        f"{_SP} -p <stack-secret>",
        f"{_SP} -p wrong -t <stack>",
        state="azure_stack",
    ),
    *group(
        Case("login", state="azure_stack", user=ADAM, browser=True),
        Case(
            "login -u <adam> -p <adam.password> -o table",
            state="azure_stack",
            user=ADAM,
        ),
        Case("login -u <adam> -p wrong", state="azure_stack", user=ADAM),
    ),
    *(
        Case(line, state=state)
        for state in ("adam", "stack_app")
        for line in (
            "account list",
            "account show -o table",
            "account list --refresh",
            "account get-access-token",
            "account get-access-token --resource-type ms-graph",
            "account get-access-token --tenant <stack>",
            "logout",
            "cloud set -n LocalCloud && account list --all",
        )
    ),
)
