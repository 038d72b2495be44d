"""Shared by the tests of workloads: files to sign in with, and what is stored."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12

from tests.harness.az import Az, Result
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.localcloud.certificatemaker import MadeCertificate, make_certificate

TENANT = "contoso.example"
OTHER_TENANT = "fabrikam.example"
VAULT = "https://vault.azure.net"
GRAPH = "https://graph.microsoft.com"
#: The passphrase of certificate files. No file of the extension or the host may contain it.
PASSPHRASE = "-p'äss phrase~1"
#: The subject name that the cloud trusts ci-app's certificates by.
SUBJECT = "ci.contoso.example"
#: The subject of the tokens of the issuer "kubernetes".
POD = "system:serviceaccount:build:runner"
SERVICE_PRINCIPAL = ("login", "--service-principal", "-u", CI_APP, "--tenant", TENANT)


@dataclass(frozen=True)
class Certificates:
    """Certificates of ci-app: `registered` by its thumbprint, and any that `authority` has issued to SUBJECT."""

    registered: MadeCertificate
    authority: MadeCertificate
    issued: MadeCertificate

    def another(self) -> MadeCertificate:
        """Return a certificate that is not registered, but trusted by its subject name."""
        return make_certificate(SUBJECT, self.authority)


@dataclass(frozen=True)
class SignIn:
    """How a service principal signs in: more arguments of `az login`, standard input, environment variables."""

    words: tuple[str, ...] = ()
    input: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, az: Az, *login: str) -> Result:
        """Sign in."""
        return az.run(*(login or SERVICE_PRINCIPAL), *self.words, input=self.input, env=self.env)


def guarded(az: Az) -> Az:
    """Return an `az` that fails the test if its output has a secret of these tests."""
    return replace(az, secrets=(*az.secrets, CI_SECRET, PASSPHRASE))


def stock(az: Az) -> Az:
    """Return the built-in commands on the same config directory."""
    return replace(az, extension_dir=None)


def write(path: Path, text: str) -> Path:
    """Write a file and return its path."""
    path.write_bytes(text.encode("utf-8"))
    return path


def write_pem(path: Path, made: MadeCertificate, *, passphrase: str | None = None) -> Path:
    """Write the key, the certificate and its chain."""
    return write(path, made.key_pem(passphrase) + made.chain_pem)


def write_pfx(path: Path, made: MadeCertificate, *, passphrase: str | None = None) -> Path:
    """Write a PFX file."""
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(b"ci", made.key, made.certificate, made.chain or None, encryption)
    )
    return path


def entries(az: Az) -> list[dict[str, Any]]:
    """Return the stored entries of service principals."""
    path = az.config_dir / "service_principal_entries.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_entries(az: Az, content: list[dict[str, Any]]) -> None:
    """Replace the stored entries of service principals."""
    (az.config_dir / "service_principal_entries.json").write_text(json.dumps(content), encoding="utf-8")


def end_access_tokens(az: Az) -> None:
    """Let the cached access tokens of an account expire."""
    path = az.config_dir / "msal_token_cache.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for entry in content["AccessToken"].values():
        entry["expires_on"] = entry["extended_expires_on"] = str(int(time.time()) - 60)
    path.write_text(json.dumps(content), encoding="utf-8")


def token_claims(az: Az, *words: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the claims of the access token that `az account get-access-token` returns."""
    token = az.run("account", "get-access-token", *words, env=env).ok().json()["accessToken"]
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def subscriptions_used(az: Az, *words: str, env: Mapping[str, str] | None = None) -> set[str]:
    """Run `az group list`, which needs a subscription and a token, and return the subscriptions of the groups."""
    groups = az.run("group", "list", *words, env=env).ok().json()
    assert {group["name"] for group in groups} == {"app", "network"}
    return {group["id"].split("/")[2] for group in groups}


def kept(az: Az) -> dict[str, bytes]:
    """Return every file of the config directory, except those that the host writes in every command."""
    passing = {"commands", "logs", "home", "telemetry", "no-extensions"}
    # MSAL's cache of answers has no account and no secret.
    indexes = {"commandIndex.json", "helpIndex.json", "extensionIndex.json", "extensionHelpIndex.json", "az.sess"}
    answers = {"msal_http_cache.bin", "msal_http_cache.bin.lock", "versionCheck.json"}
    return {
        str(path.relative_to(az.config_dir)): path.read_bytes()
        for path in sorted(az.config_dir.rglob("*"))
        if path.is_file()
        and not passing & set(path.relative_to(az.config_dir).parts[:-1])
        and path.name not in indexes | answers
    }


def traces(az: Az, *words: str) -> list[str]:
    """Return the files of the config directory that contain one of `words`, except the host's log of commands."""
    return [
        str(path.relative_to(az.config_dir))
        for path in az.config_dir.rglob("*")
        if path.is_file() and "commands" not in path.parts and any(word.encode() in path.read_bytes() for word in words)
    ]


def id_of(cloud: LocalCloud, option: str) -> str:
    """Return the value of the option for the user-assigned identity of the seed."""
    application = cloud.directory.application("deploy-identity")
    return {
        "--client-id": application.app_id,
        "--object-id": application.principals[0].oid,
        "--resource-id": application.resource_id,
    }[option]
