"""The command `az login`: checks the options, runs the flow, and lets the user choose a subscription afterwards."""

from __future__ import annotations

import difflib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from azext_login.auth.entra.claims_challenge import decode_claims_challenge
from azext_login.cli.collector import resume
from azext_login.cli.login_options import LoginOptions
from azext_login.cli.login_usage import check_usage, ignored_options
from azext_login.cli.login_workload import options_from_environment, sign_in_workload, with_service_connection
from azext_login.cli.open_session import open_session
from azext_login.cli.options import serves
from azext_login.cli.passwords import obtain_secret
from azext_login.cli.printed_command import printed_command
from azext_login.cli.progress import progress_line
from azext_login.cli.reports import choosing, refresh_command, report_discovery, report_guess
from azext_login.cli.results import PlainRows, with_cloud_name
from azext_login.cli.secret_words import warn_of_secret_on_command_line, warn_of_token_on_command_line
from azext_login.errors import AccountError
from azext_login.host import send_telemetry
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.command_line import Command
from azext_login.system.log import get_logger
from azext_login.system.terminal.streams import can_choose
from azext_login.system.terminal.terminal import StandardTerminal
from azext_login.system.text import format_utc, printable
from azext_login.usecases.excluded_tenants import ExcludedTenants
from azext_login.usecases.session import Session
from azext_login.usecases.sign_in import Authenticate, SignInOutcome, SignInRequest, sign_in_user

if TYPE_CHECKING:
    from azext_login.auth.entra.application import ApplicationFactory
    from azext_login.resource_manager.discovery import Progress

logger = get_logger(__name__)

# The redirect URI that AD FS servers have registered for the Azure CLI has this port.
_ADFS_PORT = 8400

_PASSWORD_NOTICE_PUBLIC = (
    "Starting September 1, 2025, MFA will be gradually enforced for Azure public cloud. The authentication with "
    "username and password in the command line is not supported with MFA. Consider using one of the compatible "
    "authentication methods. For more details, see https://go.microsoft.com/fwlink/?linkid=2276314"
)
_PASSWORD_NOTICE = (
    "Using authentication with username and password in the command line is strongly discouraged. Consider using "
    "one of the recommended authentication methods. For more details, see https://go.microsoft.com/fwlink/?linkid=2276314"
)
_CLOUD_SHELL_NOTICE = (
    "Cloud Shell is automatically authenticated under the initial account signed-in with. Run 'az login' only if you "
    "need to use a different account"
)


@serves("login", LoginOptions)
def login(cmd: Any, options: LoginOptions) -> PlainRows | None:
    """Log in to Azure."""
    options = with_service_connection(options, os.environ)
    check_usage(options)
    resume()
    again = printed_command(cmd, options)
    session = open_session(cmd.cli_ctx, again=again)
    if options.from_env:
        options = options_from_environment(session, options)
    else:
        warn_of_secret_on_command_line(options.password, sys.argv)
        warn_of_token_on_command_line(options.access_token, sys.argv)
    with progress_line(cmd.cli_ctx) as on_progress:
        outcome = sign_in(session, options, again, on_progress)
    try:
        check_outcome(session, options, outcome, again)
        if _offer_choice(session, options, outcome):
            return None
    finally:
        if session.choice.chosen is not None and not options.app_client_id:
            from azext_login.cli.context_reports import report_other_account

            report_other_account(session, outcome.account)
    check_choice(session, outcome)
    if session.is_in_stored_cloud:
        # In a context of another cloud, the sign-in has changed no stored default.
        report_guess(outcome)
    if options.identity:
        # The built-in prints the stored rows of a managed identity, with `environmentName`.
        return PlainRows(outcome.rows)
    return PlainRows([with_cloud_name(row) for row in outcome.rows])


