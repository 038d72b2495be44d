"""Users sign in: device code, browser, and the warnings about passwords."""

from __future__ import annotations

from tests.parity.case import Case, Fault, Quick, group
from tests.users import ALICE, BOB, CAROL, ERIN, MIA, NINA, OSCAR

_GUID = "00000000-1111-2222-3333-444444444444"
_GRAPH = "https://graph.microsoft.com/.default"
# {"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}
_CLAIMS = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzAwMDAwMDAwIn19fQ=="

CASES = (
    *group(
        Quick("login --use-device-code"),
        "login --use-device-code -o table",
        "login --use-device-code -o none",
        "login --use-device-code --query [].name",
        "login --use-dev",
        # No browser: the device code, as if it had been asked for.
        "login",
        "login --use-device-code -t <contoso>",
        Quick("login --use-device-code --tenant <fabrikam.domain>"),
        "login --use-device-code --tenant <contoso|upper>",
        "login --use-device-code --ten <woodgrove>",
        "login --use-device-code --tenant <tailspin>",
        "login --use-device-code --tenant <tailspin> --allow-no-subscriptions",
        "login --use-device-code --allow-no-subscriptions",
        "login --use-device-code --allow-no",
        "login --use-device-code --tenant <contoso> --allow-no-subscriptions",
        f"login --use-device-code --tenant {_GUID}",
        "login --use-device-code --tenant nobody.example",
        "login --use-device-code --tenant ''",
        "login --use-device-code --tenant ' '",
        "login --use-device-code --tenant common",
        f"login --use-device-code --scope {_GRAPH}",
        f"login --use-device-code --tenant <contoso> --scope {_GRAPH}",
        "login --use-device-code --scope https://nowhere.example/.default",
        f"login --use-device-code --claims-challenge {_CLAIMS}",
        "login --use-device-code --claims-challenge not-base64!",
        "login --use-device-code --debug",
        state="empty",
    ),
    *group(
        Quick("login --use-device-code -s <development>"),
        "login --use-device-code --subscription <development.name|upper>",
        "login --use-device-code -s <unicode.name>",
        "login --use-device-code -s nonsense",
        "login --use-device-code -s ''",
        "login --use-device-code -t <contoso> -s <fabrikam-main>",
        "login --use-device-code -t <contoso> --skip-subscription-discovery",
        "login --use-device-code -t <contoso.domain> --skip-sub -s <development>",
        "login --use-device-code -t <contoso> --skip-sub -s <development|upper>",
        f"login --use-device-code -t <contoso> --skip-sub -s {_GUID}",
        f"login --use-device-code -t <contoso> --skip-sub -s {_GUID} --allow-no-subscriptions",
        "login --use-device-code -t <tailspin> --skip-sub",
        state="empty",
    ),
    *group(
        # Another user, the same user again, with something already stored.
        Case("login --use-device-code", state="alice", user=BOB, fast=True),
        Case("login --use-device-code", state="bob", user=ALICE),
        Case("login --use-device-code -s 'Same Name'", state="empty", user=OSCAR, hosts=("newest",)),
        Case("login --use-device-code", state="alice"),
        Case("login --use-device-code", state="disabled_default"),
        Case("login --use-device-code", state="none_default"),
        Case("login --use-device-code -t <fabrikam>", state="alice"),
        Case("login --use-device-code -t <fabrikam>", state="alice_on_shared"),
        Case("login --use-device-code -t <fabrikam> -s <shared>", state="alice"),
        Case("login --use-device-code -t <contoso> --skip-sub", state="alice"),
        Case("login --use-device-code -t <contoso> --skip-sub -s <development>", state="alice"),
        Case("login --use-device-code", state="alice_tenant_level"),
        Case("login --use-device-code --allow-no-subscriptions", state="alice_tenant_level"),
        Case("login --use-device-code", state="alice_everywhere"),
        Case("login --use-device-code", state="alice_with_old_tenant_row"),
        Case("login --use-device-code", state="bob_and_sp", user=ALICE),
        Case("login --use-device-code", state="two_clouds"),
        Case("cloud set -n OtherCloud && login --use-device-code", state="two_clouds", user=BOB),
        Case("login --use-device-code && account set -s <long.name> && account show", state="empty", user=BOB),
        Case("login --use-device-code", state="foreign_keys", user=BOB),
        Case("login --use-device-code", state="profile_with_bom", user=BOB),
        Case("login --use-device-code", state="adal_file"),
    ),
    *group(
        # Who they are.
        Case("login --use-device-code", state="empty", user=CAROL, fast=True),
        Case("login --use-device-code --allow-no-subscriptions", state="empty", user=CAROL),
        Case("login --use-device-code", state="alice", user=CAROL),
        Case("login --use-device-code", state="empty", user=ERIN),
        Case("login --use-device-code -t <contoso.domain>", state="empty", user=ERIN),
        Case("login --use-device-code", state="empty", user=MIA),
        Case("login --use-device-code -t <contoso>", state="empty", user=BOB),
    ),
    *group(
        # In a browser.
        Case("login", state="empty", browser=True, fast=True),
        Case("login -t <contoso>", state="empty", browser=True),
        Case("login --tenant <fabrikam.domain>", state="empty", browser=True),
        Case("login -t <woodgrove>", state="empty", browser=True),
        Case("login -t <tailspin>", state="empty", browser=True),
        Case(f"login -t <contoso> --scope {_GRAPH}", state="empty", browser=True),
        Case(f"login --claims-challenge {_CLAIMS}", state="empty", browser=True),
        Case("login -t <contoso> --skip-sub", state="empty", browser=True),
        Case("login --only-show-errors", state="empty", browser=True),
        Case("login", state="alice", browser=True, user=BOB),
        Case("login", state="empty", browser=True, user=MIA),
        Case("login", state="alice", browser=True, declines=True),
        Case("login", state="alice", browser=True, user=NINA),
        Case("login", state="empty", browser=True, env={"CODESPACES": "true"}),
    ),
    *group(
        # It does not work out.
        Case("login --use-device-code", state="alice", declines=True),
        Case("login --use-device-code", state="alice", fault=Fault("/devicecode", "unavailable")),
        Case("login --use-device-code", state="alice", fault=Fault("openid-configuration", "html")),
        Case("login --use-device-code -t <contoso.domain>", state="alice", fault=Fault("openid-configuration", "drop")),
        Case("login --use-device-code", state="alice", fault=Fault("/tenants\\?", "html")),
        Case("login --use-device-code", state="empty", fault=Fault("^/subscriptions\\?", "drop")),
        Case("login --use-device-code", state="empty", fault=Fault("^/subscriptions\\?", "error", 1, 403)),
    ),
    *group(
        # With a password. MSAL cannot ask a cloud on a port about the user, so the built-in side signs the same user
        # in with a device code: what is shown and stored has to be the same.
        Case(
            "login -u <alice> -p <alice.password>",
            state="empty",
            builtin_line="login --use-device-code",
            fast=True,
        ),
        Case(
            "login --user <bob> --password=<bob.password>",
            state="alice",
            builtin_line="login --use-device-code",
            user=BOB,
        ),
        Case(
            "login -u <alice> -p <alice.password> -t <contoso.domain>",
            state="empty",
            builtin_line="login --use-device-code -t <contoso.domain>",
        ),
        Case(
            "login -u <alice> -p <alice.password> -s <development>",
            state="empty",
            builtin_line="login --use-device-code -s <development>",
        ),
        Case(
            "login -u <alice> --pass=@- -o table",
            state="empty",
            builtin_line="login --use-device-code -o table",
            stdin="alice-local-password",
        ),
        Case(
            "login -u <carol> -p <carol.password> --allow-no-subscriptions",
            state="empty",
            builtin_line="login --use-device-code --allow-no-subscriptions",
            user=CAROL,
        ),
    ),
)
