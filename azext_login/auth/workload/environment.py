"""The credentials that environment variables describe, in the order in which azure-identity tries them.

In DefaultAzureCredential, EnvironmentCredential comes first and WorkloadIdentityCredential next:
https://learn.microsoft.com/python/api/overview/azure/identity-readme#environment-variables
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from azext_login.auth.entra.known_clouds import parse_authority
from azext_login.auth.input_files import refusal
from azext_login.errors import SignInError
from azext_login.system.text import is_utf_8

CredentialKind = Literal["client secret", "certificate", "username and password", "federated token file"]

_CLIENT = "AZURE_CLIENT_ID"
_TENANT = "AZURE_TENANT_ID"
_SECRET = "AZURE_CLIENT_SECRET"
_CERTIFICATE = "AZURE_CLIENT_CERTIFICATE_PATH"
_PASSPHRASE = "AZURE_CLIENT_CERTIFICATE_PASSWORD"
_SEND_CHAIN = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"
_USERNAME = "AZURE_USERNAME"
_PASSWORD = "AZURE_PASSWORD"
_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"
_AUTHORITY = "AZURE_AUTHORITY_HOST"
# Paths and passphrases may have any bytes: they are not sent.
_ANY_BYTES = (_CERTIFICATE, _PASSPHRASE, _TOKEN_FILE)


@dataclass(frozen=True)
class _Rule:
    kind: CredentialKind
    own: tuple[str, ...]
    """Required by this kind only."""
    shared: tuple[str, ...] = (_CLIENT, _TENANT)
    """Required by other kinds too."""
    optional: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        return self.shared + self.own


# With a user name, azure-identity requires AZURE_CLIENT_ID: the application to sign in to. Here, that is always the
# Azure CLI.
_RULES = (
    _Rule("client secret", (_SECRET,)),
    _Rule("certificate", (_CERTIFICATE,), optional=(_PASSPHRASE, _SEND_CHAIN)),
    _Rule("username and password", (_USERNAME, _PASSWORD), shared=(), optional=(_TENANT,)),
    _Rule("federated token file", (_TOKEN_FILE,)),
)
_NAMES = tuple(dict.fromkeys(name for rule in _RULES for name in rule.required))


@dataclass(frozen=True)
class EnvironmentCredential:
    """A credential to sign in with. Fields that its kind does not use are None."""

    kind: CredentialKind
    variables: tuple[str, ...]
    """The names of the environment variables that it was read from."""
    client_id: str | None = None
    username: str | None = None
    tenant: str | None = None
    """GUID or domain name. Required except for a user."""
    client_secret: str | None = field(default=None, repr=False)
    certificate_path: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    send_chain: bool = False
    password: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    authority: str | None = None
    """The unchanged value of AZURE_AUTHORITY_HOST; see `check_authority`."""


def credentials_from_environment(environ: Mapping[str, str]) -> EnvironmentCredential:
    """Return the first kind of credential that `environ` describes completely. An empty variable counts as not set.

    The order is: client secret, certificate, username and password, federated token file.

    :raises SignInError: no credential is complete, or it cannot be sent. The message names variables, not values.
    """
    rule = next((rule for rule in _RULES if all(environ.get(name) for name in rule.required)), None)
    if rule is None:
        raise _nothing_usable(environ)

    used = (*rule.required, *(name for name in (*rule.optional, _AUTHORITY) if environ.get(name)))
    unreadable = [name for name in used if name not in _ANY_BYTES and not is_utf_8(environ[name])]
    if unreadable:
        raise refusal(
            f"{unreadable[0]} holds bytes that are not UTF-8.",
            "Correct the variable, or the encoding of the file that sets it; then run the command again.",
        )

    def value(name: str) -> str | None:
        return environ[name] if name in used else None

    def path(name: str) -> Path | None:
        return Path(environ[name]) if name in used else None

    return EnvironmentCredential(
        kind=rule.kind,
        variables=used,
        client_id=value(_CLIENT),
        username=value(_USERNAME),
        tenant=value(_TENANT),
        client_secret=value(_SECRET),
        certificate_path=path(_CERTIFICATE),
        passphrase=value(_PASSPHRASE),
        # As in azure-identity for .NET, Go and Java. For Python, any value means true, "false" included.
        send_chain=(value(_SEND_CHAIN) or "").strip().lower() in ("1", "true"),
        password=value(_PASSWORD),
        token_file=path(_TOKEN_FILE),
        authority=value(_AUTHORITY),
    )


def check_authority(credential_authority: str | None, active_authority: str, cloud_name: str) -> None:
    """Refuse credentials of another cloud than the active one, whose sign-in service does not know them.

    The addresses are compared like `parse_authority` reads them, and the aliases of Microsoft's clouds are equal.

    :param credential_authority: AZURE_AUTHORITY_HOST; None if it is not set, which is accepted.
    :param active_authority: the active cloud's address for sign-in, without a tenant.
    :param cloud_name: the name of the active cloud.
    :raises SignInError: AZURE_AUTHORITY_HOST is not an address, or it is the address of another cloud.
    """
    if not credential_authority:
        return
    wanted, active = parse_authority(credential_authority), parse_authority(active_authority)
    if wanted is None:
        raise refusal(
            f"{_AUTHORITY} is not the address of a sign-in service.",
            f"Correct or remove it: the active cloud, {cloud_name}, signs in at {active_authority}.",
        )
    if wanted == active or (wanted.cloud is not None and active is not None and wanted.cloud is active.cloud):
        return
    name = wanted.cloud.name if wanted.cloud is not None else None
    if name is not None and name != cloud_name:
        next_step = f"Make the other cloud the active one, or remove {_AUTHORITY}:\naz cloud set --name {name}"
    else:
        next_step = (
            f"Remove {_AUTHORITY}, or find the name of its cloud and run `az cloud set --name NAME`:\n"
            'az cloud list --query "[].{name:name, authority:endpoints.activeDirectory}" --output table'
        )
    raise refusal(
        f"{_AUTHORITY} names {wanted}, but the active cloud, {cloud_name}, signs in at {active or active_authority}.",
        next_step,
    )


def _nothing_usable(environ: Mapping[str, str]) -> SignInError:
    found = [name for name in _NAMES if environ.get(name)]
    empty = [name for name in _NAMES if environ.get(name) == ""]
    if not found:
        message = "No environment variable describes a credential."
    else:
        message = f"The environment variables do not describe a complete credential. Found: {', '.join(found)}."
    if empty:
        message += f" Set but empty: {', '.join(empty)}."
    return refusal(message, _advice(found))


def _advice(found: Sequence[str]) -> str:
    def missing(rule: _Rule) -> list[str]:
        return [name for name in rule.required if name not in found]

    # Kinds with a variable that no other kind uses: the user has started to describe one of them.
    started = [rule for rule in _RULES if any(name in found for name in rule.own)]
    if started:
        nearest = min(started, key=lambda rule: len(missing(rule)))
        names = " and ".join(missing(nearest))
        return f"To sign in with a {nearest.kind}, set {names} as well; then run the command again."
    lines = [f"{rule.kind}: {', '.join(missing(rule))}" for rule in _RULES]
    return "\n".join(["Set the variables of one of these kinds of credential, and run the command again:", *lines])
