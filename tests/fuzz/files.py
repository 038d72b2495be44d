"""Targets that are files: of the config directory, of a working directory, and those that other programs keep."""

from __future__ import annotations

import json
import pickle
import time
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import msal
from msal.throttled_http_client import NormalizedResponse

from azext_login import host_index
from azext_login.auth.entra.application import authority_errors
from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.sources.federated_tokens import FileAssertion, check_assertion
from azext_login.auth.sources.registry import restore_source
from azext_login.auth.storage.cached_token import TokenQuery, find_stale_token, find_token
from azext_login.auth.storage.msal_http_cache import HttpCache
from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
from azext_login.auth.storage.single_flight import Answer, SingleFlight
from azext_login.auth.storage.token_cache import TokenCache, only_identity, without_identity
from azext_login.auth.workload.certificates import certificate_in
from azext_login.profile.choice import Choice, choice_from, find_choice
from azext_login.profile.choosers import FILE_NAME
from azext_login.profile.chosen_view import apply_choice, find_subscription
from azext_login.profile.clouds import CloudConfig
from azext_login.profile.context_file import find_context_file
from azext_login.profile.contexts import context_of, find_context, read_contexts, with_context, without_context
from azext_login.profile.model import Account
from azext_login.profile.state import ProfileState
from azext_login.profile.store import ProfileStore
from azext_login.profile.subscriptions import remove_account, sign_in
from azext_login.resource_manager.resources import Subscription
from azext_login.system.command_line import AZ_LOGIN
from azext_login.usecases.every_command import update_index
from azext_login.usecases.rows import row_of
from tests.fuzz.answers import ACCESS_TOKEN, CLAIMS, FAR, HOST, OBJECT, OTHER_TENANT, SUBSCRIPTION, TENANT, build_public
from tests.fuzz.mutate import Mutator, token_of
from tests.fuzz.place import Place, Wire
from tests.fuzz.run import RefusedError, Target
from tests.unit.auth.workload.certificates import NOW, issue
from tests.users import ALICE, BOB

CLOUD = "LocalCloud"
_HOME = f"{OBJECT}.{TENANT}"


def _row(subscription: str, name: str, user: str) -> dict[str, Any]:
    details = {"homeTenantId": TENANT, "tenantDefaultDomain": "contoso.example", "managedByTenants": []}
    return row_of(Subscription(subscription, name, "Enabled", TENANT, details), Account(user), CLOUD)


def profile() -> dict[str, Any]:
    """Return an azureProfile.json with two accounts and a context."""
    own = _row(SUBSCRIPTION, "Development", ALICE)
    state = ProfileState(
        rows=[{**own, "isDefault": True}, _row(OTHER_TENANT, "Production", ALICE)],
        shadowed=[_row(SUBSCRIPTION, "Development", BOB)],
        contexts=with_context([], context_of("work", own)),
        allowed={"/work": "work"},
    )
    document: dict[str, Any] = {"installationId": "x", "x-tool": {"a": 1}}
    state.write_to(document, 3)
    return document


def _stored(mutate: Mutator, here: Place) -> object:
    """Read, repair and change azureProfile.json and its last good copy."""
    sample, good = profile(), profile()
    both = mutate.choose(0, 1, 2)
    content = mutate.json(sample) if both != 1 else json.dumps(sample).encode()
    copy = {"generation": 3, "profile": good}
    (here.folder / "azureProfile.json").write_bytes(content)
    if both:
        (here.folder / "login_last_good.json").write_bytes(mutate.json(copy))

    def store() -> ProfileStore:
        return ProfileStore(here.config_dir, active_cloud=CLOUD, sleep=lambda seconds: None)

    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        # The host replaces what it cannot read.
        document = {}
    state = store().read(document)
    rows = state.all_rows()
    for choice in (Choice(ALICE), Choice(None, SUBSCRIPTION), Choice(None, "Development")):
        _apply(state, choice)
    with store().change() as state:
        sign_in(state, [_row(SUBSCRIPTION, "Development", ALICE)])
    with store().change() as state:
        remove_account(state, BOB)
    store().purge(BOB)
    written = (here.folder / "azureProfile.json").read_bytes()
    for row in json.loads(written.decode("utf-8"))["subscriptions"]:
        assert all(isinstance(row[name], str) for name in ("id", "name", "tenantId", "environmentName"))
    return rows


