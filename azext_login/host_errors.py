"""The host's errors from which ours are derived, or what stands in for them where there is no host."""

from __future__ import annotations

try:
    from azure.cli.core.azclierror import (
        AuthenticationError,
        AzCLIError,
        AzureConnectionError,
        AzureResponseError,
        FileOperationError,
        InvalidArgumentValueError,
        ResourceNotFoundError,
        UnclassifiedUserFault,
    )
except ModuleNotFoundError:
    from azext_login.errors_without_host import (
        AuthenticationError,
        AzCLIError,
        AzureConnectionError,
        AzureResponseError,
        FileOperationError,
        InvalidArgumentValueError,
        ResourceNotFoundError,
        UnclassifiedUserFault,
    )

__all__ = [
    "AuthenticationError",
    "AzCLIError",
    "AzureConnectionError",
    "AzureResponseError",
    "FileOperationError",
    "InvalidArgumentValueError",
    "ResourceNotFoundError",
    "UnclassifiedUserFault",
]
