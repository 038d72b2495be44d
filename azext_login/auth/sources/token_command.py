"""A command that prints a federated token, as `az login --federated-token-callback` of azure-cli#33989."""

from __future__ import annotations

from collections.abc import Mapping

from azext_login.auth.input_files import decode_text, refusal
from azext_login.auth.jwt import is_assertion
from azext_login.auth.sources.user_command import UserCommand


def fetch_from_command(command_line: str, *, environ: Mapping[str, str], owner: int | None = None) -> str:
    """Return the federated token that a command prints. A secret.

    :param command_line: see `azext_login.auth.sources.user_command.split_command_line`.
    :param owner: the ID of the user who could store it; only for this user does it run. None for any user.
    :raises SignInError: the command cannot run, has failed, or has printed something else.
    """
    command = UserCommand(
        command_line,
        "The command for federated tokens",
        "Run the command by itself. It has to print the token on standard output, and nothing else.",
        owner,
    )
    assertion = decode_text(command.run(environ)).strip()
    if not assertion:
        raise refusal(f"{command.shown} printed nothing on standard output.", command.advice)
    if not is_assertion(assertion):
        raise refusal(
            f"{command.shown} printed something other than a federated token (a JSON Web Token).", command.advice
        )
    return assertion
