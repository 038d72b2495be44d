"""What the Azure CLI itself does with the accounts: its hooks, its encryption, its version."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from azext_login.errors import AccountError, EncryptionError, NotSignedInError, StoreError, first_line
from azext_login.host_index import AUTO, OFF, every_command_setting
from azext_login.profile.model import Account, account_of
from azext_login.usecases.every_command import obstacle
from azext_login.usecases.status.records import BuiltInStatus, Finding, Outcome

if TYPE_CHECKING:
    from azext_login.usecases.session import Session
    from azext_login.usecases.status.stored import Target

_OWN_NAME = "login"
_VARIABLE = "AZURE_LOGIN_EVERY_COMMAND"

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
    # Only the user changes the setting: whoever turned it off meant to.
    command = _command_that_turns_on(os.environ) if setting == OFF else None
    finding = Finding(Outcome.BUILT_IN_FAILS.word, what, Outcome.BUILT_IN_FAILS, command)
    return BuiltInStatus(False, setting, what), [finding]


def _command_that_turns_on(environ: Mapping[str, str]) -> str:
    """Return the command after which built-in commands have the help of the extension again."""
    if environ.get(_VARIABLE):
        # It counts more than what is stored.
        return f"Remove-Item Env:{_VARIABLE}" if sys.platform == "win32" else f"unset {_VARIABLE}"
    return f"az config set login.every_command={AUTO}"


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
