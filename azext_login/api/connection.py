"""How the API reaches the session, and which account a call is about."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azext_login.api.arguments import check_optional, check_text
from azext_login.cli.open_session import open_session
from azext_login.system.command_line import Command

if TYPE_CHECKING:
    from azext_login.profile.model import SubscriptionRow
    from azext_login.usecases.get_token import TokenOutcome, TokenRequest
    from azext_login.usecases.session import Session


def session_of(cli_ctx: Any) -> Session:
    """Return a new session. The stored cloud stays the same.

    :param cli_ctx: the context of the command that runs.
    """
    return open_session(cli_ctx, restores_cloud=False)


def session_of_default(cli_ctx: Any) -> Session:
    """Return a new session of the stored cloud, to change the stored default. The command stays in its context."""
    return open_session(cli_ctx, restores_cloud=False, is_about_default=True)


def account_set() -> Command:
    """Return the command that errors advise to run where a name is ambiguous: it decides for every caller."""
    return Command(("az", "account", "set"))


@dataclass(frozen=True)
class Wanted:
    """Whose tokens are requested. Everything that is None follows the stored default and the environment."""

    account: str | None = None
    subscription: str | None = None
    tenant: str | None = None
    client_id: str | None = None
    """Of an application of one's own, as `own_application` returns it."""

    def __post_init__(self) -> None:
        check_optional(account=self.account, subscription=self.subscription, tenant=self.tenant)


def token_of(session: Session, wanted: Wanted, request: TokenRequest) -> tuple[SubscriptionRow, TokenOutcome]:
    """Return a token, and the row of the account that it is for.

    :raises NotSignedInError: no account is signed in, or its tokens are no longer stored.
    :raises AccountError: there is no such account or subscription, or there are several.
    """
    from azext_login.usecases.choose_account import choose_for_token
    from azext_login.usecases.get_token import get_token

    require_sign_in(session)
    choice = choose_for_token(
        session,
        username=wanted.account,
        tenant=wanted.tenant,
        subscription=wanted.subscription,
        again=account_set,
    )
    return choice.use(lambda row: get_token(session, row, request))


def checked_claims(claims: str | None) -> str | None:
    """Return a claims challenge; None for an empty one.

    :raises TypeError: it is not a text.
    :raises ValueError: it is not a JSON object, or has `access_token` with another value than an object.
    """
    if not claims:
        return None
    import json

    check_text("claims", claims)
    try:
        found = json.loads(claims)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("access_token", {}), dict):
        raise ValueError("The claims challenge is not a JSON object. It must be decoded from base64 first.")
    return claims


def require_sign_in(session: Session) -> None:
    """Do nothing if any account is signed in to the active cloud.

    :raises NotSignedInError: no account is.
    """
    if not session.rows(all_identities=True):
        session.find(again=account_set)


class TokenSource:
    """The tokens of one choice of account, for as long as a program needs them.

    The account is chosen at the first request for a tenant, and kept: a program that runs for hours is not switched to
    another account by an `az account set` elsewhere. Threads take turns, because the clients of a session serve one
    request at a time. A process that was forked opens connections of its own.
    """

    def __init__(self, cli_ctx: Any, wanted: Wanted):
        """:param cli_ctx: the context of the command that runs."""
        self.cli_ctx = cli_ctx
        self.wanted = wanted
        self._rows: dict[str | None, SubscriptionRow] = {}
        self.start_afresh()
        _sources.add(self)

    def start_afresh(self) -> None:
        """Forget the connections without a word to the services, and who has the turn: those of a parent process."""
        self._turn = threading.RLock()
        self._session: Session | None = None

    def token(self, request: TokenRequest) -> TokenOutcome:
        """Return a token for the tenant of the request.

        :raises: what `token_of` raises.
        """
        from azext_login.usecases.get_token import get_token, report_stale_token

        tenant = request.tenant.casefold() if request.tenant else None
        wanted = Wanted(self.wanted.account, self.wanted.subscription, request.tenant)
        with ExitStack() as afterwards, self._turn:
            session = self._open()
            with session.hold_events(afterwards):
                row = self._rows.get(tenant)
                if row is None:
                    row, outcome = token_of(session, wanted, request)
                    self._rows[tenant] = row
                else:
                    outcome = get_token(session, row, request)
        report_stale_token(outcome)
        return outcome

    def row(self, tenant: str | None) -> SubscriptionRow:
        """Return the row of the account that is asked first for tokens of a tenant.

        :raises: what `token_of` raises about the account.
        """
        from azext_login.usecases.choose_account import choose_for_token

        with self._turn:
            found = self._rows.get(tenant.casefold() if tenant else None)
            if found is not None:
                return found
            session, wanted = self._open(), self.wanted
            require_sign_in(session)
            choice = choose_for_token(
                session,
                username=wanted.account,
                tenant=tenant,
                subscription=wanted.subscription,
                again=account_set,
            )
            return choice.row

    def default_scopes(self) -> list[str]:
        """Return the scopes of Azure Resource Manager in the active cloud."""
        with self._turn:
            return list(self._open().settings.arm_scopes)

    def close(self) -> None:
        """Close the connections. The next request opens new ones."""
        with self._turn:
            session, self._session = self._session, None
            if session is not None:
                session.close()

    def _open(self) -> Session:
        if self._session is None:
            self._session = session_of(self.cli_ctx)
        return self._session


_sources: weakref.WeakSet[TokenSource] = weakref.WeakSet()


def _start_afresh() -> None:
    for source in list(_sources):
        source.start_afresh()


if hasattr(os, "register_at_fork"):
    # Two processes that read from one TLS connection destroy it, and no thread of the child gives up a lock.
    os.register_at_fork(after_in_child=_start_afresh)