def _apply(state: ProfileState, choice: Choice) -> None:
    from azure.cli.core.azclierror import AzCLIError

    try:
        view = apply_choice(state, choice, CLOUD)
        find_subscription(view.state, view.rows, "Development")
    except AzCLIError:
        # It names nothing any more, or several rows.
        return


def _clouds(mutate: Mutator, here: Place) -> object:
    sample = b"[LocalCloud]\nendpoint_resource_manager = https://localhost:8443\nsubscription = 1\n\n"
    sample += b"[AzureCloud]\nx = 50%\n\n"
    (here.folder / "clouds.config").write_bytes(mutate.octets(sample))
    if mutate.chance(3):
        (here.folder / "login_last_good_clouds.config").write_bytes(mutate.octets(b"# active: LocalCloud\n" + sample))
    clouds = CloudConfig(here.config_dir, sleep=lambda seconds: None)
    clouds.registered(CLOUD)
    clouds.store_choice(CLOUD, SUBSCRIPTION)
    clouds.forget([SUBSCRIPTION])
    return clouds


def token_cache_content() -> dict[str, Any]:
    """Return a token cache with the tokens of one account."""
    common = {"home_account_id": _HOME, "environment": "login.contoso.example", "client_id": AZURE_CLI_CLIENT_ID}
    target = "https://management.contoso.example/.default"
    key = f"{_HOME}-login.contoso.example-accesstoken-{AZURE_CLI_CLIENT_ID}-{TENANT}-{target}".lower()
    return {
        "AccessToken": {
            key: {
                **common, "credential_type": "AccessToken", "secret": ACCESS_TOKEN, "realm": TENANT, "target": target,
                "token_type": "Bearer", "cached_at": "1700000000", "expires_on": str(FAR),
                "extended_expires_on": str(FAR),
            }
        },
        "RefreshToken": {"r": {**common, "credential_type": "RefreshToken", "secret": "0.x", "target": target}},
        "IdToken": {"i": {**common, "credential_type": "IdToken", "secret": token_of(CLAIMS), "realm": TENANT}},
        "Account": {
            "a": {**common, "realm": TENANT, "username": ALICE, "authority_type": "MSSTS", "local_account_id": OBJECT}
        },
        "AppMetadata": {"m": {"client_id": AZURE_CLI_CLIENT_ID, "environment": "x", "family_id": "1"}},
    }  # fmt: skip


def _token_cache(mutate: Mutator, here: Place) -> object:
    """Read tokens with and without MSAL, and change the file."""
    (here.folder / "msal_token_cache.json").write_bytes(mutate.json(token_cache_content()))

    def cache() -> TokenCache:
        return TokenCache(here.config_dir, encrypt=False, sleep=lambda seconds: None)

    usable = cache().usable()
    query = TokenQuery("login.contoso.example", AZURE_CLI_CLIENT_ID, TENANT,
                       ("https://management.contoso.example/.default",), ALICE)  # fmt: skip
    found = find_token(usable, query, now=here.now) or find_stale_token(usable, query, now=here.now, validity=60)
    cache().access_tokens(ALICE, TENANT, client_id=AZURE_CLI_CLIENT_ID)
    cache().user_names()
    cache().home_account_of(ALICE)
    cache().can_renew(ALICE, client_id=AZURE_CLI_CLIENT_ID)
    only_identity(without_identity(usable, BOB), ALICE)
    tokens = msal.SerializableTokenCache()
    tokens.deserialize(json.dumps(usable))
    application = here.once("confidential", lambda: build_public(here))
    application.token_cache = tokens
    with authority_errors(HOST):
        accounts = application.get_accounts(ALICE)
    here.serve(lambda method, url: Wire(b"{}", 400))
    for account in accounts:
        with authority_errors(HOST):
            application.acquire_token_silent(list(query.scopes), account)
    cache().commit({}, token_cache_content())
    cache().forget(ALICE)
    if found is None:
        raise RefusedError
    return found


