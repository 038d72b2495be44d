"""Signing out: secrets first, then rows, and nobody's data left behind. Needs no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from knack.log import get_logger

from azext_login.auth.storage.single_flight import purge
from azext_login.errors import StoreError
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.profile.state import slot_of
from azext_login.system.files import remove_if_present

if TYPE_CHECKING:
    from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
    from azext_login.auth.storage.token_cache import TokenCache
    from azext_login.usecases.session import Session

logger = get_logger(__name__)


@dataclass(frozen=True)
class SignOutOutcome:
    """What a sign-out removed, and what is left."""

    known: bool
    was_active: bool
    remaining: list[SubscriptionRow] = field(default_factory=list)


def sign_out(session: Session, name: str) -> SignOutOutcome:
    """Remove everything of a user or an application: tokens, secrets and rows, in every cloud.

    Secrets go first: if one of them cannot be removed, the account stays listed and the command can be repeated.
    """
    clients, cloud = session.clients, session.settings.cloud
    known: list[bool] = []
    gone: set[str] = set()

    def remove_secrets() -> None:
        _remove_adal_tokens(session)
        # Both, whatever the first one says. Another command that gets a token meanwhile stores it only if the
        # application still has its secret, so that goes first.
        known.extend(_forget(session, store, name) for store in (clients.service_principals, clients.token_cache))
        clients.decrypted_keys.forget(name)
        clients.http_cache().purge_names()
        purge(session.settings.config_dir)

    def forget_choices() -> None:
        if gone:
            session.forget_subscriptions(gone)

    with session.change(first=remove_secrets, then=forget_choices) as state:
        was_active = rules.active_row(rules.in_cloud(state.rows, cloud))
        removed = rules.remove_account(state, name)
        known.append(bool(removed))
        remaining = rules.in_cloud(state.rows, cloud)
        gone |= {slot_of(row)[1] for row in removed} - {slot_of(row)[1] for row in state.rows}
    session.store.purge(name)
    return SignOutOutcome(
        known=any(known),
        was_active=was_active is not None and account_of(was_active).matches(name),
        remaining=remaining,
    )


def clear(session: Session) -> None:
    """Remove every account of every cloud."""

    def remove_secrets() -> None:
        _remove_adal_tokens(session)
        session.clients.service_principals.clear()
        session.clients.token_cache.clear()
        session.clients.decrypted_keys.clear()
        session.clients.http_cache().clear()
        purge(session.settings.config_dir)

    session.store.clear(first=remove_secrets, then=lambda state: session.forget_subscriptions())


def _forget(session: Session, store: TokenCache | ServicePrincipalEntries, name: str) -> bool:
    try:
        return store.forget(name)
    except StoreError as error:
        if not session.settings.encrypt_token_cache:
            raise
        # What is in a keyring that cannot be opened is of no use to anybody, and no reason to stay signed in.
        logger.warning("%s", error)
        return False


def _remove_adal_tokens(session: Session) -> None:
    """Delete the token file of releases before 2.30, which nothing reads any more."""
    remove_if_present(session.settings.config_dir / "accessTokens.json")
