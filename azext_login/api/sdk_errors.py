"""Our errors as the Azure SDK expects them from a credential, without a dependency on the SDK.

The SDK's pipelines repeat a request after `azure.core.exceptions.AzureError`, but not after its subclass
`ClientAuthenticationError`. `azure.identity.ChainedTokenCredential` and `DefaultAzureCredential` go on to the next
credential only after `azure.identity.CredentialUnavailableError` (azure/identity/_credentials/chained.py). So an error
of a credential is an instance of its own class and of the SDK's: callers can catch either, and a command that catches
none prints our message and the next step. azure-identity is not a part of the Azure CLI. A caller that could catch its
error has loaded it, so it is used if it is loaded, and never imported.
"""

from __future__ import annotations

import sys
from typing import Any

from azext_login.errors import NotSignedInError
from azext_login.host_errors import AzCLIError


def as_sdk_error(error: AzCLIError) -> AzCLIError:
    """Return an error with the message, next step and class of another one, and with the class of the SDK.

    :param error: a sign-in that is missing, or one that was refused.
    """
    made: AzCLIError = _combined(type(error), _sdk_class(error))(error)
    return made.with_traceback(error.__traceback__)


def _sdk_class(error: AzCLIError) -> type[Exception]:
    """Return `CredentialUnavailableError` if no account is signed in and a caller can know that class."""
    from azure.core.exceptions import ClientAuthenticationError

    identity = sys.modules.get("azure.identity")
    unavailable = getattr(identity, "CredentialUnavailableError", None)
    if isinstance(error, NotSignedInError) and isinstance(unavailable, type):
        return unavailable
    return ClientAuthenticationError


def _combined(ours: type[AzCLIError], of_sdk: type[Exception]) -> Any:
    def reduce(self: Any) -> Any:
        # A copy, and another process, make the class again.
        plain: Any = ours.__new__(ours, str(self))
        plain.__dict__.update(self.__dict__)
        return as_sdk_error, (plain,)

    def take_over(self: Any, error: AzCLIError) -> None:
        of_sdk.__init__(self, message=str(error))  # type: ignore[call-arg]
        self.__dict__.update(error.__dict__)

    # The name is what users read in `--debug`, and what telemetry counts.
    return type(
        ours.__name__, (ours, of_sdk), {"__init__": take_over, "__reduce__": reduce, "__module__": ours.__module__}
    )