def _service_principals(mutate: Mutator, here: Place) -> object:
    """Read the entries, with where they get their next credential, and change the file."""
    entries = [
        {"client_id": OBJECT, "tenant": TENANT, "client_secret": "x"},
        {
            "client_id": SUBSCRIPTION, "tenant": TENANT, "client_assertion": token_of({"exp": FAR}),
            "azextLogin": {"assertionSource": {"type": "named", "name": "command", "arguments": {"command": "x y"}}},
        },
        {"client_id": OTHER_TENANT, "tenant": TENANT, "client_assertion_callback": "get-token",
         "azextLogin": {"assertion": "x"}},
    ]  # fmt: skip
    (here.folder / "service_principal_entries.json").write_bytes(mutate.json(entries))
    store = ServicePrincipalEntries(here.config_dir, encrypt=False, sleep=lambda seconds: None)
    store.client_ids()
    found = store.entries_of(OBJECT, [TENANT])
    for entry in (*found, *store.entries_of(SUBSCRIPTION, [TENANT])):
        own = entry.get("azextLogin")
        restore_source(own.get("assertionSource") if isinstance(own, dict) else None, owner=None)
    store.has_credential(OBJECT, TENANT)
    store.renew_assertion(SUBSCRIPTION, TENANT, token_of({"exp": FAR}))
    with store.saving({"client_id": "new", "tenant": TENANT, "client_secret": "x"}):
        pass
    entry = store.find(OBJECT, TENANT)
    store.find_assertion(OBJECT, TENANT)
    store.forget(OBJECT)
    return entry


def _http_cache(mutate: Mutator, here: Place) -> object:
    def content() -> bytes:
        answer = NormalizedResponse(SimpleNamespace(status_code=200, text='{"token_endpoint": "x"}', headers={}))
        key = f"GET {HOST}/{TENANT}/v2.0/.well-known/openid-configuration hash=1 2xx"
        return pickle.dumps({key: answer, "_index_": ([[FAR, 1, key]], {key: [FAR, 1]})})

    (here.folder / "msal_http_cache.bin").write_bytes(mutate.octets(here.once("pickle", content)))
    cache = HttpCache(here.config_dir)
    answers = cache.load()
    cache.save()
    HttpCache(here.config_dir).purge_names()
    if not answers:
        raise RefusedError
    return answers


def _single_flight(mutate: Mutator, here: Place) -> object:
    """Read what another process has recorded about a request."""
    key = "request"
    with SingleFlight(here.config_dir, key) as flight:
        flight.share_answer(Answer(3600, 300, False), here.now)
    (file,) = (here.folder).glob("*/*.json")
    sample = json.loads(file.read_bytes())
    if mutate.choose(0, 1):
        sample = {"at": here.now, "kind": "SignInError", "message": "refused", "next_step": "Run it.", "reason": "x"}
    file.write_bytes(mutate.json(sample))
    outcome = flight.outcome_since(here.now - 1, time.time() + 1)
    if isinstance(outcome, Exception):
        raise outcome
    if outcome is None:
        raise RefusedError
    return outcome


def _context_file(mutate: Mutator, here: Place) -> object:
    """Find the context of a directory, and apply it."""
    (here.folder / FILE_NAME).write_bytes(mutate.octets(b"work\n"))
    file = find_context_file(str(here.folder), str(here.folder))
    assert file is not None
    state = ProfileState.of(profile())
    allowed = {file.key: mutate.plain("work") if mutate.chance(5) else "work"}
    choice = find_choice({}, lambda: (state.contexts, allowed), lambda: file)
    if choice.refused or not choice.chosen:
        raise RefusedError
    apply_choice(state, choice, CLOUD)
    return choice


