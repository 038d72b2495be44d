"""The stored rows that a context stands for. If they are missing, no other account takes their place."""

from __future__ import annotations

from collections.abc import Sequence

from azext_login.errors import AccountError, NotSignedInError
from azext_login.profile.choice import CONTEXT_VARIABLE, ChosenContext
from azext_login.profile.contexts import LONGEST_NAME, Context, is_name
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.system.login_command import with_identity, with_password
from azext_login.system.text import printable, shorten

# The beginnings of a row's assignedIdentityInfo, as built-in code writes it.
_IDENTITIES = {"MSIClient-": "client-id", "MSIObject-": "object-id", "MSIResource-": "resource-id"}


def rows_of_context(rows: Sequence[SubscriptionRow], chosen: ChosenContext, cloud: str) -> list[SubscriptionRow]:
    """Return the rows of the account of a context.

    :param rows: those of the active cloud.
    :param cloud: its name.
    :raises NotSignedInError: the account is not signed in.
    :raises AccountError: there is no such context, or its cloud is not active because it is not registered.
    """
    context = known_context(chosen)
    if context.cloud != cloud:
        raise not_registered(_chosen(chosen), context)
    own = [row for row in rows if account_of(row).key == context.account.key]
    if not own:
        raise not_signed_in(_chosen(chosen), context)
    return own


def row_of_context(own: Sequence[SubscriptionRow], chosen: ChosenContext, *, is_needed: bool) -> SubscriptionRow | None:
    """Return the row that a context stands for.

    :param own: the rows of its account.
    :param is_needed: whether the command cannot use another row.
    :raises AccountError: the account does not have the subscription through this tenant; only if it is needed.
    """
    context = known_context(chosen)
    row = next((row for row in own if context.stands_for(row)), None)
    if row is None and is_needed:
        raise not_listed(_chosen(chosen), context)
    return row


def not_signed_in(what: str, context: Context, active_cloud: str | None = None) -> NotSignedInError:
    """Return the error about a context whose account is not signed in.

    :param what: the beginning of the message.
    :param active_cloud: as for `login_of`.
    """
    can_sign_in = context.account.is_user and active_cloud in (None, context.cloud)
    return NotSignedInError(
        f"{what}, but its account '{printable(context.account.label)}' is not signed in to cloud "
        f"'{printable(context.cloud)}'.",
        next_step=f"To sign in again, run:\n{login_of(context, active_cloud)}",
        login=_login_of(context).options if can_sign_in else None,
    )


def not_registered(what: str, context: Context) -> AccountError:
    """Return the error about a context whose cloud the host does not know any more.

    :param what: the beginning of the message.
    """
    return AccountError(
        f"{what}, which is for cloud '{printable(context.cloud)}'. This cloud is not registered.",
        "List the clouds with `az cloud list --output table`, and add one with `az cloud register`.",
    )


def not_listed(what: str, context: Context) -> AccountError:
    """Return the error about a context whose account does not have its subscription any more.

    :param what: the beginning of the message.
    """
    update = Command(("az", "account", "context", "update")).with_option("--name", context.name)
    return AccountError(
        f"{what}, but its account '{printable(context.account.label)}' does not have its subscription "
        f"{printable(context.subscription)} in tenant {printable(context.tenant)}.",
        "To read the subscriptions again, run `az account list --refresh`. To choose another one for the context, "
        f"run:\n{update.with_option('--subscription', 'ID')}",
    )


def known_context(chosen: ChosenContext) -> Context:
    """Return the context that was chosen.

    :raises AccountError: there is none with this name.
    """
    if chosen.context is not None:
        return chosen.context
    name = shorten(printable(chosen.name), LONGEST_NAME)
    given = (
        f"{CONTEXT_VARIABLE} is '{name}'" if chosen.file is None else f"{printable(chosen.origin)} contains '{name}'"
    )
    if not is_name(chosen.name):
        advice = f"No context can have this name. Set {CONTEXT_VARIABLE} to another name, or unset it."
        raise AccountError(f"{given}, but there is no context of this name.", advice)
    create = Command(("az", "account", "context", "create")).with_option("--name", chosen.name)
    stop = f"unset {CONTEXT_VARIABLE}" if chosen.file is None else "remove the file"
    raise AccountError(
        f"{given}, but there is no context of this name.",
        f"List the contexts with `az account context list --output table`, {stop}, or run:\n{create}",
    )


def login_of(context: Context, active_cloud: str | None = None) -> Command:
    """Return the command that signs the account of a context in again.

    :param active_cloud: the cloud that `az login` would sign in to here; None for that of the context.
    """
    login = _login_of(context)
    if active_cloud in (None, context.cloud):
        return login
    # Its standard input is not that of a pipe into `az login`: the host would read @- too early.
    login = login.without("--password")
    return Command(("az", "account", "context", "run", "--context", context.name, "--", *login.words), login.options)


def _login_of(context: Context) -> Command:
    account = context.account
    if account.is_managed_identity:
        for prefix, option in _IDENTITIES.items():
            if account.label.startswith(prefix):
                return with_identity(AZ_LOGIN, option, account.label.removeprefix(prefix))
        return with_identity(AZ_LOGIN)
    if account.is_user:
        return AZ_LOGIN.with_option("--tenant", context.tenant)
    login = AZ_LOGIN.with_option("--service-principal").with_option("--username", account.name)
    return with_password(login.with_option("--tenant", context.tenant), "@-")


def _chosen(chosen: ChosenContext) -> str:
    return f"{printable(chosen.origin)} chooses the context '{printable(chosen.name)}'"
