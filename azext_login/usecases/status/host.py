"""What the Azure CLI itself does with the accounts: its hooks, its encryption, its version."""

from __future__ import annotations

import configparser
import platform
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from azext_login.auth.sources.user_command import is_own
from azext_login.errors import AccountError, EncryptionError, NotSignedInError, StoreError, first_line
from azext_login.host_index import AUTO, OFF, every_command_setting
from azext_login.profile.model import Account, account_of
from azext_login.system.directory import writer_in
from azext_login.usecases.every_command import obstacle, update_index
from azext_login.usecases.status.records import BuiltInStatus, Finding, Outcome

if TYPE_CHECKING:
    from azext_login.usecases.session import Session
    from azext_login.usecases.status.stored import Target

_OWN_NAME = "login"

BUILT_IN_FAILS = "builtInFails"
"""The code of the finding. --fix fixes it if the setting is the reason."""

_UNSET = "az config unset core.encrypt_token_cache"
_TURN_OFF = "az config set core.encrypt_token_cache=false"


def check_built_in(cli_ctx: Any, session: Session, targets: Iterable[Target]) -> tuple[BuiltInStatus, list[Finding]]:
    """Tell whether built-in commands and other extensions can use the accounts, and follow the choice of this process.

    They cannot without this extension if a credential is one that only we can use or renew.
    """
    setting = every_command_setting(cli_ctx)
    reason = obstacle(cli_ctx)
    if reason is None:
        return BuiltInStatus(True, setting), []
    accounts = [target.account.label for target in targets if _needs_us(session, target)]
    what = f"Built-in commands run without this extension, because {reason}."
    if accounts:
        what += f" They cannot use, or cannot renew, the credential of {', '.join(dict.fromkeys(accounts))}."
    elif session.choice:
        what += f" They do not follow {session.choice.origin}."
    else:
        return BuiltInStatus(True, setting, what), []
    is_off = setting == OFF
    command = f"az config set login.every_command={AUTO}" if is_off else None
    finding = Finding(BUILT_IN_FAILS, what, Outcome.BUILT_IN_FAILS, command, is_fixable=is_off)
    return BuiltInStatus(False, setting, what), [finding]


def turn_on_for_every_command(session: Session, cli_ctx: Any) -> None:
    """Let the host load the extension for every command again: the setting becomes AUTO, and the index follows.

    :raises StoreError: that is not possible, or something else than the file of settings decides.
    """
    directory = session.config_dir
    if not is_own(writer_in(directory)):
        # The host follows links in it.
        raise StoreError(f"The settings in {directory.path} stay as they are, because other users can write to it.")
    try:
        cli_ctx.config.set_value("login", "every_command", AUTO)
    except (OSError, configparser.Error) as error:
        raise StoreError(f"The setting could not be stored in {directory.path}: {error}.") from error
    if every_command_setting(cli_ctx) == OFF:
        raise StoreError(
            "An environment variable (AZURE_LOGIN_EVERY_COMMAND), or the file .azure/config of this directory, still "
            "turns it off."
        )
    update_index(cli_ctx)


def _needs_us(session: Session, target: Target) -> bool:
    from azext_login.auth.workload.service_principal import needs_extension

    account: Account = account_of(target.row)
    if account.is_user or account.is_managed_identity:
        return False
    try:
        entry = session.clients.service_principals.find(account.name, str(target.row["tenantId"]), asked=target.tenant)
    except (NotSignedInError, StoreError):
        return False
    return needs_extension(entry, lambda: True)


def check_encryption(session: Session) -> tuple[bool | None, str | None, list[Finding]]:
    """Return whether tokens and secrets are encrypted, where they are, and what is wrong with that."""
    from azext_login.auth.storage.encryption import open_encrypted
    from azext_login.auth.storage.secret_file import STORES

    try:
        if not session.settings.encrypt_token_cache:
            return False, "files", []
        content = open_encrypted(session.config_dir / STORES[0])
    except (AccountError, EncryptionError) as error:
        command = _TURN_OFF if isinstance(error, EncryptionError) else _UNSET
        return None, None, [Finding("encryption", first_line(error), Outcome.STORE_UNUSABLE, command)]
    if content is None:
        what = (
            "Tokens and secrets are to be encrypted, but there is no keyring. The Azure CLI stores them in plain text."
        )
        return False, "files", [Finding("plainText", what)]
    return True, "keyring" if content.is_in_keyring else "encrypted files", []


def versions() -> dict[str, str]:
    """Return the versions of what takes part in a sign-in."""
    import azure.cli.core as core
    import msal

    return {
        "azureCli": str(core.__version__),
        "extension": _extension_version(),
        "python": platform.python_version(),
        "msal": str(msal.__version__),
        "system": f"{platform.system()} {platform.release()} ({sys.platform})",
    }


def _extension_version() -> str:
    from azure.cli.core.extension import ExtensionNotInstalledException, get_extension

    try:
        return str(get_extension(_OWN_NAME).version)
    except ExtensionNotInstalledException:
        return "development"
