"""Signing workloads in with the host's code, and storing what it found with ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._host import call_host
from .errors import StoreError
from .profile import subscriptions as rules
from .profile.model import Row, account_of
from .profile.state import usable_rows

if TYPE_CHECKING:
    from .session import Session

_SUBSCRIPTIONS = "subscriptions"


def sign_in_with_host(session: Session, cmd: Any, arguments: Mapping[str, Any]) -> Any:
    """Run the host's `az login`, and merge its rows into the profile.

    The host writes the profile from the copy that it read when the process started, and knows subscriptions by their
    ID alone: what another process has stored since then, and the rows of other identities, would be lost.
    """
    if session.services.service_principals.shares_the_keyring and not arguments.get("identity"):
        raise StoreError(
            "A service principal cannot be signed in here with core.encrypt_token_cache: on this system, the Azure CLI "
            "keeps tokens and secrets in one place of the keyring, and one overwrites the other.",
            "Turn encryption off with `az config set core.encrypt_token_cache=false`, and run `az login` again.",
        )
    prepare_for_host(session)
    with _writes_suspended() as found:
        try:
            result = call_host("login", cmd, arguments)
        finally:
            # It signs in, stores, and only then complains about a --subscription that is not there.
            new = found()
            if new:
                with session.change(mirror=True) as state:
                    rules.sign_in(state, new, preferred=next((row["id"] for row in new if row["isDefault"]), None))
    return result


def prepare_for_host(session: Session) -> None:
    """Set aside what is damaged of the credential files, before the host's code fails over it."""
    if not session.settings.encrypt_token_cache:
        session.services.token_cache.read()
    session.services.service_principals.make_usable()


@contextmanager
def _writes_suspended() -> Iterator[Any]:
    """Let the host work on its copies only, and yield a function that returns the rows it has found."""
    from azure.cli.core import _profile
    from azure.cli.core._session import ACCOUNT

    document = ACCOUNT.data
    before = document.get(_SUBSCRIPTIONS)
    set_cloud_subscription = _profile.set_cloud_subscription

    def found() -> list[Row]:
        after = document.get(_SUBSCRIPTIONS)
        if after is before:
            return []
        rows = usable_rows(after)
        default = rules.active_row(rows)
        if before is None:
            del document[_SUBSCRIPTIONS]
        else:
            document[_SUBSCRIPTIONS] = before
        return [] if default is None else [row for row in rows if _same_sign_in(row, default)]

    ACCOUNT.save = lambda: None
    _profile.set_cloud_subscription = lambda *_: None
    try:
        yield found
    finally:
        del ACCOUNT.save
        _profile.set_cloud_subscription = set_cloud_subscription


def _same_sign_in(row: Row, default: Row) -> bool:
    """Tell whether two rows come from one sign-in: the host makes one of its rows the default."""
    return (
        account_of(row) == account_of(default)
        and row["tenantId"] == default["tenantId"]
        and row["environmentName"] == default["environmentName"]
    )
