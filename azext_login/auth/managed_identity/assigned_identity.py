"""The ID of a managed identity: the system-assigned one, or a user-assigned one with one of its IDs."""

from __future__ import annotations

from dataclasses import dataclass

from azext_login.errors import AccountError, SignInError
from azext_login.system.command_line import Command
from azext_login.system.login_command import IDENTITY_LOGIN, with_identity

# The host's prefix of the ID in a row of the profile (azure.cli.core._profile.ManagedIdentityAuth), by the option of
# `az login --identity` that gave the ID.
_SYSTEM_ASSIGNED = "MSI"
_USER_ASSIGNED = {"client-id": "MSIClient", "object-id": "MSIObject", "resource-id": "MSIResource"}


@dataclass(frozen=True)
class AssignedIdentity:
    """A managed identity as the user names it. Both fields are None for the system-assigned one."""

    option: str | None = None
    """client-id, object-id or resource-id."""
    value: str | None = None

    @classmethod
    def from_ids(cls, client_id: str | None, object_id: str | None, resource_id: str | None) -> AssignedIdentity:
        """Return the identity that the IDs name. An empty ID counts as not given, as in the host.

        :raises SignInError: more than one is given.
        """
        given = {"client-id": client_id, "object-id": object_id, "resource-id": resource_id}
        found = [cls(option, value) for option, value in given.items() if value]
        if len(found) > 1:
            raise SignInError(
                "Usage error: Provide only one of --client-id, --object-id, --resource-id.",
                next_step="Run `az login --help` for examples.",
            )
        return found[0] if found else cls()

    @classmethod
    def from_info(cls, info: str) -> AssignedIdentity:
        """Parse the `user.assignedIdentityInfo` of a row.

        :raises AccountError: it is not valid.
        """
        kind, _, value = info.partition("-")
        if info == _SYSTEM_ASSIGNED:
            return cls()
        for option, name in _USER_ASSIGNED.items():
            if kind == name and value:
                return cls(option, value)
        raise AccountError(
            f"The stored account has an unknown kind of managed identity: {info!r}.",
            "Sign in again:\naz login --identity",
        )

    @property
    def info(self) -> str:
        """The `user.assignedIdentityInfo` of a row of the profile."""
        return f"{_USER_ASSIGNED[self.option]}-{self.value}" if self.option else _SYSTEM_ASSIGNED

    @property
    def user_name(self) -> str:
        """The `user.name` of a row of the profile."""
        return "userAssignedIdentity" if self.option else "systemAssignedIdentity"

    def login_command(self, command: Command = IDENTITY_LOGIN) -> Command:
        """Return the `az login --identity` that signs in as this identity.

        :param command: the one whose other options are repeated.
        """
        return with_identity(command, self.option, self.value)

    def __str__(self) -> str:
        if not self.option:
            return "the system-assigned managed identity"
        return f"the managed identity with the {self.option.replace('-id', ' ID')} {self.value!r}"
