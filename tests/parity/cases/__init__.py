"""The command lines, grouped by what they are about. A new one is a new line in one of these modules."""

from __future__ import annotations

from tests.parity.case import Case
from tests.parity.cases import accounts, builtin, damage, help_and_usage, output, sign_in, sign_out, tokens, workloads

CASES: tuple[Case, ...] = (
    *help_and_usage.CASES,
    *accounts.CASES,
    *output.CASES,
    *tokens.CASES,
    *sign_in.CASES,
    *workloads.CASES,
    *sign_out.CASES,
    *builtin.CASES,
    *damage.CASES,
)
