"""The options of `az login`, and which of them go together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from azext_login.cli.option_values import AZURE_PIPELINES
from azext_login.errors import AccountError
from azext_login.system.text import is_utf_8


@dataclass(frozen=True)
class LoginOptions:
    """The options of `az login` as the command line gave them."""

    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    tenant: str | None = None
    scopes: Sequence[str] | None = None
    allow_no_subscriptions: bool = False
    claims_challenge: str | None = None
    use_device_code: bool = False
    no_browser: bool = False
    service_principal: bool | None = None
    certificate: str | None = None
    use_cert_sn_issuer: bool | None = None
    client_assertion: str | None = dataclasses.field(default=None, repr=False)
    identity: bool = False
    client_id: str | None = None
    object_id: str | None = None
    resource_id: str | None = None
    skip_subscription_discovery: bool = False
    subscription: str | None = None
    from_env: bool = False
    federated_token_file: str | None = None
    federated_token_source: str | None = None
    service_connection_id: str | None = None
    no_store_secret: bool = False
    store_decrypted_key: bool = False
    exclude_tenants: Sequence[str] = ()

    @property
    def is_workload(self) -> bool:
        """Whether a program signs in: a service principal, or a managed identity."""
        return bool(self.service_principal or self.identity)

    @property
    def is_interactive(self) -> bool:
        """Whether a person signs in in a browser, here or on another device."""
        return not (self.username or self.is_workload or self.from_env)


def check_usage(options: LoginOptions, *, next_step: str = "Run `az login --help` for examples.") -> None:
    """Refuse combinations that make no sense, by the built-in's rules and in its order.

    With --from-env, they are checked again once it is known who signs in.

    :raises AccountError: the combination cannot be used (exit code 1, as built in).
    """
    o = options
    rules: list[tuple[object, str]] = [
        (
            o.identity and (o.password or o.service_principal or o.tenant),
            "usage error: '--identity' is not applicable with other arguments",
        ),
        (
            o.identity and o.username,
            "Passing the managed identity ID with --username is no longer supported. "
            "Use --client-id, --object-id or --resource-id instead.",
        ),
        (
            o.use_device_code and (o.password or o.service_principal or o.username or o.identity),
            "usage error: '--use-device-code' is not applicable with other arguments",
        ),
        (
            o.use_cert_sn_issuer and not o.service_principal,
            "usage error: '--use-sn-issuer' is only applicable with a service principal",
        ),
        (
            o.service_principal and not o.username,
            "usage error: --service-principal --username NAME --password SECRET --tenant TENANT",
        ),
        (
            o.skip_subscription_discovery and not (o.tenant or o.from_env),
            "usage error: '--skip-subscription-discovery' requires '--tenant'",
        ),
        (
            o.skip_subscription_discovery and o.subscription and not _is_guid(o.subscription),
            "usage error: '--subscription' must be a subscription ID (GUID), not a name, when combined with "
            "'--skip-subscription-discovery'.",
        ),
        (
            o.no_browser and (o.use_device_code or o.username or o.service_principal or o.identity),
            "usage error: '--no-browser' is only applicable to a sign-in in a web browser",
        ),
        (
            o.exclude_tenants and (o.tenant or o.identity or o.from_env),
            "usage error: '--exclude-tenant' is only applicable to a sign-in to all tenants",
        ),
        *_rules_of_service_principals(o),
        *_rules_of_environment(o),
        *_rules_of_text(o),
    ]
    for broken, message in rules:
        if broken:
            raise AccountError(message, next_step)


def ignored_options(options: LoginOptions) -> list[tuple[str, str]]:
    """Return the options that are given and have no say in this sign-in, each with the one that it belongs to.

    The built-in takes no notice of them either, so they are no reason to refuse a command line that works there.
    """
    o = options
    of_principals = {"--certificate": o.certificate, "--federated-token": o.client_assertion}
    of_identities = {"--client-id": o.client_id, "--object-id": o.object_id, "--resource-id": o.resource_id}
    found = []
    if not o.service_principal:
        found += [(name, "--service-principal") for name, value in of_principals.items() if value]
    if not o.identity:
        found += [(name, "--identity") for name, value in of_identities.items() if value]
    return found


_Rule = tuple[object, str]
"""Whether the rule is broken, and what to say then."""


def _rules_of_service_principals(o: LoginOptions) -> list[_Rule]:
    proofs = (o.password, o.certificate, o.client_assertion, o.federated_token_file, o.federated_token_source)
    renewing = o.federated_token_file or o.federated_token_source
    is_principal = o.service_principal or o.from_env
    options = {
        "--federated-token-file": o.federated_token_file,
        "--federated-token-source": o.federated_token_source,
    }
    without_principal = [name for name, value in options.items() if value and not o.service_principal]
    return [
        (
            without_principal,
            f"usage error: '{''.join(without_principal[:1])}' is only applicable with '--service-principal'",
        ),
        (
            renewing and sum(bool(proof) for proof in proofs) > 1,
            "usage error: '--federated-token-file' and '--federated-token-source' cannot be combined with each other "
            "or with another credential",
        ),
        (
            o.federated_token_source == AZURE_PIPELINES and not o.service_connection_id,
            "usage error: '--federated-token-source azure-pipelines' requires '--service-connection-id'",
        ),
        (
            o.service_connection_id and o.federated_token_source != AZURE_PIPELINES,
            "usage error: '--service-connection-id' is only applicable with '--federated-token-source azure-pipelines'",
        ),
        (
            o.no_store_secret and not is_principal,
            "usage error: '--no-store-secret' is only applicable with a service principal",
        ),
        (
            o.store_decrypted_key and not ((o.service_principal and o.certificate) or o.from_env),
            "usage error: '--store-decrypted-key' requires '--service-principal' and '--certificate'",
        ),
        (
            o.store_decrypted_key and o.no_store_secret,
            "usage error: '--store-decrypted-key' and '--no-store-secret' contradict each other",
        ),
    ]


def _rules_of_environment(o: LoginOptions) -> list[_Rule]:
    others = {
        "--username": o.username,
        "--password": o.password,
        "--tenant": o.tenant,
        "--service-principal": o.service_principal,
        "--identity": o.identity,
        "--use-device-code": o.use_device_code,
        "--no-browser": o.no_browser,
        "--certificate": o.certificate,
        "--federated-token": o.client_assertion,
        "--federated-token-file": o.federated_token_file,
        "--federated-token-source": o.federated_token_source,
        "--use-cert-sn-issuer": o.use_cert_sn_issuer,
    }
    given = [name for name, value in others.items() if value]
    return [
        (
            o.from_env and given,
            "usage error: '--from-env' takes who signs in, and how, from the environment, and is not applicable with "
            f"'{''.join(given[:1])}'",
        )
    ]


def _rules_of_text(o: LoginOptions) -> list[_Rule]:
    # A path may have any bytes, and so may the passphrase of a key. Other secrets are looked at where they are used.
    options = {
        "--username": o.username,
        "--scope": " ".join(o.scopes or ()),
        "--client-id": o.client_id,
        "--object-id": o.object_id,
        "--resource-id": o.resource_id,
        "--service-connection-id": o.service_connection_id,
    }
    return [
        (not is_utf_8(value), f"usage error: '{name}' holds bytes that are not UTF-8")
        for name, value in options.items()
        if value
    ]


def _is_guid(value: str) -> bool:
    from azure.cli.core.util import is_guid

    return bool(is_guid(value))
