"""What `az-token` does: it writes a token from the cache, or lets `az` do it.

What it loads is the standard library and modules of ours that need nothing else. A test lists them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from azext_login.az_token.command_line import parse
from azext_login.az_token.hand_over import FinalError, NotAnsweredError, hand_over
from azext_login.az_token.read_session import open_read_session
from azext_login.cli.obtain_token import for_format, obtain_token, token_result
from azext_login.cli.token_formats import check_export, format_token, write_formatted
from azext_login.cli.token_options import ExportOptions
from azext_login.errors import StoreError
from azext_login.system.log import call_before_logging
from azext_login.system.text import visible


def main(words: Sequence[str]) -> int:
    """Answer a command line, and return the exit code.

    :param words: the command line without the name of the program.
    """
    try:
        write_token(words)
    except FinalError as error:
        print(f"ERROR: {visible(str(error))}", file=sys.stderr)
        return 1
    except Exception:  # noqa: BLE001  # `az` reports the error, or has none
        hand_over(words)
    return 0


def write_token(words: Sequence[str]) -> None:
    """Write the token that the words ask for to standard output.

    :raises FinalError: `az` could not answer either.
    :raises Exception: nothing was written, and `az` has to answer.
    """
    options = parse(words)
    call_before_logging(_refuse_warnings)
    export = options if isinstance(options, ExportOptions) else None
    if export is not None:
        check_export(export.token_format, yes=export.yes, output=None)
        if export.allow_host and export.token_format != "git":
            raise NotAnsweredError("a mistake")
        options = export = for_format(export)
    row, token = obtain_token(open_read_session(), options, _leave_to_az, before_waiting=_leave_to_az)
    if export is None:
        # As the host writes it (knack.output, `format_json`).
        text = json.dumps(token_result(options, row, token), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    else:
        text = format_token(token, export.token_format, os.environ)
        if export.token_format == "git" and not _answers_git(export):
            return
    _write(text)


def _write(text: str) -> None:
    try:
        write_formatted(text)
    except StoreError as error:
        raise FinalError("\n".join((str(error), *error.recommendations))) from error


def _refuse_warnings() -> None:
    """Leave it to `az` to print a warning, in its own form, and to answer."""
    import logging

    class NoWarnings(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise NotAnsweredError("a warning")

    logging.getLogger().addHandler(NoWarnings(logging.WARNING))


def _answers_git(options: ExportOptions) -> bool:
    """Read git's request, and tell whether a token answers it.

    It is read when the token is known: until then, `az` can read it. After that, `az` has to know only that there was
    none that can be answered.
    """
    from azext_login.cli.git_credential import may_have_token
    from azext_login.system.terminal.streams import is_terminal

    if is_terminal(sys.stdin):
        # There is no request to read. `az` has to see the terminal, to write the token with a warning.
        raise NotAnsweredError("a terminal")
    try:
        return may_have_token(sys.stdin, options.allow_host)
    except NotAnsweredError:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        raise


def _leave_to_az() -> NoReturn:
    raise NotAnsweredError("the cache does not have the token, or the user needs advice")
