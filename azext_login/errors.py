"""The errors that every layer shares: one family, derived from the host's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.cli.core.azclierror import (
    AuthenticationError,
    AzureConnectionError,
    AzureResponseError,
    FileOperationError,
    UnclassifiedUserFault,
)

__all__ = [
    "AccountError",
    "InteractionRequiredError",
    "InterruptedDiscoveryError",
    "LockHeldError",
    "MalformedAnswerError",
    "NotSignedInError",
    "ServiceBusyError",
    "ServiceSlowError",
    "ServiceUnreachableError",
    "SignInError",
    "StoreError",
    "UnexpectedAnswerError",
    "first_line",
]


def first_line(error: object) -> str:
    """Return what an error says first, for a message that names several."""
    return str(error).partition("\n")[0]


class SignInError(AuthenticationError):  # type: ignore[misc]  # the host is untyped
    """The sign-in service refused. `retryable` says whether the same request may succeed later."""

    retryable = False

    def __init__(self, message: str, *, entra_error: Mapping[str, Any] | None = None, next_step: str | None = None):
        super().__init__(message, msal_error=entra_error, recommendation=next_step)


class InteractionRequiredError(SignInError):
    """A person has to sign in again: another factor, another consent, or an expired session."""


class NotSignedInError(AuthenticationError):  # type: ignore[misc]
    """There is no account, or no token of it, to work with. The message names `az login`."""

    retryable = False

    def __init__(self, message: str, *, next_step: str | None = None):
        super().__init__(message, recommendation=next_step)


class ServiceUnreachableError(AzureConnectionError):  # type: ignore[misc]
    """A service did not answer: name resolution, refused connection, time-out, untrusted certificate."""

    retryable = True


class ServiceBusyError(ServiceUnreachableError):
    """A service answered that it is overloaded or broken, each time that it was asked, or asks for a long pause."""


class ServiceSlowError(ServiceUnreachableError):
    """A service did not answer in the short time for which somebody waits who can do without."""


class InterruptedDiscoveryError(ServiceUnreachableError):
    """Ctrl-C was pressed before a tenant had answered."""


class UnexpectedAnswerError(AzureResponseError):  # type: ignore[misc]
    """A service answered something that its protocol does not allow, or an error of its own."""

    retryable = True


class MalformedAnswerError(UnexpectedAnswerError):
    """An answer was cut short, or came from something else on the way, such as a proxy."""


class AccountError(UnclassifiedUserFault):  # type: ignore[misc]
    """A subscription or account that was asked for does not exist, or is not the only one."""

    retryable = False


class StoreError(FileOperationError):  # type: ignore[misc]
    """A file of the config directory could not be read or written."""

    retryable = False


class LockHeldError(StoreError):
    """Another process has held a lock for longer than we wait."""
