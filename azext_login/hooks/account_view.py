"""The subscriptions as commands that are not ours see them: with the choice of the process, and the one account that
knows what `--subscription` names.

The host keeps azureProfile.json in one object, `azure.cli.core._session.ACCOUNT`, and saves it now and then, for
example for its telemetry. So the object gets a class that returns other subscriptions when it is asked for them. What
it holds, and what the host saves, is what is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from azext_login.system.log import get_logger

if TYPE_CHECKING:
    from azext_login.profile.choice import Choice
    from azext_login.profile.model import SubscriptionRow

logger = get_logger(__name__)

# As in `profile.state`, which is loaded only if there is more to show than the stored list.
_SUBSCRIPTIONS = "subscriptions"
_OWN_KEY, _SHADOWED = "azextLogin", "otherIdentities"

# `az cloud set` changes the stored default, as `az account set` does.
_ABOUT_STORED_DEFAULT = "cloud"


def show(
    account: Any,
    cli_ctx: Any,
    choice: Choice | None,
    *,
    command: str,
    subscription: str | None,
    on_read: Callable[[], None],
    failure: Exception | None = None,
) -> None:
    """Let the host's copy of azureProfile.json return the subscriptions that this process sees.

    Nothing is computed before the subscriptions are read.

    :param account: the host's `ACCOUNT`.
    :param choice: that of this process; None if nothing chooses.
    :param command: its words without options.
    :param subscription: the value of the command's --subscription (ID or name), if it is given.
    :param on_read: called once, when the subscriptions are read first.
    :param failure: why it is not known what this process chose. Then the subscriptions cannot be read.
    """
    base = account.__class__ = getattr(type(account), "stored_class", type(account))
    if command.split()[:1] == [_ABOUT_STORED_DEFAULT]:
        return
    shown = _ShownSubscriptions(account, cli_ctx, choice, subscription, on_read, failure)

    class ShownSession(base):  # type: ignore[misc,valid-type]
        """The host's class, with other subscriptions."""

        stored_class = base

        def get(self, key: str, default: Any = None) -> Any:
            stored = super().get(key, default)
            return shown.read(stored) if key == _SUBSCRIPTIONS else stored

        def __getitem__(self, key: str) -> Any:
            stored = super().__getitem__(key)
            return shown.read(stored) if key == _SUBSCRIPTIONS else stored

        def __setitem__(self, key: str, value: Any) -> None:
            super().__setitem__(key, shown.to_store(value) if key == _SUBSCRIPTIONS else value)

    account.__class__ = ShownSession


class _ShownSubscriptions:
    """What one command sees, and what is stored of what it writes."""

    def __init__(
        self,
        account: Any,
        cli_ctx: Any,
        choice: Choice | None,
        subscription: str | None,
        on_read: Callable[[], None],
        failure: Exception | None,
    ) -> None:
        self._account = account
        self._cli_ctx = cli_ctx
        self._choice = choice
        self._subscription = subscription
        self._on_read: Callable[[], None] | None = on_read
        self._failure = failure
        self._stored: Any = None
        """The stored list that `_shown` was made of."""
        self._shown: list[SubscriptionRow] | None = None
        """What was read last, if it is not the stored list."""

    def read(self, stored: Any) -> Any:
        """Return the subscriptions to show.

        :param stored: the stored list; anything else in a damaged file, or without one.
        :raises NotSignedInError: the account that the process chose is not signed in.
        :raises AccountError: the process chose an account or a subscription that does not exist, or several.
        """
        if self._failure is not None:
            # Otherwise the command would use an account that this process did not choose.
            raise _unusable("What this process chooses could not be determined.") from self._failure
        self._report_read()
        if self._shown is None or stored is not self._stored:
            self._stored, self._shown = stored, None
            try:
                self._shown = self._compute(stored)
            except _choice_errors():
                raise
            except Exception as error:
                if self._choice:
                    raise _unusable(_not_applied(self._choice)) from error
                logger.debug("The command sees the stored subscriptions: %r", error)
        return stored if self._shown is None else self._shown

    def to_store(self, written: Any) -> Any:
        """Return what to store in place of subscriptions that a command read, changed and writes."""
        if self._shown is None or not isinstance(written, list):
            return written
        try:
            from azext_login.profile.command_view import rows_to_store

            rows = rows_to_store(written, self._shown, self._stored)
        except Exception as error:  # noqa: BLE001  # fails open
            logger.debug("The subscriptions are stored as the command wrote them: %r", error)
            return written
        try:
            self._keep_default_of_cloud(written, rows)
        except Exception as error:  # noqa: BLE001  # fails open
            logger.debug("clouds.config is not up to date: %r", error)
        return rows

    def _keep_default_of_cloud(self, written: list[SubscriptionRow], rows: list[SubscriptionRow]) -> None:
        """Store the default of the cloud in clouds.config again, if it is not the one that the command saw.

        The host has stored that one there, before it stores the rows.
        """
        from azext_login.profile.subscriptions import active_row, in_cloud

        cloud = self._cli_ctx.cloud.name
        seen, stored = active_row(in_cloud(written, cloud)), active_row(in_cloud(rows, cloud))
        if seen is None or stored is None or seen["id"] == stored["id"]:
            return
        from pathlib import Path

        from azure.cli.core.api import get_config_dir

        from azext_login.profile.clouds import CloudConfig
        from azext_login.system.directory import PrivateDirectory

        CloudConfig(PrivateDirectory(Path(get_config_dir()))).store_choice(cloud, stored["id"])

    def _report_read(self) -> None:
        on_read, self._on_read = self._on_read, None
        try:
            if on_read is not None:
                on_read()
                if self._choice is not None and self._choice.refused is not None:
                    from azext_login.cli.process_choice import report_refused_file

                    report_refused_file(self._choice.refused)
        except Exception as error:  # noqa: BLE001  # fails open
            logger.debug("The subscriptions are read: %r", error)

    def _compute(self, stored: Any) -> list[SubscriptionRow] | None:
        """Return the subscriptions to show, or None for the stored list."""
        choice = self._choice
        if not choice and self._is_complete(stored):
            return None
        from azext_login.profile.choice import Choice
        from azext_login.profile.command_view import rows_of_command
        from azext_login.profile.state import ProfileState

        state = ProfileState.of(self._account.data)
        rows = rows_of_command(state, choice or Choice(), self._cli_ctx.cloud.name, self._subscription)
        return rows if choice or rows != state.rows else None

    def _is_complete(self, stored: Any) -> bool:
        """Tell whether the stored list has everything that a command without a choice needs."""
        document, word = self._account.data, (self._subscription or "").lower()
        own = document.get(_OWN_KEY)
        if not isinstance(own, dict) or not own.get(_SHADOWED):
            return True
        from azext_login.profile.state import is_current

        cloud = self._cli_ctx.cloud.name
        return is_current(document, None) and (
            not word
            or any(
                row["environmentName"] == cloud and word in (row["id"].lower(), row["name"].lower()) for row in stored
            )
        )


def _not_applied(choice: Choice) -> str:
    from azext_login.system.text import printable

    return f"The choice of {printable(choice.origin)} could not be applied to the stored subscriptions."


def _unusable(message: str) -> Exception:
    from azext_login.errors import AccountError

    return AccountError(message, "To see why, run `az account show --debug`.")


def _choice_errors() -> tuple[type[Exception], ...]:
    """Return the errors about a choice that names nothing, or several."""
    from azext_login.errors import AccountError, NotSignedInError

    return AccountError, NotSignedInError
