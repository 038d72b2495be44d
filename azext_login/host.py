"""What we use of the host CLI: its settings, its handlers, and the signatures of its commands."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any

from azext_login.errors import AccountError

POWERSHELL_SETTINGS = "AzureRmContextSettings.json"

# sys.platform -> settings of its brokers, and whether the broker is on without the setting.
_BROKERS = {
    "win32": {"enable_broker_on_windows": True},
    "darwin": {"enable_broker_on_mac": False},
    "linux": {"enable_broker_on_linux": False, "enable_broker_on_wsl": False},
}

# Our command -> the function of azure.cli.command_modules.profile.custom that serves it in the host.
_HOST_OPERATIONS = {
    "login": "login",
    "logout": "logout",
    "account list": "list_subscriptions",
    "account set": "set_active_subscription",
    "account show": "show_subscription",
    "account clear": "account_clear",
    "account get-access-token": "get_access_token",
}


@cache
def host_operation(command: str) -> Callable[..., Any]:
    """Return the host's own handler of `command`."""
    from azure.cli.command_modules.profile import custom

    operation: Callable[..., Any] = getattr(custom, _HOST_OPERATIONS[command])
    return operation


@cache
def host_signature(command: str) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of the host's handler of `command` by name; none if the host has no such command."""
    return inspect.signature(host_operation(command)).parameters if command in _HOST_OPERATIONS else {}


