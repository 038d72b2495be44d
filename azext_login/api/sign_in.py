"""Signing in from a program: how an account signs in, and the flow of `az login` without its questions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azext_login.api.accounts import record_of
from azext_login.api.arguments import check_optional, check_text, own_application
from azext_login.api.connection import session_of
from azext_login.api.records import SignedInAccount
from azext_login.errors import SignInError
from azext_login.system.terminal.terminal import StandardTerminal

if TYPE_CHECKING:
    from azext_login.cli.login_options import LoginOptions
    from azext_login.usecases.session import Session


@dataclass(frozen=True)
class ClientSecret:
    """An application signs in with a client secret. The secret is stored, as `az login` stores it."""

    client_id: str
    """Application ID (GUID)."""
    secret: str = field(repr=False)


@dataclass(frozen=True)
class ClientCertificate:
    """An application signs in with a certificate. The path of the file is stored, and the passphrase is not."""

    client_id: str
    """Application ID (GUID)."""
    path: str | Path
    """PEM or PFX file with the certificate and its key."""
    passphrase: str | None = field(default=None, repr=False)
    send_chain: bool = False
    """Whether the certificate is sent, to be trusted by its subject name and issuer."""


@dataclass(frozen=True)
class FederatedTokenFile:
    """An application signs in with the federated token in a file, which is read again for each new access token."""

    client_id: str
    """Application ID (GUID)."""
    path: str | Path


@dataclass(frozen=True)
class DeviceCode:
    """A user signs in with a code, in a browser on any device."""

    show: Callable[[str], None]
    """Receives the message with the address and the code, once. The call of `sign_in` then waits for the user."""


@dataclass(frozen=True)
class Browser:
    """A user signs in with a browser on this computer, or with the account broker where that is the default."""


@dataclass(frozen=True)
class ManagedIdentity:
    """A managed identity of this computer signs in: the system-assigned one, or the one that an ID names."""

    client_id: str | None = None
    object_id: str | None = None
    resource_id: str | None = None


SignInMethod = ClientSecret | ClientCertificate | FederatedTokenFile | DeviceCode | Browser | ManagedIdentity
"""How an account signs in."""


def sign_in(
    cli_ctx: Any,
    method: SignInMethod,
    *,
    tenant: str | None = None,
    subscription: str | None = None,
    allow_no_subscriptions: bool = False,
    client_id: str | None = None,
) -> SignedInAccount:
    """Sign an account in, as `az login` does: tokens and subscriptions are stored, and a default is chosen.

    Nothing is asked on the terminal. A sign-in that fails stores nothing. Example::

        import os

        method = api.ClientSecret(os.environ["APP_ID"], os.environ["APP_SECRET"])
        account = api.sign_in(cmd.cli_ctx, method, tenant=os.environ["TENANT_ID"])

    :param cli_ctx: the context of the command that runs.
    :param tenant: GUID or domain. Applications need it; for users, None finds the subscriptions of every tenant; a
        managed identity has none to choose.
    :param subscription: ID or name of the subscription to make the default.
    :param allow_no_subscriptions: whether an account without subscriptions signs in too.
    :param client_id: application ID (GUID) of a public client of one's own, which a user signs in to beside the Azure
        CLI, as with `az login --app-client-id`: tokens are stored, and nothing else. None for the Azure CLI.
    :return: the account, with the subscriptions that were found; with `client_id`, with those that it had before.
    :raises ValueError: an argument or a field of `method` is empty.
    :raises AccountError: the arguments cannot be combined. If there is no such `subscription`, or if there are several,
        the sign-in itself is stored.
    :raises SignInError: the sign-in service refused, a certificate cannot be used, no browser can be opened, or there
        are no subscriptions.
    :raises ServiceUnreachableError: a service did not answer.
    :raises StoreError: a file cannot be written.
    """
    from azext_login.cli.login import check_choice, check_outcome
    from azext_login.cli.login import sign_in as run_flow
    from azext_login.cli.login_usage import check_usage
    from azext_login.system.command_line import AZ_LOGIN
    from azext_login.system.login_command import application_login

    application = own_application(client_id)
    again = application_login(application) if application else AZ_LOGIN
    check_optional(tenant=tenant, subscription=subscription)
    _check_method(method)
    terminal = _CallbackTerminal(method.show) if isinstance(method, DeviceCode) else _SilentTerminal()
    with closing(session_of(cli_ctx)) as session:
        options = replace(
            _options_of(method),
            tenant=_tenant_id(session, tenant),
            subscription=subscription,
            allow_no_subscriptions=allow_no_subscriptions,
            app_client_id=application,
        )
        check_usage(options, next_step="Change the arguments of azext_login.api.sign_in.")
        try:
            outcome = run_flow(session, options, again, lambda progress: None, terminal=terminal)
        except _CallbackFailed as failed:
            raise failed.error from None
    check_outcome(session, options, outcome, again)
    check_choice(session, outcome)
    return record_of(outcome.rows, session.settings.cloud)


class _SilentTerminal(StandardTerminal):
    """Reads nothing from the terminal."""

    def open_paste_reader(self) -> None:
        """Return None: nothing can be pasted."""


class _CallbackTerminal(_SilentTerminal):
    """Passes what the user needs to the caller, in place of standard error."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def show(self, text: str) -> None:
        """Pass a message on."""
        try:
            self._show(text)
        except Exception as error:
            raise _CallbackFailed(error) from error


