"""One short function per command: read the arguments, call the session, shape the result."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from ._collector import resume
from ._host import accepts_host_options, call_host
from ._results import plain, share_equal_strings
from .errors import AccountError
from .profile.model import Row, account_of, is_enabled
from .session import Session

if TYPE_CHECKING:
    from .auth.credentials import AccessToken

logger = get_logger(__name__)

# --resource-type -> name of the endpoint in the cloud's settings, as built in.
_RESOURCE_TYPES = {
    "oss-rdbms": "ossrdbms_resource_id",
    "arm": "active_directory_resource_id",
    "aad-graph": "active_directory_graph_resource_id",
    "ms-graph": "microsoft_graph_resource_id",
    "batch": "batch_resource_id",
    "media": "media_resource_id",
    "data-lake": "active_directory_data_lake_resource_id",
}


@accepts_host_options("login")
def login(
    cmd: Any,
    username: str | None = None,
    password: str | None = None,
    tenant: str | None = None,
    scopes: Sequence[str] | None = None,
    allow_no_subscriptions: bool = False,
    claims_challenge: str | None = None,
    use_device_code: bool = False,
    no_browser: bool = False,
    service_principal: bool | None = None,
    certificate: str | None = None,
    use_cert_sn_issuer: bool | None = None,
    client_assertion: str | None = None,
    identity: bool = False,
    client_id: str | None = None,
    object_id: str | None = None,
    resource_id: str | None = None,
    skip_subscription_discovery: bool = False,
    subscription: str | None = None,
) -> tuple[Row, ...] | None:
    """Log in to Azure."""
    from ._login import LoginOptions, check_usage, select_after_sign_in, sign_in

    options = LoginOptions(
        username=username,
        password=password,
        tenant=tenant,
        scopes=scopes,
        allow_no_subscriptions=allow_no_subscriptions,
        claims_challenge=claims_challenge,
        use_device_code=use_device_code,
        no_browser=no_browser,
        service_principal=service_principal,
        certificate=certificate,
        use_cert_sn_issuer=use_cert_sn_issuer,
        client_assertion=client_assertion,
        identity=identity,
        client_id=client_id,
        object_id=object_id,
        resource_id=resource_id,
        skip_subscription_discovery=skip_subscription_discovery,
        subscription=subscription,
    )
    check_usage(options)
    resume()
    session = Session.from_cli(cmd.cli_ctx)
    if options.is_workload:
        from .host_sign_in import sign_in_with_host

        return sign_in_with_host(session, cmd, options.as_arguments())  # type: ignore[no-any-return]

    outcome = sign_in(session, options)
    if select_after_sign_in(session, options, outcome):
        return None
    return plain([_with_cloud_name(row) for row in outcome.rows])


@accepts_host_options("logout")
def logout(cmd: Any, username: str | None = None) -> None:
    """Log out to remove access to Azure subscriptions."""
    _note_cloud_shell_sign_out()
    session = Session.from_cli(cmd.cli_ctx)
    from ._reports import report_sign_out
    from .signing_out import sign_out

    name = username or session.active_user()
    report_sign_out(name, sign_out(session, name))


@accepts_host_options("account list")
def list_accounts(
    cmd: Any,
    all: bool = False,  # the option's name
    refresh: bool = False,
    all_identities: bool = False,
) -> tuple[Row, ...]:  # the option's name
    """Return the subscriptions of the active cloud, or of every cloud."""
    session = Session.from_cli(cmd.cli_ctx)
    if refresh:
        from ._reports import report_refresh
        from .refreshing import refresh as refresh_accounts

        resume()
        report_refresh(refresh_accounts(session, lambda row: _host_credential(cmd, row)))
    rows = session.rows(all_clouds=all, all_identities=all_identities)
    if not rows:
        logger.warning('Please run "az login" to access your accounts.')
    share_equal_strings(rows)
    shown = rows if all else [row for row in rows if is_enabled(row)]
    if len(shown) != len(rows):
        logger.warning("A few accounts are skipped as they don't have 'Enabled' state. Use '--all' to display them.")
    return plain([_with_cloud_name(row) for row in shown])


@accepts_host_options("account show")
def show_account(cmd: Any, subscription: str | None = None) -> Row:
    """Return one subscription, the active one by default."""
    return Session.from_cli(cmd.cli_ctx).find(subscription)


@accepts_host_options("account set")
def set_account(cmd: Any, subscription: str, username: str | None = None, tenant: str | None = None) -> None:
    """Make a subscription the active one."""
    from ._reports import report_selection

    report_selection(Session.from_cli(cmd.cli_ctx).select(subscription, username=username, tenant=tenant))


@accepts_host_options("account clear")
def clear_accounts(cmd: Any) -> None:
    """Remove all accounts."""
    _note_cloud_shell_sign_out()
    from .signing_out import clear

    clear(Session.from_cli(cmd.cli_ctx))


@accepts_host_options("account get-access-token")
def get_access_token(
    cmd: Any,
    subscription: str | None = None,
    resource: str | None = None,
    scopes: Sequence[str] | None = None,
    resource_type: str | None = None,
    tenant: str | None = None,
) -> dict[str, Any]:
    """Return an access token for utilities to access Azure."""
    if subscription and tenant:
        raise AccountError("Please specify only one of subscription and tenant, not both")
    session = Session.from_cli(cmd.cli_ctx)
    row = session.find(subscription)
    if not account_of(row).is_user or row["user"].get("cloudShellID"):
        arguments = {
            "subscription": subscription,
            "resource": resource,
            "scopes": scopes,
            "resource_type": resource_type,
            "tenant": tenant,
        }
        from .host_sign_in import prepare_for_host

        prepare_for_host(session)
        return call_host("account get-access-token", cmd, arguments)  # type: ignore[no-any-return]

    if resource is None and resource_type:
        resource = getattr(cmd.cli_ctx.cloud.endpoints, _RESOURCE_TYPES[resource_type])
    asked = scopes or ([resource + "/.default"] if resource else None)
    token = session.user_token(row, scopes=asked or session.settings.arm_scopes, tenant=tenant, advised_scopes=asked)
    return _token_result(token, tenant=tenant or row["tenantId"], subscription=None if tenant else row["id"])


def _token_result(token: AccessToken, *, tenant: str, subscription: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "tokenType": "Bearer",
        "accessToken": token.secret,
        # POSIX seconds, for programs.
        "expires_on": token.expires_on,
        # Local time without a zone, as the first versions had it; ambiguous when summer time ends.
        "expiresOn": datetime.datetime.fromtimestamp(token.expires_on).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "tenant": tenant,
    }
    if subscription:
        result["subscription"] = subscription
    return result


def _with_cloud_name(row: Row) -> Row:
    """Return the row as it is shown: `environmentName` reads `cloudName` and comes last."""
    # Built key by key: a copy of which a key is taken away keeps the room for it, ten thousand times.
    shown = {key: value for key, value in row.items() if key != "environmentName"}
    shown["cloudName"] = row.get("environmentName")
    return shown


def _host_credential(cmd: Any, row: Row) -> Any:
    """Return the host's credential of a service principal or a managed identity."""
    from azure.cli.core._profile import Profile

    return Profile(cli_ctx=cmd.cli_ctx).get_login_credentials(subscription_id=row["id"], sdk_credential=False)[0]


def _note_cloud_shell_sign_out() -> None:
    from azure.cli.core.util import in_cloud_console

    if in_cloud_console():
        logger.warning(
            "Logout successful. Re-login to your initial Cloud Shell identity with 'az login --identity'. Login with "
            "a new identity with 'az login'."
        )
