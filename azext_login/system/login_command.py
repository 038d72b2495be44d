"""The `az login` that an error advises in place of the one that ran: the same purpose, and another way to sign in."""

from __future__ import annotations

from azext_login.system.command_line import AZ_LOGIN, Command

# What a sign-in is for, and what is shown of it. The other options of `az login` describe who signs in, and how.
_PURPOSE = frozenset(
    ("--tenant", "--scope", "--claims-challenge", "--allow-no-subscriptions", "--skip-subscription-discovery",
     "--subscription", "--exclude-tenant", "--app-client-id", "--query", "--output")
)  # fmt: skip

# What does not go together with a way to sign in.
_CONTRADICTIONS = {
    "--identity": ("--tenant", "--exclude-tenant", "--skip-subscription-discovery", "--app-client-id"),
    "--from-env": ("--tenant", "--exclude-tenant", "--app-client-id"),
}

_IDENTITIES = ("--client-id", "--object-id", "--resource-id")


def another_way(command: Command, *way: str) -> Command:
    """Return the `az login` with the purpose of `command`.

    :param way: the option of another way to sign in, such as --use-device-code; nothing for a web browser.
    """
    contradictions = {name for option in way for name in _CONTRADICTIONS.get(option, ())}
    if not command.has("--tenant") and "--from-env" not in way:
        contradictions.add("--skip-subscription-discovery")
    kept = tuple((name, values) for name, values in command.options if name in _PURPOSE and name not in contradictions)
    return Command(command.words, (*((option, ()) for option in way), *kept))


def with_password(command: Command, source: str) -> Command:
    """Return the `az login` that reads the password from somewhere else.

    :param source: @- for standard input, or @FILE. With --from-env, the environment has the password.
    """
    return command if command.has("--from-env") else command.with_option("--password", source)


def one_tenant(command: Command, tenant: str = "TENANT") -> Command:
    """Return the command for one tenant. `az account list --refresh` has the same options for that as `az login`."""
    return command.without("--exclude-tenant").with_option("--tenant", tenant)


def every_tenant(command: Command) -> Command:
    """Return the `az login` for all tenants of a user. A service principal has to name its tenant."""
    if command.has("--service-principal"):
        return command.with_option("--tenant", "TENANT")
    return command.without("--tenant", "--skip-subscription-discovery")


def application_login(client_id: str) -> Command:
    """Return the `az login` of a user to an application other than the Azure CLI.

    :param client_id: application ID (GUID).
    """
    return AZ_LOGIN.with_option("--app-client-id", client_id)


def with_identity(command: Command, option: str | None = None, value: str | None = None) -> Command:
    """Return the `az login --identity` with another managed identity.

    :param option: client-id, object-id or resource-id; None for the system-assigned identity.
    """
    command = command if command.has("--identity") else another_way(command, "--identity")
    command = command.without(*_IDENTITIES)
    return command.with_option(f"--{option}", value) if option and value else command


IDENTITY_LOGIN = with_identity(AZ_LOGIN)
"""Signs in as the system-assigned managed identity."""