def call_host(command: str, cmd: Any, arguments: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    """Run the host's handler of `command` with those of `arguments` that it has.

    :param names: our options by the names of their arguments, as messages name them.
    :raises MutuallyExclusiveArgumentError: an option was given that this azure-cli's handler does not have.
    """
    known = host_signature(command)
    lost = [names[name] for name, value in arguments.items() if name in names and name not in known and value]
    if lost:
        from azure.cli.core.azclierror import MutuallyExclusiveArgumentError

        raise MutuallyExclusiveArgumentError(f"{', '.join(lost)} cannot be combined with this way to sign in.")
    return host_operation(command)(cmd, **{name: value for name, value in arguments.items() if name in known})


def declare_host_arguments(loader: Any, command: str) -> None:
    """Register the host's own arguments of `command` with our loader, also those that a later host adds."""
    from azure.cli.command_modules.profile import ProfileCommandsLoader

    host = ProfileCommandsLoader(cli_ctx=loader.cli_ctx)
    for name in ("command_table", "command_name", "skip_applicability", "argument_registry", "extra_argument_registry"):
        if hasattr(loader, name):
            setattr(host, name, getattr(loader, name))
    host.load_arguments(command)


@dataclass(frozen=True, eq=False, repr=False)
class HostSettings:
    """The host's decisions, read once from its configuration, its cloud and the environment."""

    cloud: str
    authority: str
    """Base address of the sign-in service without a tenant, for example https://login.microsoftonline.com."""
    endpoints: Any
    """The cloud's addresses. The host's object raises an error for one that is not set."""
    resource_manager_audience: str
    subscriptions_api_version: str
    encryption_setting: Callable[[], bool]
    """Reads the setting core.encrypt_token_cache, when a store of secrets is opened. If it is neither on nor off, this
    raises the error of the host's configuration."""
    use_http_cache: bool
    may_use_broker: bool
    """Whether a user's tokens may come from an account broker of this operating system."""
    broker_switches: Callable[[], Mapping[str, bool]]
    """Returns the arguments about account brokers for MSAL's PublicClientApplication, and tells the host's telemetry.
    Loads MSAL."""
    instance_discovery: bool
    client_capabilities: tuple[str, ...]
    verify_certificates: bool
    user_agent: str
    request_headers: Mapping[str, str]
    login_experience_v2: bool
    own_setting: Callable[[str], str]
    """Returns a setting of the section `login`, or ''. Called when the setting is used, so that an unreadable value
    does not affect other commands."""

    @property
    def encrypt_token_cache(self) -> bool:
        """Whether tokens and secrets are encrypted: the setting core.encrypt_token_cache.

        :raises AccountError: it is neither on nor off. Guessing could write secrets in clear text.
        """
        import configparser

        try:
            return self.encryption_setting()
        except (ValueError, configparser.Error):
            raise AccountError(
                "The setting core.encrypt_token_cache is neither on nor off, so tokens were neither read nor written.",
                "Remove it with `az config unset core.encrypt_token_cache`, and the environment variable "
                "AZURE_CORE_ENCRYPT_TOKEN_CACHE if it is set; then run the command again.",
            ) from None

    @property
    def exclude_tenants(self) -> tuple[str, ...]:
        """Tenants (GUID or domain) that no discovery asks: the setting login.exclude_tenants.

        :raises AccountError: it cannot be read.
        """
        return tuple(self.own_setting("exclude_tenants").replace(",", " ").split())

    @property
    def default_subscription(self) -> str | None:
        """The default after a sign-in if the user has chosen none: the setting login.default_subscription.

        :raises AccountError: it cannot be read.
        """
        return self.own_setting("default_subscription") or None

    @property
    def resource_manager(self) -> str:
        """Base address of Azure Resource Manager. Only the search for subscriptions needs it.

        :raises CloudEndpointNotSetException: it is not set for the cloud.
        """
        return str(self.endpoints.resource_manager)

    @property
    def is_adfs(self) -> bool:
        """Whether the sign-in service is an AD FS server, which has no tenants."""
        return self.authority.rstrip("/").lower().endswith("/adfs")

    @property
    def arm_scopes(self) -> list[str]:
        """The scopes of a Resource Manager token. A trailing slash of the audience has to stay."""
        return [self.resource_manager_audience + "/.default"]


def read_host_settings(cli_ctx: Any) -> HostSettings:
    """Collect the settings of the active cloud."""
    from azure.cli.core.profiles import ResourceType, get_api_version
    from azure.cli.core.util import get_az_user_agent, should_disable_connection_verify, should_encrypt_token_cache

    config = cli_ctx.config
    endpoints = cli_ctx.cloud.endpoints

    return HostSettings(
        cloud=cli_ctx.cloud.name,
        authority=endpoints.active_directory,
        endpoints=endpoints,
        resource_manager_audience=endpoints.active_directory_resource_id,
        subscriptions_api_version=get_api_version(cli_ctx, ResourceType.MGMT_RESOURCE_SUBSCRIPTIONS),
        encryption_setting=lambda: bool(should_encrypt_token_cache(cli_ctx)),
        use_http_cache=switch(config, "use_msal_http_cache", True),
        may_use_broker=any(switch(config, name, is_on) for name, is_on in _BROKERS.get(sys.platform, {}).items()),
        broker_switches=partial(_broker_switches, cli_ctx),
        instance_discovery=switch(config, "instance_discovery", True),
        # CP1: we can answer claims challenges (continuous access evaluation).
        client_capabilities=() if "AZURE_IDENTITY_DISABLE_CP1" in os.environ else ("CP1",),
        verify_certificates=not should_disable_connection_verify(),
        user_agent=get_az_user_agent(),
        request_headers=dict(cli_ctx.data.get("headers") or {}),
        login_experience_v2=switch(config, "login_experience_v2", True),
        own_setting=partial(_own_setting, config),
    )


def switch(config: Any, name: str, default: bool, *, section: str = "core") -> bool:
    """Return a switch of a section, by default the host's `core`; the default if the value is neither on nor off.

    Most commands do not need the switch, and must not fail because of it.
    """
    import configparser

    try:
        return bool(config.getboolean(section, name, fallback=default))
    except (ValueError, configparser.Error):
        return default


def _own_setting(config: Any, name: str) -> str:
    import configparser

    try:
        return str(config.get("login", name, fallback=""))
    except configparser.InterpolationError as error:
        raise AccountError(
            f"The setting login.{name} in {config.config_path} cannot be read, because it contains a single percent "
            "sign. Nothing was changed.",
            "Write %% for each percent sign in it, and run the command again.",
        ) from error


def exit_with(cli_ctx: Any, code: int) -> None:
    """Exit with `code` after the result of the command was printed. With 0, nothing changes."""
    if not code:
        return
    from knack.events import EVENT_CLI_SUCCESSFUL_EXECUTE

    cli_ctx.register_event(EVENT_CLI_SUCCESSFUL_EXECUTE, lambda *_, **__: sys.exit(code))


def _broker_switches(cli_ctx: Any) -> dict[str, bool]:
    """Ask the host which brokers are on: their settings and defaults differ between releases.

    For example, azure-cli#31169 adds `core.enable_broker_on_wsl`. If a setting that the host reads here is neither on
    nor off, the host fails, and the settings of azure-cli 2.91 count.
    """
    import configparser

    try:
        from azure.cli.core._profile import _create_identity_instance

        identity = _create_identity_instance(cli_ctx, cli_ctx.cloud.endpoints.active_directory)
        prefix = "_enable_broker_on_"
        return {name[1:]: value for name, value in vars(identity).items() if name.startswith(prefix)}
    except (ImportError, TypeError, ValueError, configparser.Error):
        return {
            f"enable_broker_on_{system}": switch(cli_ctx.config, f"enable_broker_on_{system}", is_on)
            for system, is_on in (("windows", True), ("mac", False))
        }


_QUERY = "azext_login_query"


def remember_query(cli_ctx: Any, parser: Any) -> None:
    """Keep the text of --query: the host keeps only the compiled query, inside a function.

    Options of every command are shared, so the parsers of several commands may have the same one.
    """
    for action in parser._actions:
        if "--query" in action.option_strings and not hasattr(action.type, "__wrapped__"):
            compiled = action.type

            @wraps(compiled)
            def keep(text: str, compiled: Callable[[str], Any] = compiled) -> Any:
                query = compiled(text)
                cli_ctx.invocation.data[_QUERY] = text
                return query

            action.type = keep


def output_options(cli_ctx: Any) -> dict[str, str]:
    """Return what the command line gives for --query, and for --output if it is not the configured format."""
    output = cli_ctx.invocation.data.get("output")
    usual = cli_ctx.config.get("core", "output", fallback="json")
    given = {"--query": cli_ctx.invocation.data.get(_QUERY), "--output": None if output == usual else output}
    return {name: value for name, value in given.items() if value}


def extensions_directory() -> Path:
    """Return the directory in which the host looks for the extensions of this user."""
    from azure.cli.core.extension import EXTENSIONS_DIR

    return Path(EXTENSIONS_DIR)


def send_telemetry(setter: str, value: Any) -> None:
    """Call a setter of the host's telemetry, if this host has it."""
    from azure.cli.core import telemetry

    function = getattr(telemetry, setter, None)
    if function is not None:
        function(value)


def has_cloud(cli_ctx: Any, name: str) -> bool:
    """Tell whether a cloud is registered, or built in."""
    from azure.cli.core.cloud import get_clouds

    return any(cloud.name == name for cloud in get_clouds(cli_ctx))


def activate_cloud(cli_ctx: Any, name: str) -> None:
    """Make a cloud the active one again, after the file that describes it was restored.

    The host falls back to the public cloud, and stores that, if it does not find the active one.
    """
    from azure.cli.core.cloud import get_active_cloud

    if has_cloud(cli_ctx, name):
        cli_ctx.config.set_value("cloud", "name", name)
    cli_ctx.cloud = get_active_cloud(cli_ctx)


def new_installation_id(read_shared: Callable[[], str]) -> str:
    """Return an ID for a new profile: the one of Azure PowerShell on this computer, as built in, or a new one.

    :param read_shared: returns the text of the file POWERSHELL_SETTINGS of the config directory.
    """
    import json
    import uuid

    try:
        content = json.loads(read_shared().removeprefix("\ufeff"))
        shared = content["Settings"]["InstallationId"]
    except (OSError, ValueError, KeyError, TypeError):
        shared = None
    return shared if isinstance(shared, str) and shared else str(uuid.uuid1())
