"""Signing out: removes secrets first, then rows, and everything else that names the account. Needs no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azext_login.auth.storage.single_flight import purge
from azext_login.errors import EncryptionError
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.profile.state import slot_of
from azext_login.system.files import remove_if_present
from azext_login.system.log import get_logger
from azext_login.usecases.events import SignedOut
from azext_login.usecases.isolated_run import runs_in

if TYPE_CHECKING:
    from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
    from azext_login.auth.storage.token_cache import TokenCache
    from azext_login.profile.state import ProfileState
    from azext_login.usecases.session import Session

logger = get_logger(__name__)


@dataclass(frozen=True)
class SignOutOutcome:
    """What a sign-out removed, and what is left."""

    known: bool
    """Whether anything of the account was stored."""
    was_active: bool
    """Whether the stored default belonged to the account."""
    remaining: list[SubscriptionRow] = field(default_factory=list)
    """The rows of other accounts in the stored cloud."""
    contexts: list[str] = field(default_factory=list)
    """The names of the contexts of the account. They are kept, but cannot be used without it."""


def sign_out(session: Session, name: str) -> SignOutOutcome:
    """Remove everything of a user or an application: tokens, secrets and rows, in every cloud.

    Secrets are removed first: if one of them cannot be removed, the account stays listed and the command can be
    repeated.

    :param name: user name, application ID, or the label of a managed identity.
    :raises StoreError: a file cannot be changed or deleted.
    """
    # The stored one: in a context of another cloud, the stored default may be a subscription of this account too.
    clients, cloud = session.clients, session.stored_cloud
    known: list[bool] = []
    removed_ids: set[str] = set()

    def remove_secrets() -> None:
        _remove_adal_tokens(session)
        # Both are asked, whatever the first one returns. The secret is removed first: another command that obtains a
        # token in the meantime stores it only if the application still has its secret.
        known.extend(_forget(session, store, name) for store in (clients.service_principals, clients.token_cache))
        clients.decrypted_keys.forget(name)
        clients.http_cache().purge_names()
        purge(session.config_dir)

    def forget_choices() -> None:
        if removed_ids:
            session.forget_subscriptions(removed_ids)

    with session.change(first=remove_secrets, then=forget_choices) as state:
        was_active = rules.active_row(rules.in_cloud(state.rows, cloud))
        removed = rules.remove_account(state, name)
        known.append(bool(removed))
        remaining = rules.in_cloud(state.rows, cloud)
        contexts = _contexts_of(state, name) if state.contexts else []
        removed_ids |= {slot_of(row)[1] for row in removed} - {slot_of(row)[1] for row in state.rows}
    session.store.purge(name)
    if any(known):
        session.notify(SignedOut(session.settings.cloud, name))
    return SignOutOutcome(
        known=any(known),
        was_active=was_active is not None and account_of(was_active).matches(name),
        remaining=remaining,
        contexts=contexts if any(known) else [],
    )


def _contexts_of(state: ProfileState, name: str) -> list[str]:
    # Loaded only if there are contexts.
    from azext_login.profile.contexts import read_contexts

    return [context.name for context in read_contexts(state.contexts) if context.account.matches(name)]


def clear(session: Session) -> list[str]:
    """Remove every account of every cloud, and return the names of the contexts, which are kept.

    :raises StoreError: a file cannot be changed or deleted.
    """

    def remove_secrets() -> None:
        _remove_adal_tokens(session)
        session.clients.service_principals.clear()
        session.clients.token_cache.clear()
        session.clients.decrypted_keys.clear()
        session.clients.http_cache().clear()
        purge(session.config_dir)
        # Those whose command was killed with `az`. Others are removed when their commands have ended.
        runs_in(session.config_dir).remove_unused()

    kept: list[str] = []

    def forget_choices(state: ProfileState) -> None:
        if state.contexts:
            from azext_login.profile.contexts import read_contexts

            kept.extend(context.name for context in read_contexts(state.contexts))
        session.forget_subscriptions()

    session.store.clear(first=remove_secrets, then=forget_choices)
    session.notify(SignedOut(session.settings.cloud, None))
    return kept


def _forget(session: Session, store: TokenCache | ServicePrincipalEntries, name: str) -> bool:
    try:
        return store.forget(name)
    except EncryptionError as error:
        # Secrets in a keyring that cannot be opened are useless, so they do not keep the account signed in.
        logger.warning("%s", error)
        return False


def _remove_adal_tokens(session: Session) -> None:
    """Delete the token file of azure-cli before 2.30, which no command reads any more."""
    remove_if_present(session.config_dir / "accessTokens.json")
