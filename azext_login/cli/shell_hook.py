"""`az account context hook`: prints the function `azctx` for the profile of a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azext_login.cli.open_session import open_session
from azext_login.cli.options import serves
from azext_login.cli.raw_output import write_raw
from azext_login.cli.shell_hook_options import SHELLS, HookOptions
from azext_login.errors import StoreError
from azext_login.profile.contexts import read_contexts
from azext_login.usecases.context_names import write_names

_SCRIPTS = Path(__file__).with_name("shells")


@serves("account context hook", HookOptions)
def print_hook(cmd: Any, options: HookOptions) -> None:
    """Print the script that a shell evaluates, whatever --output is: a profile cannot rely on that setting.

    Then bring the file with the names up to date, which the script reads: whatever is wrong with the stored contexts,
    the shell has its function.
    """
    try:
        write_raw(script_for(options.shell))
    except OSError as error:
        raise StoreError(
            f"The script could not be written to standard output: {error.strerror or error}.",
            "Run the same command again with an output that can be written to.",
        ) from error
    # Without the warnings about this directory's `.azure-context`, which every new shell would show.
    session = open_session(cmd.cli_ctx, restores_cloud=False, is_about_default=True)
    write_names(session.config_dir, read_contexts(session.state().contexts))


def script_for(shell: str) -> str:
    """Return the script that defines `azctx` in a shell, with line feeds only.

    :param shell: one of `SHELLS`.
    """
    return (_SCRIPTS / f"azctx.{SHELLS[shell]}").read_text(encoding="ascii")
