"""The options of `az login`: each is declared here, and nowhere else."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

from azext_login.cli.option_values import TOKEN_SOURCES, application_option, exclude_tenants_option
from azext_login.cli.options import given_options, option, options_of

# Headings of the help; the host has one for managed identities already.
_BROWSER = "Web Browser"
_APPLICATION = "Own Application"
_SERVICE_PRINCIPAL = "Service Principal"
_FEDERATED_TOKEN = "Federated Token"
_CREDENTIAL_SOURCE = "Credential Source"
_DISCOVERY = "Subscription Discovery"


def _port(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,4}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port. Give a number from 1 to 65535, for example 8400.")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class LoginOptions:
    """The options of `az login` as the command line gave them."""

    username: str | None = option("--username", "-u", when_empty="username")
    password: str | None = option(
        "--password", "-p",
        is_secret=True,
        when_empty="password",
        help="User password, service principal secret, or passphrase of the certificate. Will prompt if not given.",
    )  # fmt: skip
    tenant: str | None = option("--tenant", "-t", validator="validate_tenant", completer="complete_tenants")
    scopes: Sequence[str] | None = option("--scope", nargs="+", when_empty="login scope")
    claims_challenge: str | None = option("--claims-challenge", when_empty="claims challenge")
    from_env: bool = option(
        "--from-env",
        default=False,
        help="Sign in with a credential from environment variables, such as AZURE_CLIENT_ID, AZURE_TENANT_ID and "
        "AZURE_CLIENT_SECRET. If there are several, the order is that of the Azure SDKs.",
    )

    access_token: str | None = option(
        "--access-token",
        is_secret=True,
        help="Access token of a user or an application, from standard input (--access-token=@-) or a file (@FILE). "
        "Commands work until it expires. Nothing renews it.",
    )

    use_device_code: bool = option("--use-device-code", default=False, group=_BROWSER)
    no_browser: bool = option(
        "--no-browser",
        default=False,
        group=_BROWSER,
        help="Print the sign-in address instead of opening a browser. The sign-in completes when the browser returns "
        "to this computer, or when you paste the address that it ends up on into the terminal.",
    )
    redirect_port: int | None = option(
        "--redirect-port",
        group=_BROWSER,
        type=_port,
        help="Port of localhost to which the browser returns after the sign-in, for example one that SSH or a "
        "container forwards. Default: any free port, and 8400 for AD FS. Uses a web browser even where Web Account "
        "Manager is the default.",
    )

    app_client_id: str | None = application_option(
        group=_APPLICATION,
        help="Application (client) ID of an application of your own, a public client that users sign in to instead of "
        "the Azure CLI. Its tokens are stored beside those of the Azure CLI, and the list of subscriptions stays as it "
        "is. To get a token, pass the ID to `az account get-access-token --app-client-id`.",
    )

    service_principal: bool | None = option("--service-principal", group=_SERVICE_PRINCIPAL)
    certificate: str | None = option(
        "--certificate",
        group=_SERVICE_PRINCIPAL,
        when_empty="certificate",
        help="PEM or PFX file with the certificate and its key.",
    )
    use_cert_sn_issuer: bool | None = option("--use-cert-sn-issuer", group=_SERVICE_PRINCIPAL)
    no_store_secret: bool = option(
        "--no-store-secret",
        default=False,
        group=_SERVICE_PRINCIPAL,
        help="Do not store the client secret or federated token. Commands work until the token of this sign-in "
        "expires.",
    )
    store_decrypted_key: bool = option(
        "--store-decrypted-key",
        default=False,
        group=_SERVICE_PRINCIPAL,
        help="Store the certificate's private key without its passphrase, so that built-in commands can use it. "
        "Without this option, they need the help of this extension, and AZURE_CLIENT_CERTIFICATE_PASSWORD if the file "
        "has a passphrase.",
    )

    client_assertion: str | None = option(
        "--federated-token", is_secret=True, group=_FEDERATED_TOKEN, when_empty="federated token"
    )
    federated_token_file: str | None = option(
        "--federated-token-file",
        group=_FEDERATED_TOKEN,
        help="File that always holds a valid federated token, as in a Kubernetes pod. It is read again for each new "
        "access token.",
    )
    federated_token_source: str | None = option(
        "--federated-token-source", "--token-source",
        choices=TOKEN_SOURCES,
        group=_FEDERATED_TOKEN,
        help="Service that issues federated tokens to the running job. It is asked again for each new access token.",
    )  # fmt: skip
    service_connection_id: str | None = option(
        "--service-connection-id", "--service-connection",
        group=_FEDERATED_TOKEN,
        help="ID of the Azure Resource Manager service connection, for --federated-token-source azure-pipelines. "
        "Default: the variable ARM_OIDC_AZURE_SERVICE_CONNECTION_ID or AZURESUBSCRIPTION_SERVICE_CONNECTION_ID.",
    )  # fmt: skip

    credential_source: str | None = option(
        "--credential-source",
        group=_CREDENTIAL_SOURCE,
        help="What gives the credential of the service principal, and gives it again whenever a command needs it: "
        "command, managed-identity, github, azure-pipelines, file, or the name that another extension uses.",
    )
    source_arguments: Sequence[str] | None = option(
        "--source-arg",
        group=_CREDENTIAL_SOURCE,
        action="extend",
        nargs="+",
        help="Arguments of the credential source, KEY=VALUE each, separated by spaces. They are stored, so no argument "
        "may be a secret.",
    )

    identity: bool = option("--identity", "-i", default=False)
    client_id: str | None = option("--client-id", when_empty="managed identity")
    object_id: str | None = option("--object-id", when_empty="managed identity")
    resource_id: str | None = option("--resource-id", when_empty="managed identity")

    allow_no_subscriptions: bool = option("--allow-no-subscriptions", default=False, group=_DISCOVERY)
    skip_subscription_discovery: bool = option(
        "--skip-subscription-discovery", "--skip-sub",
        default=False,
        group=_DISCOVERY,
        help="Do not look for subscriptions. Requires --tenant. With --subscription, only that one is read.",
    )  # fmt: skip
    subscription: str | None = option(
        "--subscription", "-s",
        group=_DISCOVERY,
        when_empty="login subscription",
        help="Subscription (ID or name) to make the default. With --skip-subscription-discovery, an ID.",
    )  # fmt: skip
    exclude_tenants: Sequence[str] = exclude_tenants_option(group=_DISCOVERY)

    @property
    def is_workload(self) -> bool:
        """Whether a program signs in: a service principal, or a managed identity."""
        return bool(self.service_principal or self.identity)

    @property
    def is_interactive(self) -> bool:
        """Whether a user signs in with a web browser, on this computer or on another device."""
        return not (self.username or self.is_workload or self.from_env or self.access_token)

    @property
    def browser_options(self) -> list[str]:
        """The given options that only a browser on this computer has a use for, by name."""
        named = [name for name, each in options_of(LoginOptions).items() if each.group == _BROWSER]
        return given_options(self, [name for name in named if name != "use_device_code"])
