"""Renewing, and watching over hours of a clock that only pauses move: when what is renewed, and what stays."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from azure.cli.core.azclierror import AzCLIError
from hypothesis import given, settings
from hypothesis import strategies as st

from azext_login.auth.credential import AccessToken
from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.jwt import expiry_of
from azext_login.auth.sources.credential_source import AssertionSource
from azext_login.auth.sources.federated_tokens import FileAssertion
from azext_login.auth.workload.service_principal import ServicePrincipal, ServicePrincipalCredential
from azext_login.errors import AccountError, NotSignedInError, ServiceUnreachableError
from azext_login.profile.model import Account
from azext_login.resource_manager.resources import Subscription
from azext_login.usecases.renew_tokens import Renewal, RenewedToken, renew, watch
from azext_login.usecases.rows import row_of
from azext_login.usecases.session import Session
from tests.users import ALICE

APP, TENANT = "0c1f0a3e-app", "6f2d-tenant"
ARM, VAULT, GRAPH = (f"https://{name}.example/.default" for name in ("arm", "vault", "graph"))
WORKLOAD = Account(APP, "servicePrincipal")
START = 1_800_000_000.0
# MSAL takes an access token for expired that has less left.
MSAL_WANTS = 300
SUBSCRIPTION = Subscription("id-1", "Production", "Enabled", TENANT)


def _assertion(issued_at: float, ends: float) -> str:
    parts = ({"alg": "RS256"}, {"iat": int(issued_at), "exp": int(ends)}, "signature")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


@functools.cache
def _end_of(assertion: str) -> float:
    return expiry_of(assertion) or 0


@dataclass
class World:
    """A machine, its stored tokens, and the services that it gets new ones from.

    It stands where a session does: `clients` and `settings` are itself.
    """

    assertion_lifetime: int = 300
    token_lifetime: int = 3600
    principal: ServicePrincipal | None = None
    account: Account = WORKLOAD
    now: float = START
    pauses: list[float] = field(default_factory=list)
    cache: dict[str, dict[str, str]] = field(default_factory=dict)
    """Access tokens by their scopes, as MSAL caches them."""
    asked: list[str] = field(default_factory=list)
    fetched: int = 0
    refused: set[str] = field(default_factory=set)
    """Scopes for which there is no token."""
    down: bool = False
    """Whether the source of federated tokens does not answer."""
    arm_scopes: tuple[str, ...] = (ARM,)

    @property
    def clients(self) -> World:
        return self

    settings = token_cache = clients

    @property
    def session(self) -> Session:
        return cast(Session, self)

    @property
    def row(self) -> dict[str, Any]:
        return row_of(SUBSCRIPTION, self.account, "AzureCloud")

    def sign_in(self, source: AssertionSource, *scopes: str) -> World:
        """Sign the service principal in, and use these scopes."""
        first = _assertion(self.now, self.now + self.assertion_lifetime)
        self.principal = ServicePrincipal(APP, TENANT, "federated token", assertion=first, source=source)
        for scope in scopes:
            self.store(scope)
        return self

    def store(self, scopes: str, *, ended: float = 0) -> None:
        """Cache an access token that begins now, or one that `ended` seconds ago."""
        began = self.now - ended - self.token_lifetime if ended else self.now
        self.cache[scopes] = {
            "target": scopes,
            "cached_at": str(int(began)),
            "expires_on": str(int(began) + self.token_lifetime),
        }

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    @property
    def assertion_left(self) -> float:
        assert self.principal
        assert self.principal.assertion
        return _end_of(self.principal.assertion) - self.now

    def left(self, scopes: str) -> float:
        return int(self.cache[scopes]["expires_on"]) - self.now

    # What `renew` asks of a session's services

    def access_tokens(self, name: str, tenant: str, *, client_id: str) -> list[dict[str, str]]:
        assert (name, tenant) == (self.account.name, TENANT)
        assert client_id == (AZURE_CLI_CLIENT_ID if self.account.is_user else name)
        return list(self.cache.values())

    @contextmanager
    def stored_tokens(self, *, leave_out: Callable[[Mapping[str, Any]], bool]) -> Iterator[Applications]:
        kept = {scopes for scopes, entry in self.cache.items() if not leave_out(entry)}
        yield Applications(self, kept)

    def stored_principal(self, row: Mapping[str, Any]) -> ServicePrincipal:
        if self.principal is None:
            raise NotSignedInError("Nothing is stored.", next_step="Run `az login`.")
        return self.principal

    def service_principal_credential(
        self, principal: ServicePrincipal, applications: Applications
    ) -> ServicePrincipalCredential:
        def keep(assertion: str) -> None:
            self.principal = replace(principal, assertion=assertion)

        return ServicePrincipalCredential(
            cast(Any, applications),
            principal,
            authority="https://login.example",
            http=lambda: cast(Any, None),
            on_assertion=keep,
            clock=self.clock,
            environ={},
        )

    def user_credential(self, account: Account, applications: Applications) -> Applications:
        return applications


@dataclass
class Applications:
    """MSAL's applications of one command, with the tokens of the stored ones that it may use."""

    world: World
    kept: set[str]
    proof: Any = None

    def build_confidential(self, client_id: str, proof: Any, tenant: str) -> Applications:
        return replace(self, proof=proof)

    def acquire_token_for_client(self, scopes: list[str], claims_challenge: str | None) -> dict[str, Any]:
        return self._acquire(" ".join(scopes))

    def token(self, scopes: tuple[str, ...], *, tenant: str) -> AccessToken:
        """Stand in for a user's credential."""
        return AccessToken.from_result(self._acquire(" ".join(scopes)), now=self.world.now)

    def _acquire(self, scopes: str) -> dict[str, Any]:
        world = self.world
        if scopes in self.kept and world.left(scopes) >= MSAL_WANTS:
            return {"access_token": "cached", "expires_in": int(world.left(scopes))}
        if callable((self.proof or {}).get("client_assertion")):
            assert _end_of(self.proof["client_assertion"]()) > world.now
        world.asked.append(scopes)
        if scopes in world.refused:
            return {"error": "invalid_scope", "error_description": "no"}
        world.store(scopes)
        return {"access_token": "new", "expires_in": world.token_lifetime}


