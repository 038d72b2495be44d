"""A token that is found without MSAL is the one that MSAL would return; in any case of doubt, none is found."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NoReturn
from unittest import mock

import msal
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from azext_login.auth.credential import FRESH_FOR
from azext_login.auth.storage.cached_token import TokenQuery, find_stale_token, find_token
from azext_login.auth.storage.token_cache import TokenCache
from azext_login.system.directory import PrivateDirectory

HOST, ALIAS = "login.contoso.example", "login.alias.example"
TENANT, OTHER_TENANT = "0a1b2c3d-0000-4000-8000-00000000000a", "0a1b2c3d-0000-4000-8000-00000000000b"
CLIENT, OTHER_CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "0a1b2c3d-0000-4000-8000-0000000000cc"
ALICE, BOB = "Alice@contoso.example", "bob@contoso.example"
ARM, GRAPH = "https://management.example//.default", "https://graph.example/.default"
# The time of both sides. The half second is for what rounds.
NOW = 1_900_000_000
CLOCK = NOW + 0.5

USER_QUERY = TokenQuery(HOST, CLIENT, TENANT, (ARM,), ALICE.lower())
APP_QUERY = TokenQuery(HOST, OTHER_CLIENT, TENANT, (ARM,), None)


class NetworkAsked(BaseException):
    """MSAL sent a request: it has no token to return."""


class SilentHttpClient:
    """An HTTP client that knows a tenant's discovery document and refuses everything else."""

    def get(self, url: str, **_: Any) -> Any:
        """Answer with where the tenant's endpoints are."""
        tenant = url.split("/")[3]
        base = f"https://{HOST}/{tenant}/oauth2/v2.0"
        document = {
            "issuer": f"https://{HOST}/{tenant}/v2.0",
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
        }
        return _Answer(json.dumps(document))

    def post(self, url: str, **_: Any) -> NoReturn:
        """Report that MSAL asks for a token."""
        raise NetworkAsked(url)

    def close(self) -> None:
        """Nothing is open."""


class _Answer:
    status_code = 200
    headers: Mapping[str, str] = {}

    def __init__(self, text: str) -> None:
        self.text = text

    def raise_for_status(self) -> None:
        """Return: the status is 200."""


def _msal_finds(sections: Mapping[str, Any], query: TokenQuery, *, has_broker: bool = False) -> str | None:
    """Return the token that MSAL itself returns without a request, or None."""
    cache = msal.SerializableTokenCache()
    cache.deserialize(json.dumps(sections))
    common: dict[str, Any] = {
        "authority": f"https://{query.environment}/{query.tenant}",
        "token_cache": cache,
        "http_client": SilentHttpClient(),
        "instance_discovery": False,
    }
    try:
        with mock.patch("time.time", return_value=CLOCK):
            return _ask_msal(query, common, has_broker)
    except NetworkAsked:
        # Before it returns a token that is due for renewal, MSAL asks for a new one.
        return None


def _ask_msal(query: TokenQuery, common: dict[str, Any], has_broker: bool) -> str | None:
    scopes = list(query.scopes)
    if query.username is None:
        application = msal.ConfidentialClientApplication(query.client_id, client_credential="secret", **common)
        result = application.acquire_token_for_client(scopes)
    else:
        application = msal.PublicClientApplication(query.client_id, **common)
        application._enable_broker = has_broker
        accounts = application.get_accounts(query.username)
        if len(accounts) != 1:
            return None
        result = application.acquire_token_silent_with_error(scopes, accounts[0])
    return result.get("access_token") if result else None


def _add(cache: Any, *, user: str | None, client: str, tenant: str, scopes: list[str], **response: Any) -> None:
    """Put a token into a cache the way MSAL does after the sign-in service has answered."""
    host = response.pop("host", HOST)
    data = response.pop("data", {})
    answer: dict[str, Any] = {"access_token": "secret", "token_type": "Bearer", "expires_in": 3600, **response}
    if user is not None:
        home = {"uid": f"oid-of-{user.lower()}", "utid": "home"}
        claims = {"preferred_username": user, "oid": home["uid"], "sub": "s"}
        answer["client_info"] = base64.urlsafe_b64encode(json.dumps(home).encode()).decode().rstrip("=")
        answer["id_token_claims"] = claims
    cache.add(
        {
            "client_id": client,
            "scope": scopes,
            "token_endpoint": f"https://{host}/{tenant}/oauth2/v2.0/token",
            "environment": host,
            "response": answer,
            "data": data,
            "grant_type": "authorization_code" if user else "client_credentials",
        },
        now=NOW,
    )


