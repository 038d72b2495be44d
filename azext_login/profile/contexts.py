"""Contexts: names for a cloud, an account, a tenant and a subscription. A context holds no token and no secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from azext_login.errors import AccountError
from azext_login.profile.model import Account, SubscriptionRow, account_of
from azext_login.profile.state import RowKey, is_usable_context, key_of
from azext_login.system.text import printable, shorten

LONGEST_NAME = 64
"""Characters of a context's name."""

_NAME = re.compile(r"(?!-)(?=.*[^.])[A-Za-z0-9._-]{1,64}", re.ASCII)

# Windows takes these for devices, whatever follows the first dot
# (https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.ASCII | re.IGNORECASE)

_NAME_KEY, _CLOUD, _USER, _TENANT, _SUBSCRIPTION = "name", "cloud", "user", "tenant", "subscription"


@dataclass(frozen=True)
class Context:
    """A name for a choice. The row that it stands for may be missing: a sign-out does not remove contexts."""

    name: str
    cloud: str
    """Name of the cloud, as in `az cloud list`."""
    account: Account
    tenant: str
    """GUID."""
    subscription: str
    """GUID; that of the tenant for a tenant without subscriptions."""

    @property
    def row_key(self) -> RowKey:
        """The key of the row that it stands for (`profile.state.key_of`)."""
        return self.cloud, self.account.key, self.tenant.casefold(), self.subscription.lower()

    def stands_for(self, row: Mapping[str, Any]) -> bool:
        """Tell whether it stands for a row."""
        return key_of(row) == self.row_key


def is_name(text: str) -> bool:
    """Tell whether a text can be the name of a context."""
    return _NAME.fullmatch(text) is not None and _DEVICE.fullmatch(text) is None


def check_name(text: str) -> str:
    """Return a name for a context.

    :raises AccountError: the text cannot be one.
    """
    if not is_name(text):
        shown = shorten(printable(text), LONGEST_NAME)
        raise AccountError(
            f"'{shown}' cannot be the name of a context.",
            f"A name has up to {LONGEST_NAME} letters, digits, '.', '_' and '-'. It does not begin with '-', does not "
            "consist of dots, and is not the name of a Windows device, such as CON.",
        )
    return text


def is_same_name(one: str, other: str) -> bool:
    """Compare names without regard to case."""
    return one.lower() == other.lower()


def context_of(name: str, row: SubscriptionRow) -> Context:
    """Return a context for a row."""
    return Context(name, row["environmentName"], account_of(row), str(row["tenantId"]), str(row["id"]))


def read_contexts(stored: Iterable[Any]) -> list[Context]:
    """Return the usable ones of the stored contexts (`ProfileState.contexts`), sorted by name."""
    found: dict[str, Context] = {}
    for value in stored:
        context = _read(value)
        if context is not None:
            found.setdefault(context.name.lower(), context)
    return [found[name] for name in sorted(found)]


def find_context(stored: Iterable[Any], name: str) -> Context | None:
    """Return a context by its name, or None."""
    if not is_name(name):
        # Without regard to case, some letters that no name has are equal to those of ASCII.
        return None
    return next((context for context in read_contexts(stored) if is_same_name(context.name, name)), None)


def with_context(stored: Iterable[Any], context: Context, *, replaces: str | None = None) -> list[Any]:
    """Return the stored contexts with one more.

    :param replaces: the name of the context that it replaces. Keys of other programs in that one are kept.
    """
    kept: list[Any] = []
    before: dict[str, Any] = {}
    for value in stored:
        if replaces is not None and _is_named(value, replaces):
            before = before or value
        else:
            kept.append(value)
    user = {"name": context.account.name, "type": context.account.kind, **context.account.details}
    new = {
        _NAME_KEY: context.name, _CLOUD: context.cloud, _USER: user,
        _TENANT: context.tenant, _SUBSCRIPTION: context.subscription,
    }  # fmt: skip
    return [*kept, {**before, **new}]


def without_context(stored: Iterable[Any], name: str) -> list[Any]:
    """Return the stored contexts without one."""
    return [value for value in stored if not _is_named(value, name)]


def _is_named(value: Any, name: str) -> bool:
    return isinstance(value, dict) and is_same_name(str(value.get(_NAME_KEY)), name)


def _read(value: Any) -> Context | None:
    if not is_usable_context(value) or not is_name(value[_NAME_KEY]):
        return None
    return Context(value[_NAME_KEY], value[_CLOUD], account_of(value), value[_TENANT], value[_SUBSCRIPTION])
