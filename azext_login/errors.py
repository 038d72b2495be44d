"""The errors that every layer shares: one family, derived from the host's own.

An error is raised once, where its cause is known. Its message states what happened and what was kept; its
recommendation names the command to run next.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from azext_login.host_errors import (
    AuthenticationError,
    AzureConnectionError,
    AzureResponseError,
    FileOperationError,
    ResourceNotFoundError,
    UnclassifiedUserFault,
)

__all__ = [
    "AccountError",
    "EncryptionError",
    "IncompleteListError",
    "InteractionRequiredError",
    "InterruptedDiscoveryError",
    "LockHeldError",
    "LoginWords",
    "MalformedAnswerError",
    "NotFoundError",
    "NotSignedInError",
    "RefusalKind",
    "ServiceBusyError",
    "ServiceSlowError",
    "ServiceUnreachableError",
    "SignInError",
    "StoreError",
    "UnexpectedAnswerError",
    "first_line",
]


def first_line(error: object) -> str:
    """Return the first line of an error's message, for a message that lists several errors."""
    return str(error).partition("\n")[0]


LoginWords = tuple[tuple[str, tuple[str, ...]], ...]
"""Options of an `az login`: names with dashes, each with its values."""


class RefusalKind(enum.Enum):
    """Why the sign-in service refused: what a script can tell apart."""

    WRONG_CREDENTIAL = "wrong credential"
    EXPIRED = "expired or revoked"
    ACTION_NEEDED = "the user has to act"
    CONSENT_MISSING = "consent is missing"
    DISABLED = "disabled or locked"
    """Also deleted; of a managed identity: not assigned to this resource."""
    UNAVAILABLE = "service unavailable"
    CLOCK_WRONG = "the clock is wrong"
    UNKNOWN_NAME = "unknown user, tenant or application"
    OTHER = "another reason"


class SignInError(AuthenticationError):  # type: ignore[misc]  # the host is untyped
    """The sign-in service refused, or a credential cannot be used. Another attempt needs another credential."""

    kind = RefusalKind.OTHER

    def __init__(
        self,
        message: str,
        *,
        entra_error: Mapping[str, Any] | None = None,
        next_step: str | None = None,
        kind: RefusalKind | None = None,
        login: LoginWords | None = None,
    ):
        """:param entra_error: MSAL's result with Entra ID's error body; the host keeps it as `msal_error`.
        :param next_step: what to do next, and the command for it.
        :param kind: the reason; None for the usual one of this error.
        :param login: the options of the `az login` of a user after which the request can succeed; None without one.
        """
        super().__init__(message, msal_error=entra_error, recommendation=next_step)
        self.login = login
        if kind is not None:
            self.kind = kind


class InteractionRequiredError(SignInError):
    """The user has to sign in again: another factor, another consent, or an expired session."""

    kind = RefusalKind.ACTION_NEEDED


class NotSignedInError(AuthenticationError):  # type: ignore[misc]
    """No account is signed in, or its tokens are no longer stored. The message or the next step names `az login`."""

    def __init__(self, message: str, *, next_step: str | None = None, login: LoginWords | None = None):
        """:param next_step: what to do next, and the command for it.
        :param login: the options of the `az login` of a user after which the request can succeed; None without one.
        """
        super().__init__(message, recommendation=next_step)
        self.login = login


class ServiceUnreachableError(AzureConnectionError):  # type: ignore[misc]
    """A service did not answer: name resolution, refused connection, time-out, untrusted certificate."""


class ServiceBusyError(ServiceUnreachableError):
    """A service answered every request with 429 or a server error, or asks for a pause longer than we wait."""


class ServiceSlowError(ServiceUnreachableError):
    """A service did not answer within the few seconds that we wait where a stale token will do."""


class InterruptedDiscoveryError(ServiceUnreachableError):
    """Ctrl-C was pressed before a tenant or an account had answered."""


class UnexpectedAnswerError(AzureResponseError):  # type: ignore[misc]
    """A service answered something that its protocol does not allow, or reported an error of its own."""


class MalformedAnswerError(UnexpectedAnswerError):
    """An answer was cut short, or came from something between us and the service, such as a proxy."""


class IncompleteListError(UnexpectedAnswerError):
    """A list is too long to be read to its end, or does not end. What was read of it is kept."""


class AccountError(UnclassifiedUserFault):  # type: ignore[misc]
    """The requested subscription or account does not exist, is ambiguous, or does not allow the request."""

    login: LoginWords | None = None
    """The options of the `az login` of a user after which the request can succeed; None without one."""


class NotFoundError(AccountError, ResourceNotFoundError):  # type: ignore[misc]
    """Nothing has the name that was given. The exit code is 3, as of the host's commands."""


class StoreError(FileOperationError):  # type: ignore[misc]
    """A file of the config directory could not be read or written."""


class EncryptionError(StoreError):
    """Encrypted secrets could not be read or written: no keyring, a locked one, or damaged content."""


class LockHeldError(StoreError):
    """Another process has held a lock for longer than we wait."""
