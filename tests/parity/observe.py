"""What a run left behind, in a form that two runs can be compared in."""

from __future__ import annotations

import base64
import configparser
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.parity.states import ENTRIES, PROFILE, TOKENS

#: Files whose mode matters: they hold user names, or a secret.
_PRIVATE = (PROFILE, TOKENS, ENTRIES, "clouds.config", "msal_http_cache.bin")
#: Files that may outlive a sign-out with something of a user in them.
_LEFTOVERS = ("accessTokens.json", "*.damaged-*", "msal_http_cache.bin")
_UNIQUE = re.compile(r"(?<=damaged-).*")
_CLAIMS = ("aud", "tid", "upn", "unique_name", "oid", "appid", "scp", "idtyp", "xms_cc")
_TOKEN = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+")
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
_POSIX_TIME = re.compile(r"\b1[7-9]\d{8}\b")
#: Seconds that a token's stated expiry may be off from the `exp` claim in it.
_TOLERANCE = 5
_NEVER = 1 << 62


@dataclass(frozen=True)
class Said:
    """What one command printed. `args` are without `az`."""

    args: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True)
class Observation:
    """One side of a case: the output, and the files afterwards, by aspect."""

    said: tuple[Said, ...]
    files: dict[str, Any]


def normal_text(text: str, folder: Path) -> str:
    """Return `text` with tokens, times and the config directory replaced by what they are."""
    text = text.replace(str(folder), "<config directory>")
    text = _TOKEN.sub(lambda match: describe_token(match[0]), text)
    text = _POSIX_TIME.sub("<time>", _LOCAL_TIME.sub("<local time>", text))
    # Dates in the columns of a table make no difference to its layout, but the lengths of tokens do.
    return re.sub(r"-{40,}", "-----", text) if "<token" in text else text


def normal_json(value: Any) -> Any:
    """Return a JSON value with tokens and times replaced by what they are; everything else stays."""
    if isinstance(value, dict):
        token = claims_of(value.get("accessToken"))
        return {key: _normal_member(key, member, token) for key, member in value.items()}
    if isinstance(value, list):
        return [normal_json(member) for member in value]
    if isinstance(value, str):
        return _LOCAL_TIME.sub("<local time>", _TOKEN.sub(lambda match: describe_token(match[0]), value))
    return value


def _normal_member(key: str, value: Any, token: dict[str, Any]) -> Any:
    if key == "expires_on" and isinstance(value, int):
        ends = token.get("exp")
        return "<the token's end>" if ends and abs(value - ends) <= _TOLERANCE else f"<{value}, token: {ends}>"
    return normal_json(value)


def claims_of(token: Any) -> dict[str, Any]:
    """Return the claims of a JWT without checking them, or nothing if it isn't one."""
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return {}
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def describe_token(token: str) -> str:
    """Return what a token is good for: whose it is, for what and where."""
    claims = claims_of(token)
    return "<token " + " ".join(f"{name}={claims[name]}" for name in _CLAIMS if name in claims) + ">"


def look_at_files(folder: Path) -> dict[str, Any]:
    """Return what is in the config directory, by aspect."""
    profile = _read_json(folder / PROFILE)
    tokens = _read_json(folder / TOKENS)
    return {
        "rows": _rows(profile),
        "profile": sorted(set(profile) - _OWN_PROFILE_KEYS) if isinstance(profile, dict) else profile,
        "clouds": _clouds(folder / "clouds.config"),
        "accounts": _entries(tokens, "Account", "username", "home_account_id", "realm", "environment"),
        "access tokens": _entries(tokens, "AccessToken", "home_account_id", "client_id", "realm", "target"),
        "refresh tokens": _entries(tokens, "RefreshToken", "home_account_id", "client_id", "environment"),
        "service principals": _read_json(folder / ENTRIES, folder),
        "modes": {name: (folder / name).stat().st_mode & 0o777 for name in _PRIVATE if (folder / name).exists()},
        "leftovers": sorted({_UNIQUE.sub("", path.name) for pattern in _LEFTOVERS for path in folder.glob(pattern)}),
    }


# Ours, and the ID that the host creates as soon as telemetry is on.
_OWN_PROFILE_KEYS = {"azextLogin", "installationId"}


def _read_json(path: Path, folder: Path | None = None) -> Any:
    """Return what a file holds. The path of `folder`, which is another one in every run, is made the same."""
    if not path.exists():
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text.replace(str(folder), "<config directory>") if folder else text)
    except ValueError:
        return f"<{path.stat().st_size} bytes that are not JSON>"


def _rows(profile: Any) -> Any:
    """Return the rows as text, so that the order of their keys counts."""
    if not isinstance(profile, dict) or not isinstance(profile.get("subscriptions"), list):
        return profile if isinstance(profile, str) else None
    return [json.dumps(row, ensure_ascii=False) for row in profile["subscriptions"]]


def _clouds(path: Path) -> Any:
    if not path.exists():
        return None
    parser = configparser.RawConfigParser()
    parser.read_string(path.read_text(encoding="utf-8"))
    return {name: dict(parser[name]) for name in parser.sections()}


def _entries(tokens: Any, section: str, *keys: str) -> Any:
    """Return the entries of a section of the token cache that are still good, each reduced to `keys`, sorted."""
    if not isinstance(tokens, dict):
        return tokens
    return sorted(
        " ".join(f"{key}={' '.join(sorted(str(entry.get(key)).split()))}" for key in keys)
        for entry in tokens.get(section, {}).values()
        if int(entry.get("expires_on", _NEVER)) > time.time()
    )
