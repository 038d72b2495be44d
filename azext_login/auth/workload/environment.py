"""The credentials that environment variables describe, in the order in which azure-identity looks at them.

EnvironmentCredential comes first and WorkloadIdentityCredential next in DefaultAzureCredential:
https://learn.microsoft.com/python/api/overview/azure/identity-readme#environment-variables
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from azext_login.auth.input_files import refusal
from azext_login.auth.workload.known_clouds import parse_authority
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
# Paths, and what the key in a file was encrypted with.
_OF_ANY_BYTES = (_CERTIFICATE, _PASSPHRASE, _TOKEN_FILE)


@dataclass(frozen=True)
class _Rule:
    kind: CredentialKind
    own: tuple[str, ...]
    """Required, and of no use to another kind."""
    shared: tuple[str, ...] = (_CLIENT, _TENANT)
    """Required by other kinds as well."""
    optional: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        return self.shared + self.own


# azure-identity asks for AZURE_CLIENT_ID beside a user name: the application to sign in to. Here that is always the
# Azure CLI's own.
_RULES = (
    _Rule("client secret", (_SECRET,)),
    _Rule("certificate", (_CERTIFICATE,), optional=(_PASSPHRASE, _SEND_CHAIN)),
    _Rule("username and password", (_USERNAME, _PASSWORD), shared=(), optional=(_TENANT,)),
    _Rule("federated token file", (_TOKEN_FILE,)),
)
_NAMES = tuple(dict.fromkeys(name for rule in _RULES for name in rule.required))


@dataclass(frozen=True)
class EnvironmentCredential:
    """What to sign in with. What its kind has no use for is None."""

    kind: CredentialKind
    variables: tuple[str, ...]
    """The names of the variables that it was made of."""
    client_id: str | None = None
    username: str | None = None
    tenant: str | None = None
    """GUID or domain name. Only a user can do without."""
    secret: str | None = field(default=None, repr=False)
    certificate_path: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    send_chain: bool = False
    password: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    authority: str | None = None
    """AZURE_AUTHORITY_HOST as it is; see `check_authority`."""


def credentials_from_environment(environ: Mapping[str, str]) -> EnvironmentCredential:
    """Return the first kind of credential that `environ` describes completely. An empty value counts as none.

    Client secret, certificate, username and password, federated token file: in this order, whatever else is set.

    :raises SignInError: there is none, or it cannot be sent. The message has the names of variables and no values.
    """
    rule = next((rule for rule in _RULES if all(environ.get(name) for name in rule.required)), None)
    if rule is None:
        raise _nothing_usable(environ)

    used = (*rule.required, *(name for name in (*rule.optional, _AUTHORITY) if environ.get(name)))
    unreadable = [name for name in used if name not in _OF_ANY_BYTES and not is_utf_8(environ[name])]
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
        secret=value(_SECRET),
        certificate_path=path(_CERTIFICATE),
        passphrase=value(_PASSPHRASE),
        # azure-identity for .NET, Go and Java; the one for Python takes any value, "false" too, for true.
        send_chain=(value(_SEND_CHAIN) or "").strip().lower() in ("1", "true"),
        password=value(_PASSWORD),
        token_file=path(_TOKEN_FILE),
        authority=value(_AUTHORITY),
    )


def check_authority(credential_authority: str | None, active_authority: str, cloud_name: str) -> None:
    """Refuse credentials for another cloud than the active one, where the sign-in would look for them in vain.

    The scheme may be missing, and slashes at the end do not count; of one of Microsoft's own clouds, any host is right.

    :param credential_authority: AZURE_AUTHORITY_HOST; None if it is not set, which is always right.
    :param active_authority: the active cloud's address for sign-in, without a tenant.
    :param cloud_name: the name of the active cloud.
    :raises SignInError: the two differ.
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

    # The kind that something was set for, and nothing else would have been.
    started = [rule for rule in _RULES if any(name in found for name in rule.own)]
    if started:
        nearest = min(started, key=lambda rule: len(missing(rule)))
        return f"To sign in with a {nearest.kind}, set {' and '.join(missing(nearest))} as well."
    lines = [f"{rule.kind}: {', '.join(missing(rule))}" for rule in _RULES]
    return "\n".join(["Set the variables of one of these kinds of credential:", *lines])
