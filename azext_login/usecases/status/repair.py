"""The repairs of `account status --fix`.

None signs an account out, deletes what anyone needs or changes a setting, and each may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from azext_login.auth.storage.host_lock import HostLock
from azext_login.errors import StoreError
from azext_login.host_errors import AzCLIError
from azext_login.usecases.status.active import STALE_CONTEXT
from azext_login.usecases.status.files import FILE_MODE, STORE_DAMAGED
from azext_login.usecases.status.locks import HOST_LOCK_SUFFIX, LOCK_LEFT
from azext_login.usecases.status.records import Finding
from azext_login.usecases.status.stale_contexts import read_again

if TYPE_CHECKING:
    from azext_login.usecases.session import Session


def fixable(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that `fix` fixes."""
    return [finding for finding in findings if finding.is_fixable and finding.code in _REPAIRS]


def fix(
    session: Session, findings: Sequence[Finding], *, on_failure: Callable[[Finding, AzCLIError], None]
) -> list[Finding]:
    """Fix findings, and return those that were fixed.

    :param on_failure: receives each finding that could not be fixed, and why. The others are fixed all the same.
    """
    fixed = []
    for finding in fixable(findings):
        try:
            _REPAIRS[finding.code](session, finding)
        except AzCLIError as error:
            on_failure(finding, error)
        else:
            fixed.append(finding)
    return fixed


def _restrict(session: Session, name: str) -> None:
    """Restrict a file to its owner."""
    file = session.config_dir / name
    try:
        file.restrict()
    except FileNotFoundError:
        # Another process has removed it since.
        return
    except OSError as error:
        raise StoreError(f"{file} could not be restricted to its owner: {error.strerror or error}.") from error


def _quarantine(session: Session, name: str) -> None:
    """Quarantine a damaged file: the store does that when it reads one, under its locks."""
    if name.startswith("msal_token_cache"):
        session.clients.token_cache.read()
    elif name.startswith("service_principal_entries"):
        session.clients.service_principals.client_ids()
    else:
        session.state()


def _remove_lock(session: Session, name: str) -> None:
    """Remove a lock file of the host that no process holds. It is removed while it is held, as by its last holder."""
    with HostLock(session.config_dir / name.removesuffix(HOST_LOCK_SUFFIX), timeout=0.0):
        pass


_REPAIRS: dict[str, Callable[[Session, Finding], None]] = {
    FILE_MODE: lambda session, finding: _restrict(session, str(finding.file)),
    STORE_DAMAGED: lambda session, finding: _quarantine(session, str(finding.file)),
    LOCK_LEFT: lambda session, finding: _remove_lock(session, str(finding.file)),
    STALE_CONTEXT: lambda session, finding: read_again(session, str(finding.context)),
}
