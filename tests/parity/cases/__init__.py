"""The command lines, grouped by what they are about. A new one is a new line in one of these modules."""

from __future__ import annotations

from tests.parity.case import Case
from tests.parity.cases import (
    accounts,
    azure_stack,
    builtin,
    damage,
    help_and_usage,
    managed_identities,
    output,
    service_principals,
    sign_in,
    sign_out,
    tokens,
)

CASES: tuple[Case, ...] = (
    *help_and_usage.CASES,
    *accounts.CASES,
    *output.CASES,
    *tokens.CASES,
    *sign_in.CASES,
    *service_principals.CASES,
    *managed_identities.CASES,
    *azure_stack.CASES,
    *sign_out.CASES,
    *builtin.CASES,
    *damage.CASES,
)
