"""What `az login` does for workloads: who signs in, and with which credential."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from azext_login.cli.login_options import LoginOptions
from azext_login.cli.login_usage import check_usage
from azext_login.cli.option_values import AZURE_PIPELINES
from azext_login.errors import AccountError, StoreError
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.system.log import get_logger
from azext_login.system.login_command import IDENTITY_LOGIN
from azext_login.system.terminal.streams import is_terminal
from azext_login.usecases.sign_in import SignInOutcome, SignInRequest

if TYPE_CHECKING:
    from azext_login.auth.sources.credential_source import CredentialSource
    from azext_login.auth.workload.certificates import ClientCertificate
    from azext_login.auth.workload.environment import EnvironmentCredential
    from azext_login.auth.workload.service_principal import ServicePrincipal
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

_NO_ACCESS = (
    "No access was configured for the managed identity, hence no subscriptions were found. "
    "If this is expected, use '--allow-no-subscriptions' to have tenant level access."
)


def with_service_connection(options: LoginOptions, environ: Mapping[str, str]) -> LoginOptions:
    """Return the options with the service connection that the environment names, if the command line names none."""
    if options.federated_token_source != AZURE_PIPELINES or options.service_connection_id is not None:
        return options
    from azext_login.auth.sources.build_environment import service_connection_in

    return replace(options, service_connection_id=service_connection_in(environ))


def options_from_environment(session: Session, options: LoginOptions) -> LoginOptions:
    """Return the options with the account and its credential from the environment, and report the variables used.

    :raises SignInError: the environment describes no credential, or one for another cloud.
    :raises AccountError: the other options cannot be combined with it.
    """
    from azure.cli.core.util import is_guid

    from azext_login.auth.workload.environment import check_authority, credentials_from_environment

    found = credentials_from_environment(os.environ)
    authority, tenant = found.authority, found.tenant
    if session.settings.is_adfs and (tenant or "").lower() == "adfs":
        # azure-identity treats this as a tenant (aad_client_base.py), and the authority is the address before it.
        if authority:
            authority = f"{authority.rstrip('/').removesuffix('/adfs')}/adfs"
        tenant = None
    check_authority(authority, session.settings.authority, session.settings.cloud)
    logger.warning("Signing in with a %s from %s.", found.kind, ", ".join(found.variables))
    described = _with_credential(replace(options, from_env=False, tenant=tenant), found)
    check_usage(described, next_step="With --from-env, AZURE_TENANT_ID replaces --tenant. See `az login --help`.")
    if tenant and not is_guid(tenant):
        described = replace(described, tenant=session.resolve_tenant(tenant))
    return described


def _with_credential(options: LoginOptions, found: EnvironmentCredential) -> LoginOptions:
    if found.username:
        return replace(options, username=found.username, password=found.password)
    return replace(
        options,
        service_principal=True,
        username=found.client_id,
        password=found.client_secret,
        # The passphrase is read from the environment wherever a certificate needs one.
        certificate=str(found.certificate_path) if found.certificate_path else None,
        use_cert_sn_issuer=found.send_chain or None,
        federated_token_file=str(found.token_file) if found.token_file else None,
    )


def sign_in_workload(session: Session, options: LoginOptions, request: SignInRequest) -> SignInOutcome:
    """Sign in a service principal, a managed identity or a Cloud Shell.

    :param request: what the options ask for, whatever the account is.
    """
    if options.identity:
        return _sign_in_managed_identity(session, options, request)
    from azext_login.usecases.sign_in_workload import sign_in_service_principal

    again = request.again or AZ_LOGIN
    if session.clients.service_principals.shares_the_keyring:
        raise StoreError(
            "A service principal cannot sign in here with core.encrypt_token_cache. On this system, the Azure CLI "
            "stores tokens and secrets in the same entry of the keyring, and one overwrites the other.",
            f"Turn encryption off with `az config set core.encrypt_token_cache=false`; then sign in again:\n{again}",
        )
    if not options.tenant and not session.settings.is_adfs:
        raise AccountError(
            "usage error: --service-principal --username NAME --password SECRET --tenant TENANT",
            f"Add the tenant of the application, by its ID or domain name:\n{again.with_option('--tenant', 'TENANT')}",
        )
    certificate = _read_certificate(options, again)
    principal = _service_principal(session, options, certificate, again)
    host_certificate, decrypted_key = _stored_certificate(certificate, options) if certificate else (None, None)
    return sign_in_service_principal(
        session,
        request,
        principal,
        store_secret=not options.no_store_secret,
        host_certificate=host_certificate,
        decrypted_key=decrypted_key,
        may_prompt=is_terminal(sys.stdin),
    )


def _sign_in_managed_identity(session: Session, options: LoginOptions, request: SignInRequest) -> SignInOutcome:
    from azext_login.auth.managed_identity.cloud_shell import CloudShellCredential, in_cloud_shell
    from azext_login.usecases.sign_in_workload import sign_in_cloud_shell, sign_in_managed_identity

    http, again = session.clients.http, request.again or IDENTITY_LOGIN
    if in_cloud_shell():
        request = SignInRequest(
            again=request.again,
            nothing_found="No subscriptions were found in the cloud shell.",
            default_subscription=request.default_subscription,
            on_progress=request.on_progress,
        )
        return sign_in_cloud_shell(session, request, CloudShellCredential(http=http, command=again))
    from azext_login.auth.managed_identity.credential import ManagedIdentityCredential

    request = SignInRequest(
        allow_no_subscriptions=request.allow_no_subscriptions,
        again=request.again,
        nothing_found=_NO_ACCESS,
        default_subscription=request.default_subscription,
        on_progress=request.on_progress,
    )
    credential = ManagedIdentityCredential(
        options.client_id, options.object_id, options.resource_id, http=http, command=again
    )
    return sign_in_managed_identity(session, request, credential)


def _service_principal(
    session: Session, options: LoginOptions, certificate: _CertificateFile | None, again: Command
) -> ServicePrincipal:
    """Return the service principal with its credential. Asks for the client secret if no option gives a credential.

    :param certificate: the one to use, if any.
    :param again: the command that runs, for the advice.
    """
    from azext_login.auth.workload.service_principal import (
        CERTIFICATE,
        CLIENT_SECRET,
        FEDERATED_TOKEN,
        ServicePrincipal,
    )

    client_id, tenant = str(options.username), options.tenant
    # Without a certificate, the chain only sets a mark in the profile, as the built-in does.
    principal = ServicePrincipal(client_id, tenant, CLIENT_SECRET, send_chain=bool(options.use_cert_sn_issuer))
    source = _source(session, options)
    if source is not None:
        return replace(principal, kind=FEDERATED_TOKEN, source=source)
    if certificate is not None:
        return replace(
            principal,
            kind=CERTIFICATE,
            certificate=certificate.path,
            is_protected=certificate.is_protected,
            passphrase=certificate.passphrase,
        )
    if options.client_assertion and not options.password:
        return replace(principal, kind=FEDERATED_TOKEN, assertion=options.client_assertion)
    from azext_login.cli.passwords import obtain_secret

    secret = obtain_secret(options.password, command=again)
    return replace(principal, client_secret=secret)


@dataclass(frozen=True)
class _CertificateFile:
    """A usable certificate. If it is protected, --password or the environment gave the passphrase."""

    path: str
    is_protected: bool
    passphrase: str | None = field(repr=False)
    content: ClientCertificate


def _read_certificate(options: LoginOptions, again: Command) -> _CertificateFile | None:
    """Return the certificate to sign in with, if there is one.

    A file that cannot be used is refused here, before anything is sent, even if another credential is given: --password
    may be its passphrase, and is then not a client secret.

    :raises SignInError: the certificate cannot be used, or its passphrase is unknown.
    """
    if not options.certificate:
        return None
    from azext_login.auth.workload.certificates import needs_passphrase, read_certificate

    path = Path(options.certificate).expanduser().absolute()
    is_protected = needs_passphrase(path)
    passphrase = _obtain_passphrase(options.password, again) if is_protected else None
    content = read_certificate(path, passphrase=passphrase, now=time.time(), command=again)
    if options.password and not is_protected:
        if content.host_readable:
            # The built-in treats the password as a client secret and prefers that.
            logger.warning("--certificate was ignored, because --password was given and the certificate needs none.")
            return None
        logger.warning("--password was ignored, because %s has no passphrase.", path)
    return _CertificateFile(str(path), is_protected, passphrase, content)


def _obtain_passphrase(given: str | None, again: Command) -> str | None:
    """Return the passphrase of the certificate file, if it is known."""
    from azext_login.auth.workload.certificate_files import PASSPHRASE_VARIABLE

    passphrase = given or os.environ.get(PASSPHRASE_VARIABLE)
    if not passphrase and is_terminal(sys.stdin):
        from azext_login.cli.passwords import ask_for_secret

        passphrase = ask_for_secret("Passphrase of the certificate: ", command=again)
    return passphrase


def _source(session: Session, options: LoginOptions) -> CredentialSource | None:
    """Return the credential source that the options name, if they name one.

    :raises AccountError: there is no such source, or its arguments are wrong.
    """
    from azext_login.auth.entra.known_clouds import audience_of
    from azext_login.auth.sources.build_environment import service_connection_in
    from azext_login.auth.sources.federated_tokens import (
        AzurePipelinesAssertion,
        FileAssertion,
        GitHubAssertion,
    )

    if options.credential_source:
        from azext_login.auth.sources.registry import SourceContext, make_source

        context = SourceContext(audience_of(session.settings.authority), service_connection_in(os.environ))
        return make_source(options.credential_source, options.source_arguments or (), context)
    if options.federated_token_file:
        return FileAssertion(Path(options.federated_token_file).expanduser().absolute())
    if options.federated_token_source == AZURE_PIPELINES:
        return AzurePipelinesAssertion(str(options.service_connection_id))
    if options.federated_token_source:
        return GitHubAssertion(audience_of(session.settings.authority))
    return None


def _stored_certificate(certificate: _CertificateFile, options: LoginOptions) -> tuple[str | None, str | None]:
    """Return the path of the certificate if built-in commands can read it, or what to store so that they can."""
    if certificate.content.host_readable:
        return certificate.path, None
    if options.store_decrypted_key:
        return None, certificate.content.pem_text()
    logger.warning(
        "Built-in commands cannot read %s. This extension helps them, unless login.every_command is off. If the file "
        "has a passphrase, set AZURE_CLIENT_CERTIFICATE_PASSWORD for them. To store a copy that they can read, without "
        "a passphrase, use --store-decrypted-key.", certificate.path
    )  # fmt: skip
    return None, None
