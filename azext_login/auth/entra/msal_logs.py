"""Which of MSAL's loggers would print secrets with --debug and into log files, so they are silenced.

What they log is read in the source of MSAL 1.34 and 1.39
(https://github.com/AzureAD/microsoft-authentication-library-for-python).
"""

from __future__ import annotations

import logging

from azext_login.system.log import keep_text

_LEVELS = {
    # At level DEBUG, each request whose tokens are cached, with its authorization code or device code, and the answer
    # without its tokens, if they are in the members that are meant for them.
    "msal.token_cache": logging.INFO,
    # The whole answer of a federation server: one that is not XML, and each with an error status. It may contain an
    # assertion, or the password that it has received. They log nothing else.
    "msal.mex": logging.CRITICAL,
    "msal.wstrust_request": logging.CRITICAL,
    # The whole answer of the token endpoint, if it cannot be parsed. We have parsed it before.
    "msal.oauth2cli.oauth2": logging.CRITICAL,
    # At level DEBUG, the whole answer of a service for managed identities (of each kind), if it is not JSON.
    "msal.managed_identity": logging.INFO,
    # At level DEBUG, the claims of a token of Cloud Shell that cannot be decoded, and each answer with an error status.
    "msal.cloudshell": logging.INFO,
}
"""Logger -> its level. The others log addresses, names of users and texts of refusals, from which `echoes` has removed
what was sent. MSAL's own receiver of redirects (msal.oauth2cli.authcode) logs authorization codes, and is not used."""


# These log what a service answered, for example the text of a refusal.
_OF_ANSWERS = ("msal.application", "msal.authority", "msal.managed_identity", "msal.region", "msal.telemetry")


def quiet_loggers() -> None:
    """Set the levels of MSAL's loggers, for the whole process, and let a terminal obey nothing in what they print."""
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    for name in _OF_ANSWERS:
        logging.getLogger(name).addFilter(keep_text)
