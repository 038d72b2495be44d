"""What stands in for the host's errors where there is no host: in `az-token`, which leaves every error to `az`."""

from __future__ import annotations

from typing import Any


class AzCLIError(Exception):
    """The root of the host's errors, with what ours use of it."""

    def __init__(self, error_msg: str, recommendation: str | list[str] | None = None):
        super().__init__(error_msg)
        self.error_msg = error_msg
        self.recommendations: list[str] = []
        self.set_recommendation(recommendation)

    def set_recommendation(self, recommendation: str | list[str] | None) -> None:
        """Add advice."""
        if recommendation:
            self.recommendations += [recommendation] if isinstance(recommendation, str) else recommendation


class AuthenticationError(AzCLIError):
    """The host keeps the answer of the sign-in service with it."""

    def __init__(self, error_msg: str, msal_error: Any = None, **options: Any):
        super().__init__(error_msg, **options)
        self.msal_error = msal_error


class AzureConnectionError(AzCLIError):
    """See the host's class."""


class AzureResponseError(AzCLIError):
    """See the host's class."""


class FileOperationError(AzCLIError):
    """See the host's class."""


class InvalidArgumentValueError(AzCLIError):
    """See the host's class."""


class ResourceNotFoundError(AzCLIError):
    """See the host's class."""


class UnclassifiedUserFault(AzCLIError):  # noqa: N818  # the name of the host
    """See the host's class."""
