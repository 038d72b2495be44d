"""The host's settings as `az-token` reads them, and those that are for `az`."""

from __future__ import annotations

import configparser
import os
import sys
from pathlib import Path

import pytest

from azext_login.az_token.built_in_clouds import BUILT_IN_CLOUDS
from azext_login.az_token.hand_over import FinalError, NotAnsweredError
from azext_login.az_token.host_files import HostFiles, config_directory
from azext_login.system.directory import PrivateDirectory

CLOUDS = """
[Contoso]
endpoint_active_directory = https://login.contoso.example
endpoint_active_directory_resource_id = https://arm.contoso.example/
suffix_keyvault_dns = .vault.contoso.example
subscription = 50%
"""

# Without it, tokens are encrypted on Windows.
PLAIN = "[core]\nencrypt_token_cache = off\n"


def host_files(directory: Path, config: str = PLAIN, clouds: str = CLOUDS, **environ: str) -> HostFiles:
    (directory / "config").write_text(config, encoding="utf-8")
    (directory / "clouds.config").write_text(clouds, encoding="utf-8")
    return HostFiles(PrivateDirectory(directory), environ)


def check(files: HostFiles) -> None:
    """Do what the program does before it looks for a token."""
    files.check_usual()
    assert files.settings_of("Contoso").authority == "https://login.contoso.example"


def test_without_files_the_defaults_count(tmp_path: Path) -> None:
    files = HostFiles(PrivateDirectory(tmp_path / "nothing"), {"AZURE_CORE_ENCRYPT_TOKEN_CACHE": "no"})
    files.check_usual()
    assert files.cloud == "AzureCloud"
    settings = files.settings_of(files.cloud)
    assert settings.authority == BUILT_IN_CLOUDS["AzureCloud"]["active_directory"]
    assert settings.arm_scopes == ["https://management.core.windows.net//.default"]


def test_a_variable_takes_precedence_over_the_file(tmp_path: Path) -> None:
    files = host_files(tmp_path, "[cloud]\nname = AzureChinaCloud\n[login]\nx = file\n", AZURE_LOGIN_X="variable")
    assert (files.cloud, files.get("login", "x"), files.get("login", "y", "default")) == (
        "AzureChinaCloud", "variable", "default",
    )  # fmt: skip
    assert files.settings_of(files.cloud).own_setting("x") == "variable"
    assert host_files(tmp_path, "", AZURE_CLOUD_NAME="Contoso").cloud == "Contoso"


def test_the_file_of_clouds_takes_precedence_over_what_is_known(tmp_path: Path) -> None:
    clouds = "[AzureCloud]\nendpoint_active_directory = https://login.contoso.example\n"
    settings = host_files(tmp_path, clouds=clouds).settings_of("AzureCloud")
    assert settings.authority == "https://login.contoso.example"
    assert settings.resource_manager_audience == "https://management.core.windows.net/"


def test_an_endpoint_that_a_cloud_does_not_have_is_for_az(tmp_path: Path) -> None:
    settings = host_files(tmp_path).settings_of("Contoso")
    with pytest.raises(NotAnsweredError):
        _ = settings.endpoints.media_resource_id


@pytest.mark.parametrize("off", ["0", "no", "False", "OFF"])
@pytest.mark.parametrize("on", ["1", "yes", "True", "ON"])
def test_settings_that_change_no_token_are_accepted(tmp_path: Path, off: str, on: str) -> None:
    config = f"[core]\nencrypt_token_cache = {off}\noutput = table\nonly_show_errors = {on}\nno_color = {off}\n"
    config += f"instance_discovery = 50%%\n[logging]\nenable_log_file = {off}\n[clients]\nshow_secrets_warning = {on}\n"
    check(host_files(tmp_path, config))