def _cache_with(**token: Any) -> Any:
    cache = msal.SerializableTokenCache()
    _add(cache, **{"user": ALICE, "client": CLIENT, "tenant": TENANT, "scopes": [ARM], **token})
    return cache


def _sections(cache: Any) -> dict[str, Any]:
    sections: dict[str, Any] = json.loads(cache.serialize())
    return sections


def _usable(sections: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what both MSAL and we get to see of the cache on the disk."""
    folder = tmp_path_factory.getbasetemp() / "cached-token"
    folder.mkdir(exist_ok=True)
    (folder / "msal_token_cache.json").write_text(json.dumps(sections), encoding="utf-8")
    return TokenCache(PrivateDirectory(folder), encrypt=False).usable()


# What MSAL itself has written.

_LIFETIMES = st.one_of(
    st.integers(FRESH_FOR - 3, FRESH_FOR + 30), st.integers(-100, 4000), st.sampled_from([0, 60, 3599, 86400])
)

_PLAIN_TOKEN: dict[str, Any] = {
    "user": ALICE,
    "client": CLIENT,
    "tenant": TENANT,
    "scopes": [ARM],
    "expires_in": 3600,
}
_OTHER_TOKENS: dict[str, st.SearchStrategy[Any]] = {
    "user": st.sampled_from([BOB, None]),
    "client": st.just(OTHER_CLIENT),
    "tenant": st.sampled_from([OTHER_TENANT, TENANT.upper()]),
    "scopes": st.sampled_from([[GRAPH], [ARM, GRAPH], [ARM.upper()], ["User.Read", ARM]]),
    "expires_in": _LIFETIMES,
    "host": st.sampled_from([ALIAS, HOST.upper()]),
    "refresh_in": st.sampled_from([-10, 0, 1, 1800]),
    "token_type": st.sampled_from(["bearer", "ssh-cert", "pop"]),
    "data": st.sampled_from(
        [{"key_id": "k", "token_type": "ssh-cert"}, {"client_session": "s"}, {"fmi_path": "p"}, {"req_cnf": "c"}]
    ),
}
_PLAIN_APP_TOKEN = {**_PLAIN_TOKEN, "user": None, "client": OTHER_CLIENT}


@st.composite
def _added_tokens(draw: st.DrawFn) -> dict[str, Any]:
    """The plain token of alice or of an application, mostly with something that is not so plain."""
    token = dict(draw(st.sampled_from([_PLAIN_TOKEN, _PLAIN_TOKEN, _PLAIN_APP_TOKEN])))
    for name in draw(st.sets(st.sampled_from(sorted(_OTHER_TOKENS)), max_size=2)):
        token[name] = draw(_OTHER_TOKENS[name])
    return token


_OTHER_QUERIES: dict[str, st.SearchStrategy[Any]] = {
    "client_id": st.sampled_from([CLIENT, OTHER_CLIENT]),
    "tenant": st.sampled_from([OTHER_TENANT, TENANT.upper()]),
    "scopes": st.sampled_from([(GRAPH,), (ARM, GRAPH), (GRAPH, ARM), (ARM.upper(),)]),
    "username": st.sampled_from([ALICE.upper(), BOB, None]),
}


@st.composite
def _queries(draw: st.DrawFn) -> TokenQuery:
    query = draw(st.sampled_from([USER_QUERY, USER_QUERY, APP_QUERY]))
    for name in draw(st.sets(st.sampled_from(sorted(_OTHER_QUERIES)), max_size=1)):
        query = query._replace(**{name: draw(_OTHER_QUERIES[name])})
    return query


# What something else has written: the same entries with one or two values that do not belong there.

_ODD_TIMES = st.sampled_from(
    [str(NOW + 600), NOW + 600, float(NOW + 600), f" {NOW + 600} ", "", "soon", "-1", None, True, "9" * 12, "9" * 5000]
)
_ODD_TOKEN_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "expires_on": _ODD_TIMES,
    "refresh_on": _ODD_TIMES,
    "home_account_id": st.sampled_from(
        [None, "", "oid-of-alice@contoso.example.home", "OID-OF-ALICE@contoso.example.home"]
    ),
    "environment": st.sampled_from([HOST, HOST.upper(), ALIAS, "", None]),
    "client_id": st.sampled_from([CLIENT, CLIENT.upper(), OTHER_CLIENT, None]),
    "realm": st.sampled_from([TENANT, TENANT.upper(), OTHER_TENANT, "organizations", None]),
    "target": st.sampled_from([ARM, ARM.upper(), f"{GRAPH}  {ARM}", f"{ARM} {ARM}", GRAPH, ""]),
    "token_type": st.sampled_from(["Bearer", "bearer", "", None, "pop"]),
    "key_id": st.sampled_from(["k", "", None]),
    "ext_cache_key": st.sampled_from(["k", "", None]),
    "secret": st.sampled_from(["other", "", None, 7]),
}
_ODD_ACCOUNT_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "username": st.sampled_from([ALICE, ALICE.upper(), BOB, "", None, "strasse@contoso.example"]),
    "environment": st.sampled_from([HOST, HOST.upper(), ALIAS]),
    "home_account_id": st.sampled_from(
        ["oid-of-alice@contoso.example.home", "oid-of-bob@contoso.example.home", "x", ""]
    ),
    "authority_type": st.sampled_from(["MSSTS", "ADFS", "CLOUDSHELL", "MSA"]),
    "account_source": st.sampled_from(["broker", "authorization_code", None]),
}
_ABSENT = object()


@st.composite
def _caches(draw: st.DrawFn) -> dict[str, Any]:
    """A cache with what MSAL has put in, of which something may have been changed, doubled or filed elsewhere."""
    cache = msal.SerializableTokenCache()
    for number, token in enumerate(draw(st.lists(_added_tokens(), min_size=1, max_size=3))):
        _add(cache, **{**token, "access_token": f"secret-{number}"})
    sections = _sections(cache)
    for section, odd in (("AccessToken", _ODD_TOKEN_VALUES), ("Account", _ODD_ACCOUNT_VALUES)):
        for key in draw(st.lists(st.sampled_from(sorted(sections.get(section, {})) or [""]), max_size=1)):
            entry = dict(sections.get(section, {}).get(key, {}))
            if not entry:
                continue
            for name in draw(st.sets(st.sampled_from(sorted(odd)), min_size=1, max_size=2)):
                value = draw(st.one_of(odd[name], st.just(_ABSENT)))
                entry.pop(name, None)
                if value is not _ABSENT:
                    entry[name] = value
            # In its place, beside it, or in the place of another one.
            place = draw(st.sampled_from([key, f"{key}-copy", *sorted(sections[section])]))
            sections[section][place] = entry
    return sections


@settings(max_examples=1000)
@given(sections=_caches(), query=_queries())
def test_what_is_found_is_what_msal_returns_without_a_request(
    sections: dict[str, Any], query: TokenQuery, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = _usable(sections, tmp_path_factory)
    found = find_token(cache, query, now=CLOCK)
    event("found" if found else "don't know")
    if found is not None:
        assert found.secret == _msal_finds(cache, query)


@settings(max_examples=300)
@given(token=_added_tokens(), query=_queries())
def test_a_single_token_that_msal_stored_is_found_whenever_msal_returns_it(
    token: dict[str, Any], query: TokenQuery, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Otherwise, finding nothing would always pass. Where MSAL is certain and we are not, there is a reason."""
    cache = _usable(_sections(_cache_with(**token)), tmp_path_factory)
    expected = _msal_finds(cache, query)
    found = find_token(cache, query, now=CLOCK)
    (entry,) = cache["AccessToken"].values()
    has_reason = (
        entry.get("token_type") != "Bearer"
        or "key_id" in entry
        or "ext_cache_key" in entry
        or entry["environment"] != HOST
        # MSAL would ask for a new one first, and return this one if it gets none.
        or int(entry.get("refresh_on", NOW + 60)) < CLOCK
        or not set(query.scopes) <= set(entry["target"].split())
    )
    assert (found and found.secret) == (None if has_reason else expected)


# The plain case, and what makes it uncertain.


def test_a_user_s_token_is_found_with_its_expiry() -> None:
    found = find_token(_sections(_cache_with()), USER_QUERY, now=NOW)
    assert found is not None
    assert (found.secret, found.expires_on) == ("secret", NOW + 3600)


def test_a_service_principal_s_token_is_found() -> None:
    found = find_token(_sections(_cache_with(user=None, client=OTHER_CLIENT)), APP_QUERY, now=NOW)
    assert found is not None
    assert found.secret == "secret"


def test_a_token_with_more_scopes_than_the_query_is_found() -> None:
    assert find_token(_sections(_cache_with(scopes=[GRAPH, ARM, "User.Read"])), USER_QUERY, now=NOW)


def test_the_token_of_another_account_is_no_obstacle() -> None:
    cache = _cache_with()
    _add(cache, user=BOB, client=CLIENT, tenant=TENANT, scopes=[ARM], access_token="of bob")
    found = find_token(_sections(cache), USER_QUERY, now=NOW)
    assert found is not None
    assert found.secret == "secret"


@pytest.mark.parametrize(
    "left, validity, is_found", [(300, 300, True), (299, 300, False), (3599, 3600, False), (60, 1, True)]
)
def test_a_token_is_found_if_it_is_valid_for_as_long_as_requested(left: int, validity: float, is_found: bool) -> None:
    cache = _sections(_cache_with(expires_in=left))
    assert (find_token(cache, USER_QUERY, now=NOW, validity=validity) is not None) == is_found


@pytest.mark.parametrize("later, is_found", [(0, True), (-1, True), (0.5, False), (1, False)])
def test_a_token_that_was_cached_before_is_not_a_new_one(later: float, is_found: bool) -> None:
    since = NOW + later
    cache = _sections(_cache_with())
    assert (find_token(cache, USER_QUERY, now=NOW, cached_since=since) is not None) == is_found


@pytest.mark.parametrize("tenant", ["contoso.example", "organizations", "adfs", "", TENANT + "0"])
def test_only_msal_knows_the_tenant_of_a_domain(tenant: str) -> None:
    cache = _sections(_cache_with(tenant=tenant or "x"))
    assert find_token(cache, TokenQuery(HOST, CLIENT, tenant, (ARM,), ALICE), now=NOW) is None


def test_without_scopes_nothing_is_found() -> None:
    assert find_token(_sections(_cache_with()), TokenQuery(HOST, CLIENT, TENANT, (), ALICE), now=NOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"key_id": "k"}},
        {"data": {"client_session": "s"}},
        {"token_type": "pop"},
        {"refresh_in": -1},
        {"host": ALIAS},
        {"tenant": OTHER_TENANT},
        {"client": OTHER_CLIENT},
        {"scopes": [GRAPH]},
        {"user": BOB},
        {"user": None},
    ],
)
def test_another_token_is_not_the_one(change: dict[str, Any]) -> None:
    assert find_token(_sections(_cache_with(**change)), USER_QUERY, now=NOW) is None