def sign_in(
    session: Session,
    options: LoginOptions,
    again: Command,
    on_progress: Callable[[Progress], None],
    *,
    terminal: StandardTerminal | None = None,
    keeps_default: bool = False,
) -> SignInOutcome:
    """Sign a user or a workload in with the flow that the options ask for.

    :param again: the command that ran, for the advice.
    :param terminal: shows what the user needs in order to continue; None for that of the process.
    :param keeps_default: whether the active subscription stays active, whoever signs in.
    """
    from azure.cli.core.util import in_cloud_console

    claims_challenge = decode_claims_challenge(options.claims_challenge)
    if options.app_client_id:
        from azext_login.usecases.sign_in_application import tenant_for_application

        # Before the user has to do anything.
        usual = tenant_for_application(session, username=options.username)
        options = replace(options, tenant=options.tenant or usual)
    for name, other in ignored_options(options):
        logger.warning("%s was ignored, because it belongs to %s.", name, other)
    send_telemetry("set_login_experience_v2", session.settings.login_experience_v2)
    if in_cloud_console() and not options.identity:
        logger.warning(_CLOUD_SHELL_NOTICE)
    request = SignInRequest(
        tenant=options.tenant,
        scopes=options.scopes,
        allow_no_subscriptions=options.allow_no_subscriptions,
        skip_subscription_discovery=options.skip_subscription_discovery,
        subscription=options.subscription,
        again=again,
        # Settings are read before the sign-in: one that cannot be read must not make the user sign in twice.
        excluded_tenants=ExcludedTenants(
            options.exclude_tenants, always=session.settings.exclude_tenants, resolve=session.resolve_tenant
        ),
        default_subscription=session.settings.default_subscription,
        keeps_default=keeps_default,
        on_progress=on_progress,
    )
    if options.access_token:
        return _sign_in_with_token(session, options.access_token, request)
    if options.is_workload:
        return sign_in_workload(session, options, request)
    if options.is_interactive:
        flow = _interactive_flow(options, claims_challenge, again, terminal or StandardTerminal())
    else:
        request = replace(request, password_user=options.username)
        flow = _password_flow(session, options, again)
    if options.app_client_id:
        from azext_login.usecases.sign_in_application import sign_in_to_application

        return sign_in_to_application(session, request, options.app_client_id, flow)
    return sign_in_user(session, request, flow)


def _sign_in_with_token(session: Session, secret: str, request: SignInRequest) -> SignInOutcome:
    """Sign in the account of an access token, and report until when that works."""
    from azext_login.auth.sources.access_token import read_token
    from azext_login.usecases.sign_in_token import sign_in_with_token

    now = time.time()
    token = read_token(secret.strip(), authority=session.settings.authority, tenant=request.tenant, now=now)
    outcome = sign_in_with_token(session, request, token)
    logger.warning(
        "'%s' is signed in with an access token for %s. It expires at %s, in %d minutes. Nothing renews it.",
        token.name,
        token.audience,
        format_utc(token.expires_on),
        (token.expires_on - now) // 60,
    )
    return outcome


def _interactive_flow(
    options: LoginOptions, claims_challenge: str | None, again: Command, terminal: StandardTerminal
) -> Authenticate:
    from azext_login.auth.entra.errors import Attempt

    attempt = Attempt(tenant=options.tenant, scopes=options.scopes, claims_challenge=claims_challenge, command=again)
    use_device_code = options.use_device_code or not (options.no_browser or can_open_browser())
    if use_device_code and options.redirect_port:
        logger.warning(
            "--redirect-port was ignored, because no web browser can be opened here and a device code is used instead. "
            "To open the sign-in address in another browser, add --no-browser."
        )

    def device_code(applications: ApplicationFactory, application: Any, scopes: Sequence[str]) -> dict[str, Any]:
        from azext_login.auth.interactive.device_code import sign_in_with_device_code

        return sign_in_with_device_code(
            application, scopes=scopes, claims_challenge=claims_challenge, show_message=terminal.show, attempt=attempt
        )

    def browser(applications: ApplicationFactory, application: Any, scopes: Sequence[str]) -> dict[str, Any]:
        if getattr(application, "_enable_broker", False) and not options.browser_options:
            from azext_login.auth.interactive.broker import sign_in_with_broker

            return sign_in_with_broker(
                application, scopes=scopes, claims_challenge=claims_challenge, show_notice=terminal.show_notice
            )
        from azext_login.auth.interactive.browser import BrowserSignIn, sign_in_with_browser
        from azext_login.auth.interactive.open_browser import open_browser

        return sign_in_with_browser(
            application,
            BrowserSignIn(
                scopes=scopes,
                claims_challenge=claims_challenge,
                terminal=terminal,
                open_browser=open_browser,
                attempt=attempt,
                launch_browser=not options.no_browser,
                port=options.redirect_port or (_ADFS_PORT if applications.is_adfs else 0),
            ),
        )

    return device_code if use_device_code else browser


def can_open_browser() -> bool:
    """Tell whether a browser can be opened that reaches this computer, by the built-in's rules."""
    from azure.cli.core.util import can_launch_browser, is_github_codespaces

    if not can_launch_browser():
        logger.info("No web browser is available. Fall back to device code.")
        return False
    if is_github_codespaces():
        logger.info("GitHub Codespaces is detected. Fall back to device code.")
        return False
    return True


