"""The way to the sign-in service: whether it answers, how its clock differs, and what is configured on the way."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import OK
from typing import TYPE_CHECKING

from azext_login.auth.entra.http_client import SIGN_IN_SERVICE
from azext_login.errors import ServiceUnreachableError, UnexpectedAnswerError
from azext_login.host_errors import AzCLIError
from azext_login.system.http.errors import connection_errors, parse_json_object, refuse_denial, refuse_web_page
from azext_login.system.http.session import TIMEOUT
from azext_login.system.text import capitalised, format_utc, printable
from azext_login.usecases.status.outcomes import command_of, message_of
from azext_login.usecases.status.records import Finding, NetworkStatus, Outcome

if TYPE_CHECKING:
    from requests import Response

    from azext_login.usecases.session import Session

# Seconds. Entra ID accepts a difference of five minutes
# (https://learn.microsoft.com/entra/identity-platform/access-tokens#token-lifetime).
_TOLERANCE = 300
_WORTH_A_WARNING = 60

# The commands that keep the clock right, by `sys.platform`: timedatectl(1), systemsetup(8), and
# https://learn.microsoft.com/windows-server/networking/windows-time-service/windows-time-service-tools-and-settings
_CLOCK_COMMANDS = {
    "linux": "timedatectl set-ntp true",
    "darwin": "sudo systemsetup -setusingnetworktime on",
    "win32": "w32tm /resync",
}


@dataclass(frozen=True)
class Probe:
    """One request to the sign-in service."""

    difference: int | None = None
    """Seconds that the clock of this computer is ahead; None if the answer has no time."""
    failure: AzCLIError | None = None


def probe(session: Session, *, clock: Callable[[], float] = time.time) -> Probe:
    """Send one request to the sign-in service, whose answer has the time.

    Otherwise, only this counts in the answer: whether it comes from the service, and not from a network that asks users
    to sign in first, whose clock says nothing.
    """
    settings = session.settings
    authority = settings.authority.rstrip("/")
    # The address of an AD FS server ends with `/adfs`, and has no tenants.
    issuer = authority if settings.is_adfs else f"{authority}/organizations/v2.0"
    try:
        began = clock()
        with connection_errors(SIGN_IN_SERVICE, authority):
            response = session.clients.http.get(
                f"{issuer}/.well-known/openid-configuration",
                timeout=TIMEOUT,
                verify=None if settings.verify_certificates else False,
            )
        here = (began + clock()) / 2
        _refuse_others(response)
    except (ServiceUnreachableError, UnexpectedAnswerError) as error:
        return Probe(failure=error)
    try:
        there = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return Probe()
    return Probe(round(here - there))


def _refuse_others(response: Response) -> None:
    """Check that the sign-in service has answered, and nothing in its place. It may be busy.

    :raises UnexpectedAnswerError: something else has.
    """
    if response.status_code == OK:
        parse_json_object(response, SIGN_IN_SERVICE)
    refuse_web_page(response, SIGN_IN_SERVICE)
    refuse_denial(response, SIGN_IN_SERVICE)


def describe_network(session: Session, probed: Probe | None) -> NetworkStatus:
    """Return what is configured on the way to the sign-in service, and the difference of the clocks."""
    from azext_login.system.http.surroundings import ca_bundle, proxy_of

    authority = session.settings.authority
    proxy, bundle = proxy_of(authority), ca_bundle()
    shown = None if proxy is None else f"{proxy.address} ({proxy.variable or 'setting of the operating system'})"
    return NetworkStatus(
        probed.difference if probed else None,
        shown,
        None if bundle is None else str(bundle),
        session.settings.verify_certificates,
    )


def no_answer(session: Session) -> ServiceUnreachableError:
    """Return the error for a request to the sign-in service that took too long."""
    authority = session.settings.authority.rstrip("/")
    return ServiceUnreachableError(f"{capitalised(SIGN_IN_SERVICE)} at {printable(authority)} did not answer in time.")


def findings_of(
    probed: Probe, known_ids: Collection[str], *, now: float, platform: str = sys.platform
) -> list[Finding]:
    """Return what the request to the sign-in service showed.

    :param known_ids: the GUIDs that may be shown, in lower case.
    :param now: POSIX time in seconds.
    :param platform: as in sys.platform.
    """
    if probed.failure is not None:
        what = message_of(probed.failure, known_ids)
        return [Finding(Outcome.OFFLINE.word, what, Outcome.OFFLINE, command_of(probed.failure))]
    difference = probed.difference
    if difference is None or abs(difference) <= _WORTH_A_WARNING:
        return []
    direction = "ahead of" if difference > 0 else "behind"
    here, there = format_utc(now), format_utc(now - difference)
    what = (
        f"The clock of this computer is {abs(difference)} seconds {direction} that of the sign-in service: it shows "
        f"{here}, and the sign-in service {there}."
    )
    outcome = Outcome.CLOCK_WRONG if abs(difference) > _TOLERANCE else Outcome.GOOD
    return [Finding(Outcome.CLOCK_WRONG.word, what, outcome, _CLOCK_COMMANDS.get(platform))]
