"""The credential sources by their names (`az login --credential-source`), and the arguments that each one has."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from azext_login.auth.sources.credential_source import CredentialSource
from azext_login.auth.sources.federated_tokens import (
    AzurePipelinesAssertion,
    FileAssertion,
    GitHubAssertion,
    source_from_json,
)
from azext_login.auth.sources.managed_identity_source import NAME as MANAGED_IDENTITY
from azext_login.auth.sources.managed_identity_source import make_managed_identity
from azext_login.auth.sources.program import ProgramSource
from azext_login.errors import AccountError
from azext_login.system.text import printable

_HELP = "Run `az login --help` for examples."


@dataclass(frozen=True)
class SourceArgument:
    """An argument of a source: KEY in --source-arg KEY=VALUE."""

    name: str
    help: str
    is_required: bool = False


@dataclass(frozen=True)
class SourceContext:
    """What a source takes from its surroundings if no argument gives it."""

    audience: str
    """The `aud` claim that the active cloud expects in a federated token."""
    service_connection_id: str | None = None
    """The service connection that the environment names."""
    owner: int | None = None
    """The ID of the user who owns the stored source; a program runs only for them. None for any user."""


@dataclass(frozen=True)
class NamedSource:
    """A source that is part of this extension."""

    name: str
    help: str
    make: Callable[[Mapping[str, str], SourceContext], CredentialSource]
    """Receives the checked arguments."""
    arguments: tuple[SourceArgument, ...] = ()


def _make_azure_pipelines(arguments: Mapping[str, str], context: SourceContext) -> CredentialSource:
    connection = arguments.get("service_connection_id") or context.service_connection_id
    if not connection:
        raise AccountError(
            "usage error: '--credential-source azure-pipelines' requires '--source-arg service_connection_id=ID', or "
            "the variable ARM_OIDC_AZURE_SERVICE_CONNECTION_ID",
            _HELP,
        )
    return AzurePipelinesAssertion(connection)


BUILT_IN = (
    NamedSource(
        "command",
        "a program that prints a credential as JSON",
        lambda arguments, context: ProgramSource(arguments["command"], context.owner),
        (SourceArgument("command", "the program and its arguments, without a shell", is_required=True),),
    ),
    NamedSource(
        MANAGED_IDENTITY,
        "the managed identity of this computer, which the application trusts",
        lambda arguments, context: make_managed_identity(arguments),
        (
            SourceArgument("client_id", "the client ID of a user-assigned identity"),
            SourceArgument("object_id", "its object ID"),
            SourceArgument("resource_id", "its resource ID"),
            SourceArgument("audience", "the `aud` claim of the token"),
        ),
    ),
    NamedSource(
        "github",
        "the federated tokens of a job of GitHub Actions",
        lambda arguments, context: GitHubAssertion(context.audience),
    ),
    NamedSource(
        "azure-pipelines",
        "the federated tokens of a service connection of Azure Pipelines",
        _make_azure_pipelines,
        (SourceArgument("service_connection_id", "the ID of the service connection"),),
    ),
    NamedSource(
        "file",
        "a file that always holds a valid federated token",
        lambda arguments, context: FileAssertion(Path(os.path.expanduser(arguments["path"])).absolute()),
        (SourceArgument("path", "the path of the file", is_required=True),),
    ),
)


def make_source(name: str, words: Sequence[str], context: SourceContext) -> CredentialSource:
    """Return the source of a name, with its arguments: one of this extension, or else one of a plug-in.

    :param words: KEY=VALUE each.
    :raises AccountError: there is no such source, or an argument is missing, unknown or given twice.
    """
    named = next((each for each in BUILT_IN if each.name == name), None)
    arguments = parse_arguments(words)
    if named is None:
        from azext_login.auth.sources.plugins import find_source

        found = find_source(name, arguments, frozenset(each.name for each in BUILT_IN))
        if found is not None:
            return found
        names = ", ".join(each.name for each in BUILT_IN)
        raise AccountError(
            f"usage error: there is no credential source '{printable(name)}'.",
            f"Use one of these with --credential-source: {names}. Others need an extension that has them.",
        )
    known = [argument.name for argument in named.arguments]
    unknown = next((key for key in arguments if key not in known), None)
    if unknown is not None:
        takes = f"It has: {', '.join(known)}." if known else "It has none."
        raise AccountError(f"usage error: the credential source '{name}' has no argument '{unknown}'. {takes}", _HELP)
    for argument in named.arguments:
        if argument.is_required and argument.name not in arguments:
            raise AccountError(
                f"usage error: the credential source '{name}' requires --source-arg {argument.name}=VALUE: "
                f"{argument.help}.",
                _HELP,
            )
    return named.make(arguments, context)


def parse_arguments(words: Sequence[str]) -> dict[str, str]:
    """Return the arguments of a source.

    :param words: KEY=VALUE each.
    :raises AccountError: a word has another form, has no value, or names a key again.
    """
    arguments: dict[str, str] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not key.isidentifier():
            raise AccountError("usage error: '--source-arg' takes KEY=VALUE, for example path=/path/to/token", _HELP)
        if not value.strip():
            raise AccountError(
                f"usage error: '--source-arg {key}' is empty",
                "If the value comes from a variable, check that the variable is set.",
            )
        if key in arguments:
            raise AccountError(f"usage error: '--source-arg {key}' is given twice", _HELP)
        arguments[key] = value
    return arguments


def restore_source(value: object, *, owner: int | None) -> CredentialSource | None:
    """Return the source that `CredentialSource.to_json` has described; None for anything else.

    :param owner: the ID of the user who owns the stored description; None on Windows.
    """
    match value:
        case {"type": "named", "name": str(name), "arguments": dict(arguments), **others}:
            if not all(isinstance(each, str) for each in arguments.values()):
                return None
            return _restore_named(name, arguments, others.get("extension"), owner)
    return source_from_json(value)


def _restore_named(
    name: str, arguments: Mapping[str, str], extension: object, owner: int | None
) -> CredentialSource | None:
    if isinstance(extension, str) and extension:
        from azext_login.auth.sources.plugins import PluginSource

        return PluginSource(name, extension, tuple(arguments.items()))
    if name == "command" and arguments.get("command"):
        return ProgramSource(arguments["command"], owner)
    return make_managed_identity(arguments) if name == MANAGED_IDENTITY else None
