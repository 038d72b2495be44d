"""Files as accidents, other programs and older releases leave them."""

from __future__ import annotations

from tests.parity.case import Case, group

CASES = (
    *group(
        Case("account list", state="damaged_profile"),
        Case("login --use-device-code", state="damaged_profile"),
        Case("account list", state="empty_profile"),
        Case("login --use-device-code", state="empty_profile"),
        Case("account list", state="null_subscriptions"),
        Case("login --use-device-code", state="null_subscriptions"),
        Case("account list", state="profile_with_bom"),
        Case("account set -s <development>", state="profile_with_bom"),
        Case("account list", state="old_rows"),
        Case("account set -s <development> && account show", state="old_rows"),
        Case("account list --refresh", state="old_rows"),
        Case("account list", state="foreign_keys"),
        Case("account set -s <development>", state="foreign_keys"),
        Case("account list", state="damaged_tokens"),
        Case("account get-access-token", state="damaged_tokens"),
        Case("account list --refresh", state="damaged_tokens"),
        Case("logout", state="damaged_tokens"),
        Case("account clear", state="damaged_tokens"),
        Case("login --use-device-code", state="damaged_tokens"),
    ),
)
