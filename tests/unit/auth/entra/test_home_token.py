"""The token of a user for any tenant is one for the home tenant too, if it says so itself."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from msal import SerializableTokenCache

from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.entra.home_token import copy_for_home

HOME, OTHER = "aaaaaaaa-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
SCOPE = "https://management.example//.default"


def _encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _token(**claims: object) -> str:
    return ".".join(_encoded(part) for part in ({"alg": "RS256"}, claims, "signature"))


def _cache(secret: str, realm: str = "organizations", *, home: str = HOME) -> SerializableTokenCache:
    """Return MSAL's cache after a sign-in."""
    cache = SerializableTokenCache()
    cache.add(
        {
            "client_id": AZURE_CLI_CLIENT_ID,
            "scope": [SCOPE],
            "token_endpoint": f"https://login.example/{realm}/oauth2/v2.0/token",
            "response": {
                "access_token": secret,
                "expires_in": 3600,
                "token_type": "Bearer",
                "client_info": _encoded({"uid": "user", "utid": home}),
            },
        },
        now=time.time(),
    )
    cache.has_state_changed = False
    return cache


def _tokens(cache: SerializableTokenCache) -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, dict[str, Any]]] = json.loads(cache.serialize())
    return content["AccessToken"]


@pytest.mark.parametrize("home", [HOME, HOME.upper()])
def test_the_copy_is_what_msal_would_have_stored_for_the_home_tenant(home: str) -> None:
    secret = _token(tid=HOME)
    cache = _cache(secret)
    assert copy_for_home(cache, secret, home)
    assert cache.has_state_changed
    expected = _tokens(_cache(secret)) | _tokens(_cache(secret, HOME))
    found = _tokens(cache)
    assert set(found) == set(expected)
    for key, entry in found.items():
        assert {**entry, "cached_at": "", "expires_on": "", "extended_expires_on": ""} == {
            **expected[key],
            "cached_at": "",
            "expires_on": "",
            "extended_expires_on": "",
        }


@pytest.mark.parametrize(
    ("secret", "realm", "home"),
    [
        (_token(tid=OTHER), "organizations", HOME),
        (_token(tid=HOME), "organizations", OTHER),
        (_token(tid=HOME), OTHER, HOME),
        (_token(tid=PERSONAL), "organizations", PERSONAL),
        (_token(tid="$(touch PWN)"), "organizations", "$(touch PWN)"),
        (_token(tid=["x"]), "organizations", HOME),
        (_token(), "organizations", "None"),
        ("opaque", "organizations", HOME),
    ],
    ids=[
        "of another tenant",
        "of another user",
        "for one tenant",
        "personal",
        "no ID",
        "no text",
        "no tenant",
        "opaque",
    ],
)
def test_another_token_is_left_as_it_is(secret: str, realm: str, home: str) -> None:
    cache = _cache(secret, realm)
    before = _tokens(cache)
    assert not copy_for_home(cache, secret, home)
    assert _tokens(cache) == before
    assert not cache.has_state_changed


@pytest.mark.parametrize("left", [3600, 10], ids=["fresh", "about to expire"])
def test_a_fresh_token_of_the_home_tenant_stays(left: int) -> None:
    """It may be later, as after a role has changed, or satisfy a claims challenge."""
    secret, own = _token(tid=HOME), _token(tid=HOME, later=True)
    content = json.loads(_cache(secret).serialize())
    stored = json.loads(_cache(own, HOME).serialize())["AccessToken"]
    for entry in stored.values():
        entry["expires_on"] = str(int(time.time()) + left)
    content["AccessToken"] |= stored
    cache = SerializableTokenCache()
    cache.deserialize(json.dumps(content))
    assert copy_for_home(cache, secret, HOME)
    assert {entry["secret"] for entry in _tokens(cache).values()} == ({secret, own} if left > 300 else {secret})


def test_a_token_that_is_not_in_the_cache_is_not_copied() -> None:
    """As that of an account broker, which has a cache of its own."""
    cache = _cache(_token(tid=HOME, x=1))
    assert not copy_for_home(cache, _token(tid=HOME), HOME)
    assert len(_tokens(cache)) == 1
