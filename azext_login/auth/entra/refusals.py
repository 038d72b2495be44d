"""The catalogue of Entra ID's refusals: every AADSTS code that we know, what it means, and what to run next.

The codes are those of https://learn.microsoft.com/entra/identity-platform/reference-error-codes. Where a code is not
on that page, a comment beside it names the source. They decide the wording and the kind of an error only. An unknown
code is still reported with Entra's own text and a command to run.

`python -m tests.errors` writes `docs/errors.rst` from the rows.
"""

from __future__ import annotations

from azext_login.auth.entra.account_refusals import PERSONAL_ACCOUNT, UNKNOWN_USER
from azext_login.auth.entra.application_refusals import OF_SERVICE_PRINCIPALS
from azext_login.auth.entra.refusal import SIGN_IN, SIGN_IN_AGAIN, Refusal, find_refusal
from azext_login.auth.entra.session_refusals import OF_POLICIES
from azext_login.auth.entra.shared_refusals import OF_EVERYONE, OF_THE_SERVICE, SEVERAL_RESOURCES
from azext_login.auth.entra.user_refusals import OF_USERS

__all__ = [
    "NOT_IN_TENANT",
    "OF_EVERYONE",
    "OF_POLICIES",
    "OF_SERVICE_PRINCIPALS",
    "OF_THE_SERVICE",
    "OF_USERS",
    "PERSONAL_ACCOUNT",
    "SEVERAL_RESOURCES",
    "SIGN_IN",
    "SIGN_IN_AGAIN",
    "UNKNOWN_USER",
    "Refusal",
    "find_refusal",
]

NOT_IN_TENANT = frozenset(
    code for row in (*OF_USERS, *OF_SERVICE_PRINCIPALS) if row.is_not_in_tenant for code in row.causes
)
"""The codes for an account that the tenant does not know: a user who is no member and no guest, and an application
without a service principal there."""
