"""The programming interface of the `login` extension, for other extensions and for programs that run in the CLI.

Everything that is public is in this module, in `azext_login.api.aio` and in `azext_login.testing`; the other modules of
the package may change in every version. `API_VERSION` follows Semantic Versioning 2.0.0. CONTRIBUTING.rst has the
deprecation policy.

Every function takes `cli_ctx`, the context of the command that runs: `cmd.cli_ctx` in a command of an extension. All
follow `AZURE_LOGIN_ACCOUNT` and `AZURE_LOGIN_SUBSCRIPTION` as commands do; explicit arguments take precedence. They use
the files and the locks of the commands, and print nothing but warnings. Errors are those of the Azure CLI
(`azure.cli.core.azclierror.AzCLIError`): a command that does not catch them prints the message and the next step.

Events: `SignedIn`, `SignedOut`, `SubscriptionChanged` and `TokenRefreshed` are raised by the commands and hooks of this
extension and by this API, when the change is stored. Built-in code raises none: a token that the Azure CLI itself
renews in a built-in command is not reported. A loader registers a listener in its `load_command_table`::

    def listener(cli_ctx, *, payload, **kwargs):
        logger.info("The default subscription is %s.", payload.subscription)

    cmd.cli_ctx.register_event("azext_login.SubscriptionChanged", listener)

The host loads an extension only for the words of its own commands, so a listener is told what happens in these
commands. An extension that has a command in the group `account` is loaded for every `az account`. No extension can be
loaded for `az login` and `az logout`, except while the host makes a new index of all commands; the list of extensions
that are always loaded is fixed in the host (`ALWAYS_LOADED_EXTENSIONS` in azure/cli/core/__init__.py). To notice a
sign-in by these commands, compare `accounts` in the next command. A listener that raises is one warning, and those that
were registered after it are not called. A listener may use the API: it is not told of a second event of the same kind
that it causes itself.
"""

from __future__ import annotations

from azext_login.api.accounts import accounts, contexts, current, select, sign_out
from azext_login.api.credential import Credential, get_credential
from azext_login.api.records import (
    AccountKind,
    ActiveAccount,
    ActiveReason,
    Context,
    Freshness,
    SignedInAccount,
    Subscription,
    Token,
)
from azext_login.api.sign_in import (
    Browser,
    ClientCertificate,
    ClientSecret,
    DeviceCode,
    FederatedTokenFile,
    ManagedIdentity,
    SignInMethod,
    sign_in,
)
from azext_login.api.sources import CredentialSource, SourceFactory
from azext_login.api.tokens import get_token
from azext_login.auth.credential import TokenOrigin
from azext_login.auth.sources.credential_source import SourceRequest
from azext_login.errors import (
    AccountError,
    InteractionRequiredError,
    NotSignedInError,
    ServiceUnreachableError,
    SignInError,
    StoreError,
    UnexpectedAnswerError,
)
from azext_login.usecases.events import ContextChanged, SignedIn, SignedOut, SubscriptionChanged, TokenRefreshed

API_VERSION = "1.0"
"""MAJOR.MINOR. A new minor version adds; a new major version removes or changes."""

__all__ = [
    "API_VERSION",
    "AccountError",
    "AccountKind",
    "ActiveAccount",
    "ActiveReason",
    "Browser",
    "ClientCertificate",
    "ClientSecret",
    "Context",
    "ContextChanged",
    "Credential",
    "CredentialSource",
    "DeviceCode",
    "FederatedTokenFile",
    "Freshness",
    "InteractionRequiredError",
    "ManagedIdentity",
    "NotSignedInError",
    "ServiceUnreachableError",
    "SignInError",
    "SignInMethod",
    "SignedIn",
    "SignedInAccount",
    "SignedOut",
    "SourceFactory",
    "SourceRequest",
    "StoreError",
    "Subscription",
    "SubscriptionChanged",
    "Token",
    "TokenOrigin",
    "TokenRefreshed",
    "UnexpectedAnswerError",
    "accounts",
    "contexts",
    "current",
    "get_credential",
    "get_token",
    "select",
    "sign_in",
    "sign_out",
]
