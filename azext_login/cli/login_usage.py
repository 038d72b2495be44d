"""Which options of `az login` go together."""

from __future__ import annotations

from azext_login.auth.sources.build_environment import CONNECTION_VARIABLES
from azext_login.cli.login_options import LoginOptions
from azext_login.cli.option_values import AZURE_PIPELINES
from azext_login.cli.options import given_options, options_of
from azext_login.errors import AccountError
from azext_login.system.text import is_utf_8


def check_usage(options: LoginOptions, *, next_step: str = "Run `az login --help` for examples.") -> None:
    """Refuse combinations that make no sense, by the built-in's rules and in its order.

    With --from-env, they are checked again when the account is known.

    :raises AccountError: the combination cannot be used (exit code 1, as built in).
    """
    o = options
    rules: list[tuple[object, str]] = [
        *_rules_of_access_tokens(o),
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
        *_rules_of_browsers(o),
        *_rules_of_applications(o),
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
    """Return the given options that do not affect this sign-in, each with the option that it belongs to.

    The built-in ignores them too. Refusing them would break command lines that work there.
    """
    found = []
    if not options.service_principal:
        ignored = given_options(options, ("certificate", "client_assertion"))
        found += [(name, "--service-principal") for name in ignored]
    if not options.identity:
        found += [(name, "--identity") for name in given_options(options, ("client_id", "object_id", "resource_id"))]
    return found


_Rule = tuple[object, str]
"""Whether the rule is broken, and the message in that case."""


def _rules_of_browsers(o: LoginOptions) -> list[_Rule]:
    given = "".join(o.browser_options[:1])
    return [
        (
            given and (o.use_device_code or o.username or o.service_principal or o.identity),
            f"usage error: '{given}' is only applicable to a sign-in with a web browser",
        ),
    ]


_OF_OTHER_WAYS = (
    "username", "password", "scopes", "claims_challenge", "use_device_code", "service_principal", "certificate",
    "client_assertion", "identity", "exclude_tenants", "app_client_id",
)  # fmt: skip


def _rules_of_access_tokens(o: LoginOptions) -> list[_Rule]:
    given = [*given_options(o, _OF_OTHER_WAYS), *o.browser_options]
    return [
        (
            o.access_token and given,
            "usage error: '--access-token' contains the account, its tenant and its resource, and is not applicable "
            f"with '{''.join(given[:1])}'",
        )
    ]


def _rules_of_applications(o: LoginOptions) -> list[_Rule]:
    discovery = ("allow_no_subscriptions", "skip_subscription_discovery", "subscription", "exclude_tenants")
    given = given_options(o, discovery)
    return [
        (
            o.app_client_id and (o.service_principal or o.identity or o.from_env),
            "usage error: '--app-client-id' is only applicable to the sign-in of a user",
        ),
        (
            o.app_client_id and given,
            f"usage error: '{''.join(given[:1])}' is not applicable with '--app-client-id', which reads no "
            "subscriptions",
        ),
    ]


def _rules_of_service_principals(o: LoginOptions) -> list[_Rule]:
    renewable = given_options(o, ("federated_token_file", "federated_token_source", "credential_source"))
    credentials = [*given_options(o, ("password", "certificate", "client_assertion")), *renewable]
    is_principal = o.service_principal or o.from_env
    return [
        (
            renewable and not o.service_principal,
            f"usage error: '{''.join(renewable[:1])}' is only applicable with '--service-principal'",
        ),
        (
            renewable and len(credentials) > 1,
            "usage error: '--federated-token-file', '--federated-token-source' and '--credential-source' cannot be "
            "combined with each other or with another credential",
        ),
        (
            o.source_arguments and not o.credential_source,
            "usage error: '--source-arg' is only applicable with '--credential-source'",
        ),
        (
            o.federated_token_source == AZURE_PIPELINES and not o.service_connection_id,
            "usage error: '--federated-token-source azure-pipelines' requires '--service-connection-id', or the "
            f"variable {CONNECTION_VARIABLES[0]}",
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


# What --from-env takes from the environment.
_DESCRIBED_BY_ENVIRONMENT = (
    "username", "password", "tenant", "service_principal", "identity", "use_device_code", "certificate",
    "client_assertion", "federated_token_file", "federated_token_source", "credential_source",
    "use_cert_sn_issuer", "access_token",
)  # fmt: skip


def _rules_of_environment(o: LoginOptions) -> list[_Rule]:
    given = [*given_options(o, _DESCRIBED_BY_ENVIRONMENT), *o.browser_options]
    return [
        (
            o.from_env and given,
            "usage error: '--from-env' takes the account and its credential from the environment, and is not "
            f"applicable with '{''.join(given[:1])}'",
        )
    ]


# A path may hold any bytes, and so may the passphrase of a key. Other secrets are checked where they are used.
_SENT_AS_TEXT = (
    "username", "scopes", "client_id", "object_id", "resource_id", "service_connection_id",
    "credential_source", "source_arguments",
)  # fmt: skip


def _rules_of_text(o: LoginOptions) -> list[_Rule]:
    options = options_of(LoginOptions)
    values = {name: getattr(o, name) or "" for name in _SENT_AS_TEXT}
    return [
        (
            not is_utf_8(value if isinstance(value, str) else " ".join(value)),
            f"usage error: '{options[name].name}' holds bytes that are not UTF-8",
        )
        for name, value in values.items()
    ]


def _is_guid(value: str) -> bool:
    from azure.cli.core.util import is_guid

    return bool(is_guid(value))
