"""Managed identities: their tokens come from our credential, which checks an answer before MSAL sees it.

MSAL puts a malformed answer into `error_description`, as a whole, and the host prints that as its error, although there
may be a token in it (msal/managed_identity.py, `_obtain_token_on_arc` and its neighbours).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from azext_login.hooks.one_warning import work_of_hook
from azext_login.hooks.renewing_credential import msal_result
from azext_login.host_errors import AzCLIError
from azext_login.system.log import get_logger

logger = get_logger(__name__)


class IdentityCredential:
    """Tokens of a managed identity, as `az account get-access-token` obtains them."""

    def __init__(self, assigned_identity_info: str, host: Callable[[], Any]):
        """:param assigned_identity_info: as in the profile: MSI, MSIClient-<ID>, MSIObject-<ID> or MSIResource-<ID>.
        :param host: returns the host's credential.
        """
        self._info = assigned_identity_info
        self._host = host

    def acquire_token(self, scopes: Sequence[str], **options: Any) -> dict[str, Any]:
        """Return MSAL's result.

        An error of the service is that of the command. If we fail in another way, or do not know an option, the host's
        credential is asked.

        :param options: more arguments for MSAL, such as `claims_challenge`.
        :raises AzCLIError: the service refused, did not answer, or answered something that its protocol does not allow.
        """
        if not options.keys() - {"claims_challenge"}:
            try:
                with work_of_hook():
                    return msal_result(self._credential.token(scopes, **options))
            except AzCLIError:
                raise
            except Exception as error:  # noqa: BLE001  # fails open: the host decides
                # Its text may quote the answer.
                logger.debug("The credential of the Azure CLI is used, because of %s", type(error).__name__)
        result: dict[str, Any] = self._host().acquire_token(scopes, **options)
        return result

    @cached_property
    def _credential(self) -> Any:
        from azure.cli.core.util import get_az_user_agent

        from azext_login.auth.managed_identity.credential import ManagedIdentityCredential
        from azext_login.system.http.session import build_session

        return ManagedIdentityCredential.from_info(self._info, http=build_session(user_agent=get_az_user_agent()))
