"""Writes access tokens in the formats that programs read, without exposing them on the way."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from azext_login.cli.raw_output import write_raw
from azext_login.errors import AccountError, StoreError, UnexpectedAnswerError
from azext_login.system.terminal.streams import is_terminal

if TYPE_CHECKING:
    from azext_login.auth.credential import AccessToken

_TOKEN = "AZURE_ACCESS_TOKEN"
_EXPIRES_ON = "AZURE_ACCESS_TOKEN_EXPIRES_ON"

# RFC 6749 appendix A.12: an access token consists of visible ASCII characters and blanks.
_VSCHAR = re.compile(r"[\x20-\x7E]+")

# Text that every reader of .env files reads without quotes.
_PLAIN = r"[A-Za-z0-9._~+/=-]+"

_EXEC_INFO = "KUBERNETES_EXEC_INFO"
_EXEC_GROUP = "client.authentication.k8s.io"
_EXEC_VERSIONS = ("v1", "v1beta1")


def check_export(token_format: str, *, yes: bool, output: str | None) -> None:
    """Refuse what cannot work before a token is requested, and above all a token on a screen by accident.

    :param output: the value of --output; with `none`, nothing is written.
    :raises AccountError: standard output is a terminal and --yes is missing, or the caller requests an unknown version
        of the format.
    """
    if token_format == "exec-credential":
        _exec_version(os.environ.get(_EXEC_INFO))
    if output != "none" and not yes and is_terminal(sys.stdout):
        raise AccountError(
            "The terminal would show the token, where others can read it and where it stays. No token was requested.",
            "Redirect the output to a program or a file, or add --yes.",
        )


def write_token(token: AccessToken, token_format: str, *, output: str | None) -> None:
    """Write a token to standard output.

    :param output: the value of --output. With `none`, nothing is written; other values have no effect.
    :raises UnexpectedAnswerError: the token could break out of its quotes or lines.
    :raises StoreError: standard output cannot be written to, for example because the disk is full.
    """
    text = format_token(token, token_format, os.environ)
    if output != "none":
        write_formatted(text)


def write_formatted(text: str) -> None:
    """Write a token that is formatted already to standard output.

    :raises StoreError: standard output cannot be written to, for example because the disk is full.
    """
    try:
        write_raw(text)
    except OSError as error:
        raise StoreError(
            f"The token could not be written to standard output: {error.strerror or error}. It stays cached.",
            "Run the same command again with an output that can be written to.",
        ) from error


def format_token(token: AccessToken, token_format: str, environ: Mapping[str, str]) -> str:
    """Return a token in one of FORMATS.

    :raises UnexpectedAnswerError: the token has a character that no access token may have (RFC 6749 appendix A.12).
    :raises AccountError: the caller requests an unknown version of the format, or the format cannot hold this token.
    """
    if not _VSCHAR.fullmatch(token.secret):
        raise UnexpectedAnswerError(
            "The access token has characters that RFC 6749 does not allow, so it was not written.",
            "Another server may have answered instead of the sign-in service. Check the network, and the cloud with "
            "`az cloud show`.",
        )
    if token_format == "exec-credential":
        return _exec_credential(token, environ)
    return FORMATS[token_format](token)


def _exec_credential(token: AccessToken, environ: Mapping[str, str]) -> str:
    """Return what kubectl and other clients of Kubernetes read from a credential plugin.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#input-and-output-formats: the output has to
    have the version that the input, KUBERNETES_EXEC_INFO, has.
    """
    expires_on = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(token.expires_on))
    credential = {
        "apiVersion": f"{_EXEC_GROUP}/{_exec_version(environ.get(_EXEC_INFO))}",
        "kind": "ExecCredential",
        "status": {"token": token.secret, "expirationTimestamp": expires_on},
    }
    return json.dumps(credential) + "\n"


def _exec_version(info: str | None) -> str:
    if not info:
        return _EXEC_VERSIONS[0]
    try:
        group, _, version = str(json.loads(info)["apiVersion"]).partition("/")
    except (ValueError, KeyError, TypeError, RecursionError):
        group, version = "", ""
    if group != _EXEC_GROUP or version not in _EXEC_VERSIONS:
        raise AccountError(
            f"{_EXEC_INFO} does not ask for {_EXEC_GROUP} in version {' or '.join(_EXEC_VERSIONS)}.",
            "Set `apiVersion` of `exec` in the kubeconfig to client.authentication.k8s.io/v1.",
        )
    return version


def _posix(token: AccessToken) -> str:
    quoted = token.secret.replace("'", "'\\''")
    return f"export {_TOKEN}='{quoted}'\nexport {_EXPIRES_ON}={token.expires_on}\n"


def _fish(token: AccessToken) -> str:
    # Between single quotes fish knows two escapes: https://fishshell.com/docs/current/language.html#quotes
    quoted = token.secret.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {_TOKEN} '{quoted}'\nset -gx {_EXPIRES_ON} {token.expires_on}\n"


def _powershell(token: AccessToken) -> str:
    quoted = token.secret.replace("'", "''")
    return f"$env:{_TOKEN} = '{quoted}'\n$env:{_EXPIRES_ON} = '{token.expires_on}'\n"


def _dotenv(token: AccessToken) -> str:
    value = token.secret
    if "${" in value:
        # python-dotenv, for example, replaces it by the value of a variable, even within quotes.
        raise AccountError(
            "The access token contains '${', which programs that read dotenv files replace. It was not written.",
            "Choose another format with --format.",
        )
    if not re.fullmatch(_PLAIN, value):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        value = f"'{escaped}'"
    return f"{_TOKEN}={value}\n{_EXPIRES_ON}={token.expires_on}\n"


def _header(token: AccessToken) -> str:
    return f"Authorization: Bearer {token.secret}\n"


def _git(token: AccessToken) -> str:
    """Return the answer of a credential helper: https://git-scm.com/docs/git-credential#IOFMT.

    Azure DevOps accepts the token as a password, with any user name.
    """
    return f"username=azure-cli\npassword={token.secret}\npassword_expiry_utc={token.expires_on}\n"


FORMATS: dict[str, Callable[[AccessToken], str]] = {
    "bash": _posix,
    "fish": _fish,
    "powershell": _powershell,
    "dotenv": _dotenv,
    "header": _header,
    "git": _git,
}