def test_of_two_tokens_with_the_scopes_none_is_found() -> None:
    cache = _cache_with()
    _add(cache, user=ALICE, client=CLIENT, tenant=TENANT, scopes=[ARM, GRAPH], access_token="wider")
    assert find_token(_sections(cache), USER_QUERY, now=NOW) is None


def test_a_user_whose_entries_have_two_names_is_left_to_msal() -> None:
    """MSAL knows an account by its last entry only."""
    sections = _sections(_cache_with())
    (account,) = sections["Account"].values()
    sections["Account"]["in-another-tenant"] = {**account, "realm": OTHER_TENANT, "username": "renamed@contoso.example"}
    assert _msal_finds(sections, USER_QUERY) is None
    assert find_token(sections, USER_QUERY, now=NOW) is None


def test_a_token_in_the_place_of_another_one_is_left_to_msal() -> None:
    """MSAL looks up the key with the scopes first, and trusts it."""
    sections = _sections(_cache_with())
    ((key, entry),) = sections["AccessToken"].items()
    sections["AccessToken"] = {key: {**entry, "target": GRAPH, "secret": "of graph"}, "elsewhere": entry}
    assert _msal_finds(sections, USER_QUERY) == "of graph"
    assert find_token(sections, USER_QUERY, now=NOW) is None


