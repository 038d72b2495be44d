"""Help of every command, and command lines that are refused before anything happens."""

from __future__ import annotations

from tests.parity.case import Quick, group

CASES = (
    *group(
        Quick("login -h"),
        "logout -h",
        "account -h",
        "account list -h",
        "account show -h",
        "account set -h",
        "account clear -h",
        "account get-access-token -h",
        state="empty",
    ),
    *group(
        # Unknown options and leftover words.
        Quick("login --no-such-option"),
        "login somebody",
        "account list --no-such-option",
        "account set --no-such-option x",
        "account clear now",
        # Options without their value, and values without their option.
        Quick("account set"),
        "account set --subscription",
        "account get-access-token --resource-type nonsense",
        "login --scope",
        # Ambiguous abbreviations.
        "login --use",
        "login --s x",
        "login --c x",
        "account get-access-token --res x",
        "account list -o nonsense",
        "account show --query",
        state="alice",
    ),
    *group(
        # Contradictions. None of them gets as far as the network.
        Quick("login --identity --username x"),
        "login --identity --password x",
        "login --identity --tenant <contoso>",
        "login --identity --service-principal",
        "login --use-device-code -u <alice> -p x",
        "login --use-device-code --service-principal",
        "login --use-cert-sn-issuer",
        "login --use-cert-sn-issuer -u <ci-app> -p x",
        Quick("login --service-principal"),
        "login -u <alice>",
        "login --username <alice> --tenant <contoso>",
        "login --identity --client-id a --object-id b",
        state="alice",
    ),
    *group(
        "login --skip-subscription-discovery",
        "login --skip-sub -s <production>",
        "login -t <contoso> --skip-sub -s NotAGuid",
        "login --skip-sub --service-principal -u <ci-app> -p x",
        state="empty",
    ),
    *group(
        "account",
        # Slow: every module of the CLI is loaded to find out what was meant.
        "account subscription list",
        state="alice",
    ),
)
