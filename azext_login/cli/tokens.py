"""The commands that give out access tokens."""

from __future__ import annotations

import sys
from typing import Any

from azext_login.cli.collector import resume
from azext_login.cli.obtain_token import for_format, obtain_token, token_result
from azext_login.cli.open_session import again_of, open_session
from azext_login.cli.options import serves
from azext_login.cli.token_options import ExportOptions, TokenOptions
from azext_login.errors import AccountError
from azext_login.system.patience import limit_waits


def _offer_sign_in(cmd: Any, options: TokenOptions, error: Exception) -> bool:
    from azext_login.cli.offer_sign_in import offer_sign_in

    return offer_sign_in(cmd, error)


@serves("account get-access-token", TokenOptions, offer_sign_in=_offer_sign_in)
@limit_waits()
def get_access_token(cmd: Any, options: TokenOptions) -> dict[str, Any]:
    """Return an access token for utilities to access Azure."""
    session = open_session(cmd.cli_ctx)
    row, token = obtain_token(session, options, again_of(cmd, options), before_waiting=resume)
    return token_result(options, row, token)


@serves("account export-token", ExportOptions, offer_sign_in=_offer_sign_in)
@limit_waits()
def export_token(cmd: Any, options: ExportOptions) -> None:
    """Write an access token in the form that a program reads."""
    from azext_login.cli.token_formats import check_export, write_token

    output = cmd.cli_ctx.invocation.data["output"]
    check_export(options.token_format, yes=options.yes, output=output)
    if options.allow_host and options.token_format != "git":
        raise AccountError(
            "usage error: '--allow-host' is only applicable with '--format git'",
            "Run `az account export-token --help` for examples.",
        )
    if options.token_format == "git" and output != "none":
        from azext_login.cli.git_credential import may_have_token

        if not may_have_token(sys.stdin, options.allow_host):
            return
    again = again_of(cmd, options)
    session = open_session(cmd.cli_ctx)
    _, token = obtain_token(session, for_format(options), again, before_waiting=resume)
    write_token(token, options.token_format, output=output)