@pytest.mark.parametrize("change", [{"authority_type": "ADFS"}, {"environment": ALIAS}])
def test_accounts_with_rules_of_their_own_are_left_to_msal(change: dict[str, str]) -> None:
    sections = _sections(_cache_with())
    (account,) = sections["Account"].values()
    account.update(change)
    assert find_token(sections, USER_QUERY, now=NOW) is None


def test_a_token_of_an_account_broker_is_found_because_msal_does_not_ask_the_broker_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sections = _sections(_cache_with())
    (account,) = sections["Account"].values()
    account["account_source"] = "broker"
    asked = []
    broker = ModuleType("msal.broker")
    broker._acquire_token_silently = lambda *words, **names: asked.append(words)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msal.broker", broker)
    assert _msal_finds(sections, USER_QUERY, has_broker=True) == "secret"
    assert not asked
    found = find_token(sections, USER_QUERY, now=NOW)
    assert found is not None
    assert found.secret == "secret"
    # The broker is what MSAL asks where there is no valid token.
    for entry in sections["AccessToken"].values():
        entry["expires_on"] = str(NOW + 10)
    _msal_finds(sections, USER_QUERY, has_broker=True)
    assert asked
    assert find_token(sections, USER_QUERY, now=NOW) is None


# Stale tokens, for use where no new one can be obtained.