@dataclass(frozen=True)
class Service(AssertionSource):
    """A build system's service for federated tokens."""

    world: World

    def fetch_assertion(self, *, http: Any, environ: Mapping[str, str]) -> str:
        if self.world.down:
            raise ServiceUnreachableError("The service does not answer.")
        self.world.fetched += 1
        return _assertion(self.world.now, self.world.now + self.world.assertion_lifetime)

    def to_json(self) -> dict[str, Any]:
        return {"type": "github", "audience": "x"}


def _signed_in(*scopes: str, **world: Any) -> World:
    made = World(**world)
    return made.sign_in(Service(made), *scopes)


@dataclass
class Watched:
    """What a watch reported, and when."""

    world: World
    rounds: list[tuple[float, Renewal]] = field(default_factory=list)
    failures: list[tuple[float, AzCLIError, float]] = field(default_factory=list)

    def run(self, seconds: float, *, meanwhile: Callable[[], None] = lambda: None) -> Renewal | None:
        """Watch for so long. `meanwhile` is called after every step of a pause."""
        world, end = self.world, self.world.now + seconds

        def sleep(step: float) -> None:
            world.sleep(step)
            meanwhile()

        return watch(
            world.session,
            world.row,
            report=lambda renewal: self.rounds.append((world.now, renewal)),
            report_failure=lambda error, pause: self.failures.append((world.now, error, pause)),
            is_stopped=lambda: world.now >= end,
            clock=world.clock,
            sleep=sleep,
        )


# One round


def test_a_round_renews_the_federated_token_and_every_token_in_use() -> None:
    world = _signed_in(ARM, VAULT)
    world.now += 100
    renewal = renew(world.session, world.row, clock=world.clock)
    assert (world.assertion_left, world.left(ARM), world.left(VAULT)) == (300, 3600, 3600)
    assert renewal.assertion_expires_on == world.now + 300
    ends = int(world.now) + 3600
    assert renewal.tokens == (RenewedToken((ARM,), ends), RenewedToken((VAULT,), ends))
    assert (renewal.account, renewal.tenant, renewal.failures) == (world.account, TENANT, ())


def test_a_token_that_expired_more_than_an_hour_ago_is_not_renewed() -> None:
    world = _signed_in(ARM)
    world.store(VAULT, ended=3601)
    world.store(GRAPH, ended=3599)
    renew(world.session, world.row, clock=world.clock)
    assert world.asked == [ARM, GRAPH]


def test_without_a_token_in_use_there_is_one_for_resource_manager_afterwards() -> None:
    world = _signed_in()
    renew(world.session, world.row, clock=world.clock)
    assert world.asked == [ARM]


def test_a_scope_that_is_refused_keeps_its_old_token_and_does_not_keep_others_from_being_renewed() -> None:
    world = _signed_in(VAULT, ARM, refused={VAULT})
    world.now += 100
    renewal = renew(world.session, world.row, clock=world.clock)
    assert [token.scopes for token in renewal.tokens] == [(ARM,)]
    (failure,) = renewal.failures
    assert failure.scopes == (VAULT,)
    assert "no" in str(failure.error)
    assert (world.left(VAULT), world.left(ARM)) == (3500, 3600)


