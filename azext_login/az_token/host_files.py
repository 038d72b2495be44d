"""The host's settings from its files and the environment, without the host: what a token from the cache depends on.

The host's own code is knack/config.py (`CLIConfig`) and azure/cli/core/cloud.py (`get_clouds`) in
https://github.com/microsoft/knack and https://github.com/Azure/azure-cli. Whatever is unusual is for `az`.
"""

from __future__ import annotations

import configparser
import io
import os
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import NoReturn

from azext_login.az_token.built_in_clouds import BUILT_IN_CLOUDS, DEFAULT_CLOUD
from azext_login.az_token.hand_over import FinalError, NotAnsweredError
from azext_login.host import HostSettings
from azext_login.system.directory import LARGEST_FILE, Entry, PrivateDirectory
from azext_login.system.entries import NotRegularError
from azext_login.system.files import read_bytes

# The host takes the clouds that it knows from another place then.
_CLOUDS_VARIABLE = "ARM_CLOUD_METADATA_URL"

_ENDPOINT = "endpoint_"
_PROFILE = "profile"
_USUAL_PROFILE = "latest"
_READ = (_PROFILE, _ENDPOINT, "suffix_")

# The host's words for a switch.
_ON = ("1", "yes", "true", "on")
_OFF = ("0", "no", "false", "off")

# Section and name of switches that the host reads whatever the command is. With another value, it fails.
_SWITCHES = (("core", "only_show_errors"), ("core", "no_color"), ("clients", "show_secrets_warning"))

_OUTPUTS = ("json", "jsonc", "yaml", "yamlc", "table", "tsv")


class HostFiles:
    """The host's configuration in one config directory."""

    def __init__(self, config_dir: PrivateDirectory, environ: Mapping[str, str]):
        self._environ = environ
        self._clouds_file = config_dir / "clouds.config"
        self._config = configparser.ConfigParser()
        self._config.read_string(text_of(config_dir / "config") or "")

    @property
    def config(self) -> HostFiles:
        """The object that has `get`: the host's context has it as an attribute of this name."""
        return self

    def get(self, section: str, option: str, fallback: str = "") -> str:
        """Return a setting, which a variable such as AZURE_CORE_OUTPUT overrides.

        :raises configparser.Error: its value contains a single percent sign.
        """
        value = self._environ.get(f"AZURE_{section}_{option}".upper())
        return self._config.get(section, option, fallback=fallback) if value is None else value

    @property
    def cloud(self) -> str:
        """Name of the stored cloud."""
        # Where nothing is stored, the host stores the name of its default.
        return self.get("cloud", "name", DEFAULT_CLOUD)

    def check_usual(self) -> None:
        """:raises NotAnsweredError: a setting may change where tokens are stored, or whether anything is written."""
        if _CLOUDS_VARIABLE in self._environ:
            raise NotAnsweredError("the clouds are given by an address")
        if self.get("core", "encrypt_token_cache", "on" if sys.platform == "win32" else "off").lower() not in _OFF:
            raise NotAnsweredError("the tokens may be encrypted")
        if self.get("core", "output", "json") not in _OUTPUTS:
            raise NotAnsweredError("the output is not a usual one")
        if self.get("logging", "enable_log_file", "off").lower() not in _OFF:
            raise NotAnsweredError("the host keeps a log of the commands")
        if any(self.get(*switch, "off").lower() not in (*_ON, *_OFF) for switch in _SWITCHES):
            raise NotAnsweredError("a switch is neither on nor off")

    def settings_of(self, cloud: str) -> HostSettings:
        """Return the settings for a cloud.

        :raises NotAnsweredError: it is not registered, or an unusual one.
        """
        endpoints = CloudEndpoints(self._endpoints_of(cloud))
        return HostSettings(
            cloud=cloud,
            authority=endpoints.active_directory,
            endpoints=endpoints,
            resource_manager_audience=endpoints.active_directory_resource_id,
            encryption_setting=lambda: False,
            # Of a fresh token in the cache, a broker changes nothing. All others are left to `az`.
            may_use_broker=False,
            broker_switches=_not_needed,
            own_setting=lambda name: self.get("login", name),
            # What requests need. There are none.
            subscriptions_api_version="",
            use_http_cache=False,
            instance_discovery=False,
            client_capabilities=(),
            verify_certificates=True,
            user_agent="",
            request_headers={},
            login_experience_v2=False,
        )

    def _endpoints_of(self, cloud: str) -> Mapping[str, str]:
        clouds = self._clouds
        if not clouds.has_section(cloud):
            raise NotAnsweredError("the cloud is not registered")
        if not clouds.has_section(self.cloud):
            raise NotAnsweredError("the stored cloud is not registered, so the host stores its default")
        for section in clouds.sections():
            # The host reads all of them. It fails if one contains a single percent sign.
            read = {name: clouds.get(section, name) for name in clouds.options(section) if name.startswith(_READ)}
            if read.get(_PROFILE, _USUAL_PROFILE) != _USUAL_PROFILE:
                raise NotAnsweredError("a cloud has another profile")
        found = {
            option.removeprefix(_ENDPOINT): clouds.get(cloud, option)
            for option in clouds.options(cloud)
            if option.startswith(_ENDPOINT)
        }
        if found.get("active_directory", "").rstrip("/").lower().endswith("/adfs"):
            raise NotAnsweredError("the sign-in service is an AD FS server")
        return found

    @cached_property
    def _clouds(self) -> configparser.ConfigParser:
        clouds = configparser.ConfigParser()
        clouds.read_dict(
            {
                name: {f"{_ENDPOINT}{endpoint}": address for endpoint, address in endpoints.items()}
                for name, endpoints in BUILT_IN_CLOUDS.items()
            }
        )
        clouds.read_string(text_of(self._clouds_file) or "")
        return clouds


class CloudEndpoints:
    """The addresses of a cloud, as attributes."""

    def __init__(self, addresses: Mapping[str, str]):
        self._addresses = addresses

    def __getattr__(self, name: str) -> str:
        address = self._addresses.get(name)
        if not address:
            raise NotAnsweredError("the cloud does not have this endpoint")
        return address


def config_directory(environ: Mapping[str, str]) -> str:
    """Return the path of the host's config directory."""
    given = environ.get("AZURE_CONFIG_DIR")
    if given == "":
        # Two places of the host differ in what that means.
        raise NotAnsweredError("the config directory is empty")
    return given or os.path.expanduser(os.path.join("~", ".azure"))


def text_of(file: Entry, *, limit: int = LARGEST_FILE) -> str | None:
    """Return the text of a file that the host reads too; None if it does not exist.

    :raises FinalError: the host would wait for ever, because it is no file.
    :raises OSError: it cannot be read.
    """
    try:
        # As the host opens it: each kind of line end is one.
        return io.StringIO(read_bytes(file, limit=limit).decode("utf-8"), newline=None).read()
    except FileNotFoundError:
        return None
    except NotRegularError as error:
        raise FinalError(f"{file} could not be read: {error.strerror}.") from error


def _not_needed() -> NoReturn:
    raise NotAnsweredError("a client is needed")
