"""The options of `az account context run`: each is declared here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from azext_login.cli.options import option


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of `az account context run`. The command that it runs is not among them: `verbatim_words`."""

    context: str | None = option(
        "--context",
        validator="validate_run",
        completer="complete_contexts",
        help="Name of the context in which the command runs.",
    )
    isolated: bool = option(
        "--isolated",
        default=False,
        help="Run the command in a config directory of its own, which is removed afterwards.",
    )
    from_context: str | None = option(
        "--from",
        completer="complete_contexts",
        help="With --isolated, copy the sign-in of this context. Default: no account is signed in.",
    )