def test_the_round_fails_and_everything_stays_if_no_federated_token_can_be_fetched() -> None:
    world = _signed_in(ARM, down=True)
    before = world.principal, dict(world.cache)
    with pytest.raises(ServiceUnreachableError):
        renew(world.session, world.row, clock=world.clock)
    assert (world.principal, world.cache) == before


def test_a_federated_token_without_a_source_stays_as_it_is() -> None:
    world = _signed_in(ARM)
    assert world.principal
    world.principal = replace(world.principal, source=None)
    before = world.principal
    renewal = renew(world.session, world.row, clock=world.clock)
    assert world.principal == before
    assert renewal.assertion_expires_on == START + 300
    assert not renewal.has_source
    assert world.asked == [ARM]


def test_the_watch_fails_with_an_expired_federated_token_without_a_source() -> None:
    world = _signed_in(ARM)
    assert world.principal
    world.principal = replace(world.principal, source=None)
    with pytest.raises(NotSignedInError, match="its source is not known") as ended:
        Watched(world).run(4000)
    assert world.now >= START + 300
    assert "az login --service-principal --username 0c1f0a3e-app --federated-token=@FILE" in str(
        ended.value.recommendations
    )


def test_the_watch_fails_with_a_secret_that_was_not_stored() -> None:
    world = World(principal=ServicePrincipal(APP, TENANT, "client secret"))
    world.store(ARM)
    with pytest.raises(NotSignedInError, match="client secret was not stored"):
        renew(world.session, world.row, clock=world.clock)
    with pytest.raises(NotSignedInError, match="client secret was not stored"):
        Watched(world).run(60)
    assert (world.asked, world.left(ARM)) == ([], 3600)


def test_only_scopes_that_can_be_requested_are_requested_for_a_user() -> None:
    world = World(account=Account("alice@contoso.example"))
    world.store("https://arm.example/user_impersonation https://arm.example/.default")
    world.store("email openid profile https://graph.example/User.Read")
    world.store("openid profile offline_access")
    renewal = renew(world.session, world.row, clock=world.clock)
    assert world.asked == ["https://arm.example/.default", "https://graph.example/User.Read"]
    assert renewal.assertion_expires_on is None


@pytest.mark.parametrize(
    "account",
    [
        Account("systemAssignedIdentity", "servicePrincipal", {"assignedIdentityInfo": "MSI"}),
        Account(ALICE, details={"cloudShellID": True}),
    ],
)
def test_there_is_nothing_to_renew_where_the_machine_has_the_tokens(account: Account) -> None:
    world = World(account=account)
    with pytest.raises(AccountError, match="nothing to renew"):
        renew(world.session, world.row)
    with pytest.raises(AccountError, match="nothing to renew"):
        Watched(world).run(60)
    assert world.pauses == []


# How long a pause is


@given(
    st.lists(st.integers(1, 100_000), max_size=4),
    st.none() | st.integers(1, 100_000),
    st.booleans(),
)
def test_a_pause_ends_before_anything_else_does_and_has_its_bounds(
    tokens: list[int], assertion: int | None, reads_file: bool
) -> None:
    renewal = Renewal(
        Account(APP),
        TENANT,
        None if assertion is None else START + assertion,
        reads_file,
        True,
        tuple(RenewedToken((ARM,), int(START) + left) for left in tokens),
    )
    pause = renewal.pause(START)
    longest = 30 if reads_file else 300
    assert 5 <= pause <= longest
    lifetimes = [*tokens, *([] if assertion is None else [assertion])]
    if min(lifetimes, default=100_000) > 5:
        assert pause < min(lifetimes, default=100_000)
    # No more often than it takes.
    assert pause >= min([longest, *(lifetime / 2 for lifetime in lifetimes)])


# Watching


@settings(max_examples=40)
@given(st.integers(11, 4000), st.integers(11, 5000), st.data())
def test_whatever_the_lifetimes_nothing_ends_while_a_watch_runs(
    assertion: int, token: int, data: st.DataObject
) -> None:
    world = _signed_in(ARM, VAULT, assertion_lifetime=assertion, token_lifetime=token)
    # The sign-in may be a while ago.
    world.now += data.draw(st.floats(0, min(assertion, token) - 10))
    has_begun: list[bool] = []

    def check() -> None:
        if not has_begun:
            assert world.fetched, "the first round comes first"
            has_begun.append(True)
        assert world.assertion_left > 0
        for scopes in (ARM, VAULT):
            assert world.left(scopes) > (MSAL_WANTS if token > 2 * MSAL_WANTS else 0)

    Watched(world).run(2.5 * max(assertion, token), meanwhile=check)


