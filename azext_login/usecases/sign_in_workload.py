"""Signing workloads in: service principals, managed identities, and the user who opened a Cloud Shell."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from azext_login.auth.jwt import claims_of, tenant_in
from azext_login.profile.model import ASSIGNED_IDENTITY, CLOUD_SHELL, SN_ISSUER, Account
from azext_login.usecases.sign_in import SignInOutcome, SignInRequest, complete, user_name

if TYPE_CHECKING:
    from azext_login.auth.managed_identity.cloud_shell import CloudShellCredential
    from azext_login.auth.managed_identity.credential import ManagedIdentityCredential
    from azext_login.auth.workload.service_principal import ServicePrincipal
    from azext_login.resource_manager.resources import Subscription
    from azext_login.usecases.session import Session

_WORKLOAD = "servicePrincipal"


def sign_in_service_principal(
    session: Session,
    request: SignInRequest,
    principal: ServicePrincipal,
    *,
    store_secret: bool = True,
    host_certificate: str | None = None,
    decrypted_key: str | None = None,
    may_prompt: bool = False,
) -> SignInOutcome:
    """Sign a service principal in, find its subscriptions, and store its entry, its tokens and its rows.

    :param store_secret: whether its client secret or federated token is stored.
    :param host_certificate: path of the certificate file, if built-in commands can read it.
    :param decrypted_key: PEM text without a passphrase, to store for built-in commands. A secret.
    :param may_prompt: whether a credential source may ask the user at the terminal.
    :raises SignInError: Entra ID refused, or no subscriptions were found. Nothing is stored then.
    """
    clients = session.clients
    clients.prepare()
    staged = clients.staged_tokens()
    fetched: list[str] = []
    credential = clients.service_principal_credential(
        principal, staged.applications, on_assertion=fetched.append, command=request.again, may_prompt=may_prompt
    )
    credential.check()
    credential.token(list(request.scopes or session.settings.arm_scopes), tenant=request.tenant)

    def keep(found: Sequence[Subscription]) -> None:
        # A sign-in at an AD FS server names no tenant, but the subscriptions of Azure Stack do.
        to_store = dataclasses.replace(
            principal,
            kind=credential.kind,
            tenant=principal.tenant or found[0].tenant_id,
            assertion=fetched[-1] if fetched else principal.assertion,
        )
        client_id, tenant = to_store.client_id, str(to_store.tenant)
        certificate = host_certificate
        with ExitStack() as undo_on_failure:
            if decrypted_key is not None:
                keeping = clients.decrypted_keys.keeping(client_id, tenant, decrypted_key)
                certificate = str(undo_on_failure.enter_context(keeping))
            entry = to_store.to_entry(store_secret=store_secret, host_certificate=certificate)
            undo_on_failure.enter_context(clients.service_principals.saving(entry))
            staged.keep()
        clients.decrypted_keys.forget_unused(client_id, tenant, certificate)

    account = Account(principal.client_id, _WORKLOAD, {SN_ISSUER: True} if principal.send_chain else {})
    return complete(session, request, account, credential, keep)


def sign_in_managed_identity(
    session: Session, request: SignInRequest, credential: ManagedIdentityCredential
) -> SignInOutcome:
    """Sign in with a managed identity of this computer. Only rows are stored; tokens come from the computer.

    :raises SignInError: the computer has no such identity, or no subscriptions were found.
    :raises ServiceUnreachableError: no service on the computer issues tokens.
    """
    session.clients.prepare()
    tenant = tenant_in(credential.token(session.settings.arm_scopes).secret)
    account = Account(credential.user_name, _WORKLOAD, {ASSIGNED_IDENTITY: credential.assigned_identity_info})
    request = dataclasses.replace(request, tenant=tenant)
    return complete(session, request, account, credential, lambda found: None)


def sign_in_cloud_shell(session: Session, request: SignInRequest, credential: CloudShellCredential) -> SignInOutcome:
    """Sign in as the user who opened this Cloud Shell. Only rows are stored; tokens come from Cloud Shell.

    :raises SignInError: Cloud Shell refused, or no subscriptions were found.
    """
    token = credential.token(session.settings.arm_scopes).secret
    tenant, name = tenant_in(token), claims_of(token).get("unique_name", "N/A")
    account = Account(user_name(name), details={CLOUD_SHELL: True})
    request = dataclasses.replace(request, tenant=tenant)
    return complete(session, request, account, credential, lambda found: None)