@pytest.mark.parametrize("value", ["true", "on", "1", "", "maybe", " off", "50%"])
@pytest.mark.parametrize(
    "variable",
    [
        "AZURE_CORE_ENCRYPT_TOKEN_CACHE",
        "AZURE_CORE_OUTPUT",
        "AZURE_LOGGING_ENABLE_LOG_FILE",
        "ARM_CLOUD_METADATA_URL",
        "AZURE_CLOUD_NAME",
    ],
)
def test_settings_that_may_change_what_az_does_are_for_az(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(NotAnsweredError):
        check(host_files(tmp_path, **{variable: value}))


@pytest.mark.parametrize("value", ["", "maybe", "2", " on", "50%"])
@pytest.mark.parametrize(
    "variable", ["AZURE_CORE_ONLY_SHOW_ERRORS", "AZURE_CORE_NO_COLOR", "AZURE_CLIENTS_SHOW_SECRETS_WARNING"]
)
def test_a_switch_with_which_az_fails_is_for_az(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(NotAnsweredError):
        check(host_files(tmp_path, **{variable: value}))


@pytest.mark.skipif(sys.platform != "win32", reason="the default of Windows")
def test_tokens_are_encrypted_by_default_on_windows(tmp_path: Path) -> None:
    with pytest.raises(NotAnsweredError):
        check(host_files(tmp_path, ""))


@pytest.mark.parametrize(
    "more",
    [
        "[Stack]\nprofile = 2019-03-01-hybrid\n",
        "[Stack]\nprofile = nothing\n",
        "[Stack]\nprofile = 50%\n",
        "[Stack]\nendpoint_gallery = 50%\n",
        "[Stack]\nsuffix_keyvault_dns = 50%\n",
        "[DEFAULT]\nprofile = 2019-03-01-hybrid\n",
        "[Contoso]\n",
        "no section\n",
    ],
)
def test_a_file_of_clouds_that_az_reports_or_refuses_is_for_az(tmp_path: Path, more: str) -> None:
    with pytest.raises((NotAnsweredError, configparser.Error)):
        check(host_files(tmp_path, clouds=CLOUDS + more))


@pytest.mark.parametrize("address", ["https://adfs.contoso.example/adfs", "https://adfs.contoso.example/ADFS/"])
def test_an_ad_fs_server_is_for_az(tmp_path: Path, address: str) -> None:
    with pytest.raises(NotAnsweredError, match="AD FS"):
        host_files(tmp_path, clouds=f"[Stack]\nendpoint_active_directory = {address}\n").settings_of("Stack")


@pytest.mark.parametrize("cloud", ["Fabrikam", "contoso", "", "DEFAULT"])
def test_a_cloud_that_is_not_registered_is_for_az(tmp_path: Path, cloud: str) -> None:
    with pytest.raises(NotAnsweredError):
        host_files(tmp_path).settings_of(cloud)


@pytest.mark.parametrize("cloud", ["Fabrikam", ""])
def test_a_stored_cloud_that_is_not_registered_is_for_az_also_with_another_one_in_use(
    tmp_path: Path, cloud: str
) -> None:
    with pytest.raises(NotAnsweredError):
        host_files(tmp_path, AZURE_CLOUD_NAME=cloud).settings_of("Contoso")


@pytest.mark.parametrize("content", [b"no section\n", b"[a]\n[a]\n", b"[a]\nb\n", b"[a]\nb = \xff\n"])
def test_a_config_file_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config").write_bytes(content)
    with pytest.raises((configparser.Error, UnicodeDecodeError)):
        HostFiles(PrivateDirectory(tmp_path), {})


def test_every_kind_of_line_end_is_one_as_for_the_host(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"[core]\r\noutput = json\rencrypt_token_cache = true\r\n")
    with pytest.raises(NotAnsweredError, match="encrypted"):
        HostFiles(PrivateDirectory(tmp_path), {}).check_usual()


def test_a_file_that_blocks_az_is_one_error(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    os.mkfifo(tmp_path / "config")
    with pytest.raises(FinalError, match="config could not be read: It is a named pipe"):
        HostFiles(PrivateDirectory(tmp_path), {})


def test_the_config_directory_is_the_one_of_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert config_directory({}) == str(tmp_path / ".azure")
    # The shell replaces a tilde, and the host does not.
    assert config_directory({"AZURE_CONFIG_DIR": "~/x"}) == "~/x"
    with pytest.raises(NotAnsweredError):
        config_directory({"AZURE_CONFIG_DIR": ""})