def test_what_has_most_of_its_lifetime_left_is_not_asked_for_again() -> None:
    world = _signed_in(ARM, VAULT, assertion_lifetime=3600)
    watched = Watched(world)
    asked_at: list[float] = []

    def note() -> None:
        asked_at.extend([world.now - START] * (len(world.asked) + world.fetched - 3 - len(asked_at)))

    watched.run(4000, meanwhile=note)
    # The first round that finds less than half of an hour left renews the two tokens and the federated one.
    assert [when - START for when, _ in watched.rounds] == list(range(0, 4000, 300))
    assert asked_at == [2100.5] * 3
    assert {renewal.assertion_expires_on for _, renewal in watched.rounds[:7]} == {START + 3600}


def test_a_scope_that_comes_into_use_while_a_watch_runs_is_renewed_as_well() -> None:
    world = _signed_in(ARM, assertion_lifetime=60, token_lifetime=60)

    def ask() -> None:
        if world.now == START + 40:
            world.store(VAULT)

    Watched(world).run(300, meanwhile=ask)
    assert world.left(VAULT) > 0
    assert VAULT in world.asked


def test_a_file_is_read_in_every_round_and_a_round_is_every_half_minute_at_least(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(_assertion(START, START + 3600), encoding="ascii")
    world = World(assertion_lifetime=3600).sign_in(FileAssertion(file), ARM)

    def rotate() -> None:
        if world.now == START + 10:
            file.write_text(_assertion(world.now, world.now + 7200), encoding="ascii")

    watched = Watched(world)
    watched.run(31, meanwhile=rotate)
    assert [when - START for when, _ in watched.rounds] == [0, 30]
    assert world.assertion_left == START + 10 + 7200 - world.now
    assert world.asked == [ARM]


def test_a_round_that_fails_is_tried_again_soon_and_then_less_often() -> None:
    world = _signed_in(ARM)
    watched = Watched(world)

    def break_down() -> None:
        world.down = START + 100 < world.now < START + 500 or START + 600 < world.now < START + 680

    watched.run(800, meanwhile=break_down)
    assert [(when - START, pause) for when, _, pause in watched.failures] == [
        (150, 5),
        (155, 10),
        (165, 20),
        (185, 40),
        (225, 60),
        (285, 60),
        (345, 60),
        (405, 60),
        (465, 60),
        # After a round that went well, the next failure is the first one again.
        (675, 5),
    ]
    assert all("does not answer" in str(error) for _, error, _ in watched.failures)
    assert [when - START for when, _ in watched.rounds] == [0, 525, 680]


@pytest.mark.parametrize(
    ("assertion_lifetime", "rounds"), [(3600, [0, 5, 15, 35, 75]), (60, [0, 5, 15, 35, 65, 95, 125])]
)
def test_one_scope_that_fails_is_tried_again_without_the_others_being_asked_for_or_coming_late(
    assertion_lifetime: int, rounds: list[float]
) -> None:
    world = _signed_in(VAULT, assertion_lifetime=assertion_lifetime, refused={VAULT})
    world.now += 3000
    world.sign_in(Service(world), ARM)
    watched = Watched(world)
    watched.run(130, meanwhile=lambda: _assert_positive(world.assertion_left))
    assert [when - START - 3000 for when, _ in watched.rounds] == rounds
    assert world.asked.count(ARM) == 1


def _assert_positive(value: float) -> None:
    assert value > 0


def test_a_watch_ends_when_the_account_has_signed_out() -> None:
    world = _signed_in(ARM)

    def sign_out() -> None:
        if world.now == START + 20:
            world.principal = None
            world.cache.clear()

    watched = Watched(world)
    with pytest.raises(NotSignedInError):
        watched.run(1000, meanwhile=sign_out)
    assert world.now == START + 150
    assert (len(watched.rounds), watched.failures, world.cache) == (1, [], {})


def test_a_watch_stops_within_half_a_second_and_returns_what_it_did_last() -> None:
    world = _signed_in(ARM)
    watched = Watched(world)
    last = watched.run(170.2)
    assert world.now == START + 170.5
    assert [renewal for _, renewal in watched.rounds][-1] is last
    assert last is not None
    assert last.assertion_expires_on == START + 150 + 300
    assert max(world.pauses) == 0.5


def test_a_watch_that_is_stopped_before_it_begins_does_nothing() -> None:
    world = _signed_in(ARM)
    assert Watched(world).run(0) is None
    assert (world.fetched, world.asked, world.pauses) == (0, [], [])


def test_a_watch_whose_every_round_failed_has_nothing_to_return() -> None:
    world = _signed_in(ARM, down=True)
    watched = Watched(world)
    assert watched.run(20) is None
    assert [pause for _, _, pause in watched.failures] == [5, 10, 20]