@pytest.mark.parametrize(
    "change, left, is_found",
    [
        ({}, 3600, True),
        ({"refresh_in": -1}, 3600, True),
        ({}, 60, True),
        ({}, 59, False),
        ({"data": {"key_id": "k"}}, 3600, False),
        ({"data": {"client_session": "s"}}, 3600, False),
        ({"token_type": "pop"}, 3600, False),
        ({"host": ALIAS}, 3600, False),
        ({"tenant": OTHER_TENANT}, 3600, False),
        ({"client": OTHER_CLIENT}, 3600, False),
        ({"scopes": [GRAPH]}, 3600, False),
        ({"user": BOB}, 3600, False),
        ({"user": None}, 3600, False),
    ],
)
def test_a_stale_token_matches_the_query_and_has_not_expired(change: dict[str, Any], left: int, is_found: bool) -> None:
    sections = _sections(_cache_with(**change))
    found = find_stale_token(sections, USER_QUERY, now=NOW + 3600 - left, validity=60)
    assert (found is not None) is is_found


@pytest.mark.parametrize("user", [ALICE, None])
def test_a_token_of_ad_fs_can_be_a_stale_token(user: str | None) -> None:
    sections = _sections(_cache_with(user=user, tenant="adfs"))
    for account in sections.get("Account", {}).values():
        account["authority_type"] = "ADFS"
    query = TokenQuery(HOST, CLIENT, "adfs", (ARM,), user)
    assert find_stale_token(sections, query, now=NOW, validity=1) is not None
    assert find_stale_token(sections, query._replace(tenant=TENANT), now=NOW, validity=1) is None
    assert find_stale_token(sections, query._replace(scopes=()), now=NOW, validity=1) is None


def test_of_several_stale_tokens_the_one_that_expires_last_is_found() -> None:
    cache = _cache_with()
    for name, lifetime in (("longest", 7200), ("short", 60)):
        scopes = [ARM, GRAPH, name]
        _add(cache, user=ALICE, client=CLIENT, tenant=TENANT, scopes=scopes, access_token=name, expires_in=lifetime)
    found = find_stale_token(_sections(cache), USER_QUERY, now=NOW, validity=1)
    assert found is not None
    assert found.secret == "longest"


def test_of_two_users_with_one_name_neither_has_a_stale_token() -> None:
    sections = _sections(_cache_with())
    (account,) = sections["Account"].values()
    sections["Account"]["another"] = {**account, "home_account_id": "another.user"}
    assert find_stale_token(sections, USER_QUERY, now=NOW, validity=1) is None


@example(sections={"AccessToken": {}})
@example(sections={"AccessToken": {"k": {}}, "Account": {"k": {}}})
@given(
    sections=st.dictionaries(
        st.sampled_from(["AccessToken", "Account", "atext"]),
        st.dictionaries(
            st.text(max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["secret", "expires_on", "home_account_id", "username", "target", "realm", "client_id"]
                ),
                st.one_of(st.none(), st.text(max_size=5), st.integers(), st.booleans()),
            ),
            max_size=3,
        ),
    )
)
def test_nonsense_is_neither_a_token_nor_an_error(
    sections: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = _usable(sections, tmp_path_factory)
    assert find_token(cache, USER_QUERY, now=NOW) is None
    assert find_token(cache, APP_QUERY, now=NOW) is None


def test_a_token_is_not_in_its_repr() -> None:
    assert "secret" not in repr(find_token(_sections(_cache_with()), USER_QUERY, now=NOW))