def _context_variable(mutate: Mutator, here: Place) -> object:
    """Apply what the variables and the stored contexts choose."""
    document = profile()
    contexts = (
        mutate.plain(document["azextLogin"]["contexts"]) if mutate.chance(2) else document["azextLogin"]["contexts"]
    )
    document["azextLogin"]["contexts"] = contexts
    state = ProfileState.of(document)
    environ = {"AZURE_LOGIN_CONTEXT": mutate.text("work")}
    if mutate.chance(3):
        environ = {"AZURE_LOGIN_ACCOUNT": mutate.text(ALICE), "AZURE_LOGIN_SUBSCRIPTION": mutate.text("Development")}
    choice = find_choice(environ, lambda: (state.contexts, state.allowed), lambda: None)
    choice_from(environ)
    for context in read_contexts(state.contexts):
        with_context(without_context(state.contexts, context.name), context, replaces=context.name)
        find_context(state.contexts, context.name)
    view = apply_choice(state, choice, CLOUD)
    if choice.chosen and choice.chosen.context is None:
        raise RefusedError
    return view


def _index(mutate: Mutator, here: Place) -> object:
    """Read and change the host's command index."""
    import azure.cli.core as core
    from azure.cli.core import _session

    words = {"vm": ["azure.cli.command_modules.vm"], "group": ["azure.cli.command_modules.resource"]}
    words |= {word: ["azure.cli.command_modules.profile", host_index.OWN_MODULE] for word in host_index.OWN_WORDS}
    content = mutate.json({"version": core.__version__, "cloudProfile": "latest", "commandIndex": words})
    file = here.folder / "extensionIndex.json"
    file.write_bytes(content)
    context = SimpleNamespace(
        cloud=SimpleNamespace(profile="latest"),
        config=SimpleNamespace(get=lambda section, name, fallback: "on"),
        invocation=SimpleNamespace(data={}),
        data={},
    )
    index = _session.Session()
    with (
        mock.patch.dict("os.environ", {"AZURE_CONFIG_DIR": str(here.folder)}),
        mock.patch.object(_session, "EXTENSION_INDEX", index),
    ):
        try:
            index.load(str(file))
        except (OSError, ValueError, TypeError, RecursionError, AttributeError) as error:
            # The host itself fails before it loads any extension.
            raise RefusedError from error
        for args in (["vm", "list"], ["login"], ["group"]):
            host_index.needs_our_commands(context, args)
        update_index(context)
        found = host_index.words_in(index.data, context)
    if not host_index.is_listed(found, "vm"):
        raise RefusedError
    return found


def _assertion_file(mutate: Mutator, here: Place) -> object:
    token = mutate.token({"iss": "https://issuer.example", "exp": FAR}) if mutate.chance(2) else token_of({"exp": FAR})
    file = here.folder / "token"
    file.write_bytes(mutate.octets(token.encode("utf-8", "surrogatepass")))
    assertion = FileAssertion(file).fetch_assertion(http=here.http, environ={})
    check_assertion(assertion, here.now)
    return assertion


def _certificate(mutate: Mutator, here: Place) -> object:
    """Read a certificate that a plug-in gave."""
    return certificate_in(mutate.octets(_pem()).decode("utf-8", "replace"), "x", now=NOW.timestamp(), command=AZ_LOGIN)


@cache
def _pem() -> bytes:
    identity = issue("fuzz")
    return (identity.key_pem() + identity.pem).encode()


TARGETS = (
    Target("profile", _stored, 2),
    Target("clouds", _clouds, 2),
    Target("token-cache", _token_cache, 2),
    Target("service-principals", _service_principals, 2),
    Target("http-cache", _http_cache, 4),
    Target("single-flight", _single_flight, 4, quotes=True),
    Target("context-file", _context_file, 6),
    Target("context-variable", _context_variable, 6, quotes=True),
    Target("command-index", _index, 4),
    Target("assertion-file", _assertion_file, 6),
    Target("certificate", _certificate, 1),
)
