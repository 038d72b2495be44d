"""What an option without a value means, as from a variable that is not set: an error, or one warning.

A command line that works with the built-in commands keeps working, so there the value is named in a warning. Each such
option names its rule (`when_empty` of `azext_login.cli.options.option`). All other options are refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from azext_login.errors import AccountError
from azext_login.system.log import get_logger

logger = get_logger(__name__)


class Consequence(NamedTuple):
    """What the command does instead of refusing the value."""

    text: str
    """For the warning: "--name is empty, so <text>". Without a text, there is no warning."""
    with_blanks: bool = False
    """Whether this applies to a value of blanks as well. The built-in takes most of them for a value."""
    is_kept: bool = False
    """Whether the handler sees the value, instead of the option's default."""


_IGNORED = Consequence("it is ignored")
# The built-in does not look at the value either, or takes it for none.
_NOT_APPLICABLE = Consequence("it is ignored", with_blanks=True)
# The handler explains it.
_HANDLED = Consequence("", with_blanks=True, is_kept=True)


def check_values(record: Any, rules: Mapping[str, str | None], names: Mapping[str, str]) -> Any:
    """Return the record of a command's options without its empty values, and warn of them.

    :param rules: the fields whose values are empty -> the name of the rule; None for an option that the built-in
        command does not have, or does not accept without a value.
    :param names: the same fields -> the options as messages name them.
    :raises AccountError: the rule refuses the value, or there is no rule.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(record)}
    for name, rule in rules.items():
        value = getattr(record, name)
        words = [value] if isinstance(value, str) else list(value)
        consequence = RULES[rule](record) if rule else None
        if consequence is None or (any(words) and not consequence.with_blanks):
            raise refusal(names[name], words)
        if consequence.text:
            warn(names[name], words, consequence.text)
        if not consequence.is_kept:
            record = dataclasses.replace(record, **{name: without_blanks(words) or defaults[name]})
    return record


def without_blanks(words: Sequence[str]) -> list[str]:
    """Return the words that are values."""
    return [word for word in words if word.strip()]


def refusal(name: str, words: Sequence[str]) -> AccountError:
    """Return the error about an option whose value is empty.

    :param words: the value; an option can have several.
    """
    return AccountError(
        f"usage error: '{name}' is {_describe(words)}",
        "If the value comes from a variable, check that the variable is set. To run the command without the option, "
        "leave it out.",
    )


def warn(name: str, words: Sequence[str], consequence: str) -> None:
    """Warn of an option whose value is empty.

    :param words: the value; an option can have several.
    :param consequence: what the command does.
    """
    logger.warning(
        "%s is %s, so %s. If the value comes from a variable, check that the variable is set.",
        name,
        _describe(words),
        consequence,
    )


def _describe(words: Sequence[str]) -> str:
    return "blank" if any(word and not word.strip() for word in words) else "empty"


# A rule receives the record of all options of the command. The records import this module, so it does not name them.


def _of_username(o: Any) -> Consequence | None:
    if o.service_principal:
        return None
    if o.identity or o.use_device_code or o.from_env:
        return _IGNORED
    return Consequence("a user signs in with a web browser")


def _of_password(o: Any) -> Consequence | None:
    if o.password:
        # A password may consist of blanks.
        return _HANDLED
    is_needed = o.username and not (o.certificate or o.client_assertion or o.identity)
    return _HANDLED if is_needed else _IGNORED


def _of_certificate(o: Any) -> Consequence | None:
    if not o.service_principal:
        return _NOT_APPLICABLE
    if o.password:
        return _NOT_APPLICABLE
    return _IGNORED if o.client_assertion else None


def _of_federated_token(o: Any) -> Consequence | None:
    if not o.service_principal:
        return _NOT_APPLICABLE
    return _NOT_APPLICABLE if o.password or o.certificate else None


def _of_identity(o: Any) -> Consequence | None:
    from azure.cli.core.util import in_cloud_console

    if not o.identity or in_cloud_console():
        return _NOT_APPLICABLE
    if o.client_id or o.object_id or o.resource_id:
        return _IGNORED
    return Consequence("the system-assigned managed identity signs in")


def _of_login_subscription(o: Any) -> Consequence | None:
    return _NOT_APPLICABLE if o.identity else _IGNORED


def _of_login_scope(o: Any) -> Consequence | None:
    if any(word.strip() for word in o.scopes or ()) or o.identity:
        return _NOT_APPLICABLE
    return None if o.service_principal else Consequence("the sign-in is for Azure Resource Manager", with_blanks=True)


def _of_token_scope(o: Any) -> Consequence | None:
    if any(word.strip() for word in o.scopes or ()):
        return _NOT_APPLICABLE
    # Who gets the token is known later: workloads are refused.
    return _HANDLED


def _of_resource(o: Any) -> Consequence | None:
    if any(word.strip() for word in o.scopes or ()):
        return _NOT_APPLICABLE
    return Consequence("the token is for Azure Resource Manager", is_kept=True)


def _of_logout(o: Any) -> Consequence | None:
    # Signing out an account that is not signed in succeeds.
    return _HANDLED if o.username else Consequence("the active account is signed out")


def _always(consequence: Consequence) -> Callable[[Any], Consequence | None]:
    return lambda options: consequence


RULES: dict[str, Callable[[Any], Consequence | None]] = {
    "claims challenge": _always(_NOT_APPLICABLE),
    "username": _of_username,
    "password": _of_password,
    "certificate": _of_certificate,
    "federated token": _of_federated_token,
    "managed identity": _of_identity,
    "login scope": _of_login_scope,
    "login subscription": _of_login_subscription,
    "token scope": _of_token_scope,
    "signed-out account": _of_logout,
    "subscription": _always(Consequence("the active subscription is used")),
    "resource": _of_resource,
    "tenant": _always(Consequence("the token is for the tenant of the subscription")),
}