class _CallbackFailed(Exception):  # noqa: N818  # not an error of ours
    """Carries the error of the caller's function past the code that takes it for one of the service."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _check_method(method: SignInMethod) -> None:
    """Refuse what the command would ask for on the terminal, or take for another way to sign in.

    :raises TypeError: it is no way to sign in, or a field has another type.
    :raises ValueError: a field is empty.
    """
    if not isinstance(method, SignInMethod):
        raise TypeError(f"method must be a way to sign in, not {type(method).__name__}.")
    if isinstance(method, DeviceCode) and not callable(method.show):
        raise TypeError("show must be a function.")
    if isinstance(method, ManagedIdentity):
        check_optional(client_id=method.client_id, object_id=method.object_id, resource_id=method.resource_id)
    if isinstance(method, ClientSecret | ClientCertificate | FederatedTokenFile):
        check_text("client_id", method.client_id)
    if isinstance(method, ClientCertificate | FederatedTokenFile) and not isinstance(method.path, Path):
        check_text("path", method.path)
    if isinstance(method, ClientSecret) and not isinstance(method.secret, str):
        raise TypeError("secret must be a text.")


def _options_of(method: SignInMethod) -> LoginOptions:
    """Return the options of `az login` for a method.

    :raises SignInError: a secret or a passphrase is missing, or no browser can be opened.
    """
    from azext_login.cli.login_options import LoginOptions

    match method:
        case ClientSecret(client_id, secret):
            if not secret:
                raise SignInError("The client secret is empty. Nothing was sent.")
            return LoginOptions(service_principal=True, username=client_id, password=secret)
        case ClientCertificate(client_id, path, passphrase, send_chain):
            _check_passphrase(Path(path), passphrase)
            return LoginOptions(
                service_principal=True,
                username=client_id,
                certificate=str(path),
                password=passphrase,
                use_cert_sn_issuer=send_chain or None,
            )
        case FederatedTokenFile(client_id, path):
            return LoginOptions(service_principal=True, username=client_id, federated_token_file=str(path))
        case DeviceCode():
            return LoginOptions(use_device_code=True)
        case Browser():
            _check_browser()
            return LoginOptions()
        case ManagedIdentity(client_id, object_id, resource_id):
            return LoginOptions(identity=True, client_id=client_id, object_id=object_id, resource_id=resource_id)


def _check_passphrase(path: Path, passphrase: str | None) -> None:
    """Refuse a protected certificate without its passphrase: the command would ask for it on the terminal."""
    import os

    from azext_login.auth.workload.certificate_files import PASSPHRASE_VARIABLE
    from azext_login.auth.workload.certificates import needs_passphrase

    if not passphrase and not os.environ.get(PASSPHRASE_VARIABLE) and needs_passphrase(path.expanduser().absolute()):
        raise SignInError(
            f"The certificate {path} has a passphrase, and none was given. Nothing was sent.",
            next_step=f"Pass the passphrase, or set {PASSPHRASE_VARIABLE}.",
        )


def _check_browser() -> None:
    """Refuse where the command would fall back to a device code, which it would print."""
    from azext_login.cli.login import can_open_browser

    if not can_open_browser():
        raise SignInError(
            "No browser can be opened here. Nothing was sent.",
            next_step="Use azext_login.api.DeviceCode, or sign in with:\naz login --use-device-code",
        )


def _tenant_id(session: Session, tenant: str | None) -> str | None:
    """Return a tenant's GUID for its domain, as the command looks it up."""
    from azure.cli.core.util import is_guid

    return tenant if tenant is None or is_guid(tenant) else session.resolve_tenant(tenant)
