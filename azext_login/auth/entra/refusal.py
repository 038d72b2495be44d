"""What the error catalogue records about one reason for which Entra ID refuses, and how a reason is found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from azext_login.errors import RefusalKind

SIGN_IN = "To sign in, run:\n{command}"
SIGN_IN_AGAIN = "To sign in again, run:\n{command}"
AUTHENTICATE = (
    "Run the command below to authenticate interactively; additional arguments may be added as needed:\n{command}"
)


@dataclass(frozen=True)
class Refusal:
    """One reason for which Entra ID refuses a request."""

    causes: Mapping[int, str]
    """AADSTS code -> its cause in plain words."""
    sentence: str
    """The first sentence of the message. `{who}` and `{where}` are the account and its tenant."""
    next_step: str = SIGN_IN
    """`{command}` is the `az login` to run, `{client_id}` the application that was refused."""
    kind: RefusalKind = RefusalKind.OTHER
    wait: str = ""
    """For how long to wait before the same command can succeed; empty if waiting does not help."""
    is_not_in_tenant: bool = False
    """Whether the tenant does not know the account, so that another account may be the one for it."""
    words: frozenset[str] = frozenset()
    """Values of `error` (RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5) with the same meaning."""

    @property
    def codes(self) -> frozenset[int]:
        """The AADSTS codes."""
        return frozenset(self.causes)

    @property
    def is_interactive(self) -> bool:
        """Whether only the user can continue, in an interactive sign-in."""
        return AUTHENTICATE in self.next_step


def find_refusal(table: Iterable[Refusal], codes: frozenset[int], word: object = None) -> Refusal | None:
    """Return the refusal of a table with one of these codes, or else with this value of `error`.

    If several match, the first one counts. A code is more precise than a word.
    """
    rows = tuple(table)
    by_code = next((row for row in rows if not codes.isdisjoint(row.causes)), None)
    return by_code or next((row for row in rows if word in row.words), None)