def _password_flow(session: Session, options: LoginOptions, again: Command) -> Authenticate:
    from azext_login.auth.entra.errors import Attempt, explain
    from azext_login.auth.interactive.password import sign_in_with_password

    username = str(options.username)
    is_public_cloud = session.settings.authority.startswith("https://login.microsoftonline.com")
    logger.warning(_PASSWORD_NOTICE_PUBLIC if is_public_cloud else _PASSWORD_NOTICE)
    password = obtain_secret(options.password, command=again)
    attempt = Attempt(
        tenant=options.tenant, username=username, scopes=options.scopes, with_password=True, command=again
    )

    def with_password(applications: ApplicationFactory, application: Any, scopes: Sequence[str]) -> dict[str, Any]:
        result = sign_in_with_password(application, username=username, password=password, scopes=scopes)
        if "error" in result:
            raise explain(result, attempt)
        return result

    return with_password


def check_outcome(session: Session, options: LoginOptions, outcome: SignInOutcome, again: Command) -> None:
    """Report how the tenants answered, and fail if that is not what was requested. The sign-in is already stored.

    :raises AccountError: the subscription of --subscription was not found, or Ctrl-C ended the search.
    """
    # A subscription that was found is not looked for in another tenant, where the sign-in would fail without it.
    elsewhere = again if outcome.unmatched_subscription else again.without("--subscription")
    report_discovery(
        outcome.account,
        outcome.discovery,
        again=elsewhere,
        keeps_empty_tenants=options.allow_no_subscriptions,
        is_stored_cloud=session.is_in_stored_cloud,
    )
    if outcome.discovery.interrupted:
        raise AccountError(
            f"Ctrl-C ended the search for subscriptions. The sign-in of {outcome.account.name} was kept, with the "
            f"{len(outcome.rows)} that were found until then.",
            f"To look for the others, run:\n{refresh_command(again)}",
        )
    wanted = outcome.unmatched_subscription
    if wanted is None:
        return
    if options.skip_subscription_discovery:
        logger.warning("Subscription '%s' not found. Profile has tenant-level account only.", wanted)
        return
    names = [str(row["name"]) for row in outcome.rows]
    similar = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4) or names[:3]
    rows = {str(row["name"]): row for row in reversed(outcome.rows)}
    raise AccountError(
        f"Subscription '{wanted}' not found. Check the ID or name and try again. "
        f"The sign-in of {outcome.account.name} was kept.",
        "To choose a subscription, run one of:\n"
        # Other organizations choose these names, and a shell would run a command in them.
        + "\n".join(f"{printable(name)}:\n{_set_command(session, rows[name])}" for name in similar),
    )


def _set_command(session: Session, row: SubscriptionRow) -> Command:
    choose = choosing(account_of(row).label, is_stored_cloud=session.is_in_stored_cloud)
    return choose.with_option("--subscription", str(row["id"]))


def check_choice(session: Session, outcome: SignInOutcome) -> None:
    """Fail if --subscription names several subscriptions. The sign-in is already stored.

    :raises AccountError: it does.
    """
    if outcome.ambiguous_subscription is None:
        return
    from azext_login.profile.ambiguity import ambiguous, label_of

    raise ambiguous(
        f"Multiple subscriptions with the name '{printable(outcome.ambiguous_subscription)}' found. The sign-in of "
        f"{outcome.account.name} was kept.",
        ((label_of(row), _set_command(session, row)) for row in outcome.rows),
    )


def _offer_choice(session: Session, options: LoginOptions, outcome: SignInOutcome) -> bool:
    """Let the user choose a subscription, under the built-in's condition, and tell whether that has shown the result.

    The sign-in is already stored; a user who cancels the choice keeps it. A single subscription is the default already
    and is shown without a question. The built-in asks for it as well.
    """
    if not (options.is_interactive and session.settings.login_experience_v2 and can_choose()):
        return False
    if options.app_client_id:
        return False
    is_filtered = bool(options.subscription or options.skip_subscription_discovery)
    if not outcome.rows or (is_filtered and len(outcome.rows) == 1):
        return False
    from azext_login.cli.picker.pick import announce, pick_subscription
    from azext_login.usecases.select_subscription import select_subscription

    terminal = StandardTerminal()
    try:
        chosen = pick_subscription(outcome.rows)
    except (EOFError, KeyboardInterrupt) as cancelled:
        default = next((row for row in outcome.rows if row.get("isDefault")), None)
        still = f", and the default subscription is '{printable(default['name'])}' ({default['id']})" if default else ""
        terminal.show(f"\nThe sign-in was kept{still}.")
        if isinstance(cancelled, KeyboardInterrupt):
            raise
        return True
    announce(chosen, terminal)
    if len(outcome.rows) == 1:
        return True
    row = select_subscription(session, chosen["id"], username=chosen["user"]["name"], tenant=chosen["tenantId"])
    context = session.choice.chosen.context if session.choice.chosen is not None else None
    if context is not None and context.account.key == account_of(row).key:
        # `report_other_account` is about another account.
        from azext_login.cli.reports import report_overriding_choice

        report_overriding_choice(session, row)
    return True
