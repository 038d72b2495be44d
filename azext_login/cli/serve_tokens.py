"""The command that serves the tokens of an account to programs, by the protocol of managed identities."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from azext_login.cli.collector import resume
from azext_login.cli.open_session import again_of, open_session
from azext_login.cli.options import serves
from azext_login.cli.serve_environment import env_file, environment_of_command
from azext_login.cli.serve_options import ServeOptions
from azext_login.cli.verbatim_words import verbatim_command
from azext_login.errors import AccountError, StoreError
from azext_login.host import exit_with, has_cloud
from azext_login.profile.model import ASSIGNED_IDENTITY, account_of
from azext_login.system.child_process import NotStartedError, run_child
from azext_login.system.log import get_logger
from azext_login.system.terminal.streams import can_write, is_terminal
from azext_login.system.text import printable

if TYPE_CHECKING:
    import socket

    from azext_login.profile.model import SubscriptionRow
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

# Requests to the sign-in service at the same time. Each one is for another resource.
_SESSIONS = 4
# Seconds between two looks at whether the script that started this Python still runs.
_TICK = 0.5


@serves("account serve-tokens", ServeOptions)
def serve_tokens(cmd: Any, options: ServeOptions) -> None:
    """Serve the tokens of an account to a command, or until a signal stops it."""
    from azext_login.usecases.token_endpoint.resources import resources_of

    command = verbatim_command(cmd.cli_ctx)
    if command is None:
        _check_screen(options)
    resume()
    sessions, row = _open(cmd, options)
    allowed = options.allow_resource or resources_of(cmd.cli_ctx.cloud)
    if options.bind is not None:
        _warn_of_address(options.bind)
    with _serving(sessions, row, options, allowed) as endpoint:
        _report_start(row, options, endpoint)
        if command is None:
            _print_and_wait(endpoint)
            return
        environ = environment_of_command(os.environ, endpoint.url, endpoint.secret)
        try:
            code = run_child(command.words, environ)
        except NotStartedError as error:
            logger.error("'%s' %s", printable(command.words[0]), error)
            code = error.exit_code
    exit_with(cmd.cli_ctx, code)


@dataclass(frozen=True)
class _Endpoint:
    url: str
    secret: str

    def __repr__(self) -> str:
        return f"_Endpoint({self.url!r})"


def _check_screen(options: ServeOptions) -> None:
    """Refuse a secret on a screen by accident.

    :raises AccountError: standard output is a terminal and --yes is missing.
    """
    if not options.yes and is_terminal(sys.stdout):
        raise AccountError(
            "The terminal would show the secret of the endpoint, where others can read it. Nothing was started.",
            "Write a command after --, redirect the output to a file that only you can read, or add --yes.",
        )


def _open(cmd: Any, options: ServeOptions) -> tuple[list[Session], SubscriptionRow]:
    """Return sessions, and the row of the account whose tokens are served until the end.

    :raises AccountError: there is no such account, subscription or context.
    :raises NotSignedInError: no account is signed in to this cloud.
    """
    from azext_login.usecases.choose_account import choose_for_token
    from azext_login.usecases.contexts import require_context
    from azext_login.usecases.get_token import TokenRequest, get_token

    if options.context is not None:
        context = require_context(open_session(cmd.cli_ctx, is_about_default=True).state(), options.context)
        if not has_cloud(cmd.cli_ctx, context.cloud):
            from azext_login.profile.context_rows import not_registered

            raise not_registered(f"No tokens of the context '{context.name}' were served", context)
    sessions = [open_session(cmd.cli_ctx, context=options.context) for _ in range(_SESSIONS)]
    session = sessions[0]
    choice = choose_for_token(
        session,
        username=options.username,
        tenant=options.tenant,
        subscription=options.subscription,
        again=again_of(cmd, options),
    )
    if options.tenant is None:
        return sessions, choice.row
    # Only the sign-in service knows whether an account is in a tenant.
    request = TokenRequest(scopes=session.settings.arm_scopes, tenant=options.tenant)
    row, _ = choice.use(lambda row: get_token(session, row, request))
    return sessions, row


@contextmanager
def _serving(
    sessions: Sequence[Session], row: SubscriptionRow, options: ServeOptions, allowed: Sequence[str]
) -> Iterator[_Endpoint]:
    """Serve within the block.

    :raises AccountError: the address or the port cannot be used.
    """
    from azext_login.cli.serve_log import RequestLog
    from azext_login.system.client_processes import ClientProcesses
    from azext_login.system.http_server.listeners import most_connections
    from azext_login.system.http_server.server import HttpServer
    from azext_login.usecases.token_endpoint.addresses import endpoint_url, host_check
    from azext_login.usecases.token_endpoint.endpoint import LIMITS, TokenEndpoint, new_secret
    from azext_login.usecases.token_endpoint.resources import AllowedResources
    from azext_login.usecases.token_endpoint.supply import TokenSupply

    supply = TokenSupply(sessions, row, tenant=options.tenant)
    listeners, port = _listen(options)
    log, processes, secret = RequestLog(), ClientProcesses(), new_secret()
    application, identities = _names_of(row)
    handler = TokenEndpoint(
        supply,
        AllowedResources(allowed),
        secret=secret,
        application=application,
        identities=identities,
        is_host=host_check(options.bind, port),
        process_of=lambda client: processes.name_of(client.peer),
        report=log.add,
    )
    limits = replace(LIMITS, connections=most_connections(LIMITS.connections))
    server = HttpServer(listeners, handler, limits, time.monotonic, name="login-token-endpoint")
    supply.on_outcome = server.look_again
    server.start()
    try:
        yield _Endpoint(endpoint_url(options.bind, port), secret)
    finally:
        server.close()
        log.close()


def _listen(options: ServeOptions) -> tuple[list[socket.socket], int]:
    from azext_login.system.http_server.listeners import PortInUseError, open_listener, open_listeners

    try:
        if options.bind is None:
            return open_listeners(options.port)
        listener = open_listener(options.bind, options.port)
        return [listener], int(listener.getsockname()[1])
    except PortInUseError as error:
        raise AccountError(
            f"Port {error.port} is in use by another program. Nothing was started.",
            "Choose another port with --port, or leave out --port for any free one.",
        ) from error
    except OSError as error:
        where = options.bind or "localhost"
        raise AccountError(
            f"The endpoint cannot listen on {where}: {error.strerror or error}. Nothing was started.",
            "With --bind, give an address of this computer. Ports below 1024 may need more rights.",
        ) from error


def _names_of(row: SubscriptionRow) -> tuple[str, tuple[str, ...]]:
    """Return the ID of the application that the tokens are issued to, "" if unknown, and all IDs of the account."""
    from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID

    account = account_of(row)
    if account.is_managed_identity:
        kind, _, assigned = str(account.details.get(ASSIGNED_IDENTITY) or "").partition("-")
        # The other kinds are named by an object ID or by the path of a resource.
        return assigned if kind == "MSIClient" else "", (assigned,) if assigned else ()
    return (AZURE_CLI_CLIENT_ID, ()) if account.is_user else (account.name, ())


def _warn_of_address(address: str) -> None:
    from azext_login.usecases.token_endpoint.addresses import is_loopback

    if not is_loopback(address):
        logger.warning(
            "Other computers or containers that reach %s can send requests to the token endpoint. A caller with its "
            "secret gets tokens of the account, and both travel unencrypted.",
            address,
        )


def _report_start(row: SubscriptionRow, options: ServeOptions, endpoint: _Endpoint) -> None:
    logger.warning(
        "Token endpoint: %s serves tokens of '%s' in tenant '%s'.",
        endpoint.url,
        printable(account_of(row).label),
        printable(options.tenant or row["tenantId"]),
    )


def _print_variables(endpoint: _Endpoint) -> None:
    """:raises StoreError: standard output cannot be written to."""
    from azext_login.cli.raw_output import write_raw

    problem = "its reader has closed it"
    try:
        if write_raw(env_file(endpoint.url, endpoint.secret)):
            return
    except OSError as error:
        problem = error.strerror or str(error)
    # Without the secret, nobody could use the endpoint.
    raise StoreError(
        f"The variables could not be written to standard output: {problem}. Nothing is served.",
        "Run the same command again with an output that can be written to.",
    )


def _print_and_wait(endpoint: _Endpoint) -> None:
    """Wait for SIGINT, SIGTERM or (Windows) SIGBREAK, or until the script that started this Python has ended.

    :raises StoreError: standard output cannot be written to.
    """
    from azext_login.system.launching_script import watch_script
    from azext_login.system.signals import stop_on_signals

    has_script_ended = watch_script()
    # Whoever has read the variables may send a signal.
    with stop_on_signals() as is_signalled:
        _print_variables(endpoint)
        while not (is_signalled() or has_script_ended()):
            time.sleep(_TICK)
    if can_write(sys.stderr, 0.0):
        logger.warning("Token endpoint: stopped.")
