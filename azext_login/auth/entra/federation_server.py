"""Federation servers (WS-Trust), to which MSAL sends the passwords of federated users: their refusals and failures."""

from __future__ import annotations

import ast

from azext_login.auth.entra.http_client import SIGN_IN_SERVICE
from azext_login.errors import MalformedAnswerError, SignInError
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.system.login_command import another_way
from azext_login.system.text import printable, shorten

_LONGEST_QUOTE = 1000  # characters

# RuntimeError of msal/wstrust_response.py, `parse_response`. Its end is the reason as a dict, or else the whole answer.
_REFUSED = "WsTrust server returned error in RSTR: "
# Of msal/application.py, `_acquire_token_by_username_password_federated`.
_UNUSABLE = ("Unsuccessful RSTR", "RSTR returned unknown token type")


def error_of_federation_server(
    error: RuntimeError | SyntaxError, address: str, again: Command | None
) -> SignInError | MalformedAnswerError | None:
    """Return the error to raise for one of MSAL's about a federation server; None if it is about something else.

    It does not quote the answer: that may contain an assertion, or the password in a form that nothing recognises. The
    caller raises it `from None`, because the host logs the causes of an error.

    :param address: the authority that refers to the server.
    :param again: the `az login` that runs, for the advice; None for another command.
    """
    server = f"The federation server to which {SIGN_IN_SERVICE} at {address} refers"
    other_way = f"sign in with a browser:\n{another_way(again or AZ_LOGIN)}"
    text = str(error.args[0]) if error.args else ""
    if text.startswith(_REFUSED):
        reason = _reason_in(text.removeprefix(_REFUSED))
        if reason:
            message = f"{server} has refused the user name or the password. Nothing was stored.\n{reason}"
            return SignInError(message, next_step=f"Check both and run the command again, or {other_way}")
    if isinstance(error, SyntaxError):
        # The parser of XML raises a kind of SyntaxError (msal/mex.py).
        what = "answered something other than XML"
    elif text.startswith((_REFUSED, *_UNUSABLE)):
        what = "answered without a token or a reason"
    else:
        return None
    return MalformedAnswerError(f"{server} {what}.", f"Ask the administrators of that server, or {other_way}")


def _reason_in(text: str) -> str:
    """Return the text of the reason that MSAL found in an answer (SOAP 1.2, section 5.4.2); empty without one."""
    try:
        found = ast.literal_eval(text) if text.startswith("{'reason': ") else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    reason = found.get("reason") if isinstance(found, dict) else None
    return shorten(printable(reason), _LONGEST_QUOTE).strip() if isinstance(reason, str) else ""
