"""What we take from the host CLI: its settings, its handlers, and the signatures of its commands."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any

from azext_login.errors import AccountError

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
def host_parameters(command: str) -> frozenset[str]:
    """Return the parameter names of the host's handler of `command`."""
    return frozenset(inspect.signature(host_operation(command)).parameters)


def accepts_host_options(command: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate our handler of `command` so that options it does not know are accepted as well.

    The host builds the command line from the handler's signature, so the decorated function shows the
    union of ours and the host's. A call that uses an option only the host knows goes to the host's
    handler with everything that was given.
    """

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        ours = inspect.signature(handler).parameters
        host = inspect.signature(host_operation(command)).parameters
        unknown = {name: parameter for name, parameter in host.items() if name not in ours}

        @wraps(handler)
        def dispatch(cmd: Any, **arguments: Any) -> Any:
            if any(arguments.get(name, p.default) != p.default for name, p in unknown.items()):
                return call_host(command, cmd, arguments)
            return handler(cmd, **{name: value for name, value in arguments.items() if name in ours})

        dispatch.__signature__ = inspect.Signature([*ours.values(), *unknown.values()])  # type: ignore[attr-defined]
        return dispatch

    return decorate


def call_host(command: str, cmd: Any, arguments: Mapping[str, Any]) -> Any:
    """Run the host's handler of `command` with those of `arguments` that it has.

    :raises MutuallyExclusiveArgumentError: an option was given that this azure-cli's handler does not have.
    """
    known = host_parameters(command)
    lost = [name for name, value in arguments.items() if name not in known and value]
    if lost:
        from azure.cli.core.azclierror import MutuallyExclusiveArgumentError

        options = ", ".join("--" + name.replace("_", "-") for name in lost)
        raise MutuallyExclusiveArgumentError(f"{options} cannot be combined with this way to sign in.")
    return host_operation(command)(cmd, **{name: value for name, value in arguments.items() if name in known})


@dataclass(frozen=True)
class HostSettings:
    """Everything the host decides for us, read once from its configuration, its cloud and the environment."""

    config_dir: Path
    cloud: str
    authority: str
    """Base address of the sign-in service without a tenant, for example https://login.microsoftonline.com."""
    endpoints: Any
    """The cloud's addresses, each of which the host's object refuses to give if it is not set."""
    resource_manager_audience: str
    subscriptions_api_version: str
    encryption_setting: Callable[[], bool]
    """Reads the setting core.encrypt_token_cache, when a store of secrets is opened. If that is neither on nor off, it
    raises what the host's configuration does."""
    use_http_cache: bool
    broker_on_windows: bool
    broker_on_mac: bool
    instance_discovery: bool
    client_capabilities: tuple[str, ...]
    verify_certificates: bool
    user_agent: str
    request_headers: Mapping[str, str]
    login_experience_v2: bool
    own_setting: Callable[[str], str]
    """Returns what is set in the section `login`, or ''. Read when it is used, so that a value that cannot be read ends
    no other command."""

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
        """What is active after a sign-in where nobody has chosen: the setting login.default_subscription.

        :raises AccountError: it cannot be read.
        """
        return self.own_setting("default_subscription") or None

    @property
    def resource_manager(self) -> str:
        """Base address of Azure Resource Manager, which only who looks for subscriptions needs.

        :raises CloudEndpointNotSetException: the cloud has none.
        """
        return str(self.endpoints.resource_manager)

    @property
    def is_adfs(self) -> bool:
        """Whether people and applications sign in at an AD FS server, which has no tenants."""
        return self.authority.rstrip("/").lower().endswith("/adfs")

    @property
    def arm_scopes(self) -> list[str]:
        """The scopes of a Resource Manager token. The audience's own trailing slash has to stay."""
        return [self.resource_manager_audience + "/.default"]


def read_host_settings(cli_ctx: Any) -> HostSettings:
    """Collect the settings of the active cloud."""
    from azure.cli.core.api import get_config_dir
    from azure.cli.core.profiles import ResourceType, get_api_version
    from azure.cli.core.util import get_az_user_agent, should_disable_connection_verify, should_encrypt_token_cache

    config = cli_ctx.config
    endpoints = cli_ctx.cloud.endpoints

    return HostSettings(
        config_dir=Path(get_config_dir()),
        cloud=cli_ctx.cloud.name,
        authority=endpoints.active_directory,
        endpoints=endpoints,
        resource_manager_audience=endpoints.active_directory_resource_id,
        subscriptions_api_version=get_api_version(cli_ctx, ResourceType.MGMT_RESOURCE_SUBSCRIPTIONS),
        encryption_setting=lambda: bool(should_encrypt_token_cache(cli_ctx)),
        use_http_cache=switch(config, "use_msal_http_cache", True),
        broker_on_windows=switch(config, "enable_broker_on_windows", True),
        broker_on_mac=switch(config, "enable_broker_on_mac", False),
        instance_discovery=switch(config, "instance_discovery", True),
        # CP1: we can answer claims challenges (continuous access evaluation).
        client_capabilities=() if "AZURE_IDENTITY_DISABLE_CP1" in os.environ else ("CP1",),
        verify_certificates=not should_disable_connection_verify(),
        user_agent=get_az_user_agent(),
        request_headers=dict(cli_ctx.data.get("headers") or {}),
        login_experience_v2=switch(config, "login_experience_v2", True),
        own_setting=partial(_own_setting, config),
    )


def switch(config: Any, name: str, default: bool) -> bool:
    """Return a switch in the host's section `core`; the default for what is neither on nor off.

    Most commands have no use for it, and need not end over it.
    """
    import configparser

    try:
        return bool(config.getboolean("core", name, fallback=default))
    except (ValueError, configparser.Error):
        return default


def _own_setting(config: Any, name: str) -> str:
    import configparser

    try:
        return str(config.get("login", name, fallback=""))
    except configparser.InterpolationError as error:
        raise AccountError(
            f"The setting login.{name} in {config.config_path} cannot be read: a percent sign stands alone there. "
            "Nothing was changed.",
            "Write %% for each percent sign in it, and run the command again.",
        ) from error


def exit_with(cli_ctx: Any, code: int) -> None:
    """End the process with `code` after the result of the command was printed; 0 leaves everything as it is."""
    if not code:
        return
    import sys

    from knack.events import EVENT_CLI_SUCCESSFUL_EXECUTE

    cli_ctx.register_event(EVENT_CLI_SUCCESSFUL_EXECUTE, lambda *_, **__: sys.exit(code))


def send_broker_telemetry(settings: HostSettings) -> None:
    """Tell the host's telemetry about the broker settings; older hosts take only the Windows one."""
    from azure.cli.core.telemetry import set_broker_info

    values = (settings.broker_on_windows, settings.broker_on_mac)
    set_broker_info(*values[: len(inspect.signature(set_broker_info).parameters)])


def send_telemetry(setter: str, value: Any) -> None:
    """Call a setter of the host's telemetry, where this host has it."""
    from azure.cli.core import telemetry

    function = getattr(telemetry, setter, None)
    if function is not None:
        function(value)


def activate_cloud(cli_ctx: Any, name: str) -> None:
    """Make a cloud the active one again, after the file that describes it was brought back.

    The host falls back to the public cloud, and stores that, when it does not find the active one.
    """
    from azure.cli.core.cloud import get_active_cloud, get_clouds

    if any(cloud.name == name for cloud in get_clouds(cli_ctx)):
        cli_ctx.config.set_value("cloud", "name", name)
    cli_ctx.cloud = get_active_cloud(cli_ctx)


def new_installation_id(config_dir: Path) -> str:
    """Return an ID for a new profile: the one of Azure PowerShell on this machine, as built in, or a new one."""
    import json
    import uuid

    try:
        content = json.loads((config_dir / "AzureRmContextSettings.json").read_text(encoding="utf-8-sig"))
        shared = content["Settings"]["InstallationId"]
    except (OSError, ValueError, KeyError, TypeError):
        shared = None
    return shared if isinstance(shared, str) and shared else str(uuid.uuid1())
