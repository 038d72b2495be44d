"""How many requests are sent for tokens of one account, and for how long an answer is the answer to everybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from azext_login.auth.credential import AccessToken
from azext_login.errors import NotSignedInError, ServiceUnreachableError
from azext_login.profile.model import SubscriptionRow
from azext_login.system.directory import PrivateDirectory
from azext_login.usecases.get_token import TokenOutcome, TokenRequest
from azext_login.usecases.session import Session
from azext_login.usecases.token_endpoint.supply import Outcome, PendingOutcome, TokenSupply

VAULT = "https://vault.azure.net"
ARM = "https://management.azure.com"
ROW: SubscriptionRow = {
    "id": "1", "tenantId": "contoso", "environmentName": "AzureCloud",
    "user": {"name": "alice@contoso.com", "type": "user"},
}  # fmt: skip
UNREACHABLE = ServiceUnreachableError("The sign-in service cannot be reached.")


class _Session:
    """What a supply reads of a session."""

    def __init__(self, directory: Path, rows: list[SubscriptionRow]):
        self.settings = SimpleNamespace(cloud="AzureCloud")
        self.config_dir = PrivateDirectory(directory)
        self._rows = rows

    def state(self) -> Any:
        return SimpleNamespace(all_rows=lambda: list(self._rows))

    @contextmanager
    def hold_events(self, afterwards: ExitStack) -> Iterator[None]:
        yield


class _Service:
    """A sign-in service that answers when it is told to, and a clock."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.rows = [ROW]
        self.now = 1000.0
        self.requests: list[TokenRequest] = []
        self.arrived = threading.Semaphore(0)
        self.answers = threading.Event()
        self.answers.set()
        self.answer: Callable[[], TokenOutcome] = self.issue
        self.lifetime = 3600
        self.refresh_after: int | None = None
        self.ended = threading.Condition()

    def issue(self) -> TokenOutcome:
        refresh_on = None if self.refresh_after is None else int(self.now) + self.refresh_after
        return TokenOutcome(AccessToken(f"token {len(self.requests)}", int(self.now) + self.lifetime, refresh_on))

    def request_token(
        self, session: Session, row: SubscriptionRow, request: TokenRequest, *, clock: Callable[[], float]
    ) -> TokenOutcome:
        self.requests.append(request)
        self.arrived.release()
        assert self.answers.wait(60)
        return self.answer()

    def supply(self, *, sessions: int = 2, **options: Any) -> TokenSupply:
        made = [cast(Session, _Session(self.directory, self.rows)) for _ in range(sessions)]
        return TokenSupply(
            made, ROW, on_outcome=self._tell, clock=lambda: self.now, request_token=self.request_token, **options
        )

    def _tell(self) -> None:
        with self.ended:
            self.ended.notify_all()

    def wait_for(self, pending: PendingOutcome) -> Outcome:
        with self.ended:
            outcome = self.ended.wait_for(lambda: pending.outcome, 60)
        assert outcome is not None
        return outcome

    def change(self, name: str, text: str) -> None:
        """Do what another process does that signs an account in or out."""
        (self.directory / name).write_text(text)


@pytest.fixture
def service(tmp_path: Path) -> _Service:
    return _Service(tmp_path)


def _outcome(service: _Service, supply: TokenSupply, resource: str = VAULT) -> Outcome:
    found = supply.ask(resource)
    return service.wait_for(found) if isinstance(found, PendingOutcome) else found


def _token(service: _Service, supply: TokenSupply, resource: str = VAULT) -> str:
    outcome = _outcome(service, supply, resource)
    assert outcome.token is not None, outcome
    return outcome.token.secret


def test_all_who_wait_for_a_resource_share_one_request(service: _Service) -> None:
    service.answers.clear()
    supply = service.supply()
    first, second = supply.ask(VAULT), supply.ask(VAULT)
    assert isinstance(first, PendingOutcome)
    assert first is second
    assert first.outcome is None
    assert supply.ask(ARM) is not first
    service.answers.set()
    assert _token(service, supply) == _token(service, supply)
    _token(service, supply, ARM)
    assert sorted(request.scopes[0] for request in service.requests) == [f"{ARM}/.default", f"{VAULT}/.default"]


def test_no_more_requests_run_at_the_same_time_than_there_are_sessions(service: _Service) -> None:
    service.answers.clear()
    supply = service.supply(sessions=2)
    resources = [f"https://{number}.example" for number in range(4)]
    for resource in resources:
        supply.ask(resource)
    assert service.arrived.acquire(timeout=60)
    assert service.arrived.acquire(timeout=60)
    assert len(service.requests) == 2
    service.answers.set()
    for resource in resources:
        _token(service, supply, resource)
    assert len(service.requests) == 4


def test_a_token_is_served_from_memory_until_msal_would_renew_it(service: _Service) -> None:
    supply = service.supply()
    token = _token(service, supply)
    service.now += 3299
    assert _token(service, supply) == token
    service.now += 2
    assert _token(service, supply) != token
    assert len(service.requests) == 2


def test_a_token_is_renewed_when_the_service_says_so(service: _Service) -> None:
    service.refresh_after = 600
    supply = service.supply()
    token = _token(service, supply)
    service.now += 601
    assert _token(service, supply) != token


@pytest.mark.parametrize(
    "name", ["azureProfile.json", "msal_token_cache.json", "msal_token_cache.bin", "service_principal_entries.json"]
)
def test_a_change_of_the_stored_accounts_ends_what_is_in_memory(service: _Service, name: str) -> None:
    supply = service.supply()
    token = _token(service, supply)
    service.change(name, "{}")
    assert _token(service, supply) != token


def test_a_change_during_the_request_ends_its_answer(service: _Service) -> None:
    service.answers.clear()
    supply = service.supply()
    pending = supply.ask(VAULT)
    assert isinstance(pending, PendingOutcome)
    assert service.arrived.acquire(timeout=60)
    service.change("azureProfile.json", "{}")
    service.answers.set()
    service.wait_for(pending)
    _token(service, supply)
    assert len(service.requests) == 2


def test_an_account_that_has_signed_out_gets_no_token(service: _Service) -> None:
    supply = service.supply()
    _token(service, supply)
    service.rows.clear()
    service.change("azureProfile.json", "{}")
    outcome = _outcome(service, supply)
    assert outcome.token is None
    assert isinstance(outcome.failure, NotSignedInError)
    assert "'alice@contoso.com' has signed out" in str(outcome.failure)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "other",
    [
        {**ROW, "environmentName": "AzureChinaCloud"},
        {**ROW, "user": {"name": "bob@contoso.com", "type": "user"}},
    ],
)
def test_another_account_that_is_signed_in_is_not_used(service: _Service, other: SubscriptionRow) -> None:
    service.rows = [other]
    assert isinstance(_outcome(service, service.supply()).failure, NotSignedInError)
    assert not service.requests


def _fail(error: Exception) -> Callable[[], TokenOutcome]:
    def fail() -> TokenOutcome:
        raise error

    return fail


@pytest.mark.parametrize("error", [UNREACHABLE, KeyError("x")])
def test_a_failure_is_the_answer_for_a_few_seconds(service: _Service, error: Exception) -> None:
    service.answer = _fail(error)
    supply = service.supply()
    for _ in range(5):
        assert _outcome(service, supply).failure is error
    assert len(service.requests) == 1
    service.now += 5.5
    service.answer = service.issue
    _token(service, supply)
    assert len(service.requests) == 2


def test_a_token_that_could_not_be_renewed_is_served_and_the_renewal_tried_again(service: _Service) -> None:
    stale = TokenOutcome(AccessToken("stale", 1060), UNREACHABLE)
    service.answer = lambda: stale
    supply = service.supply()
    for _ in range(3):
        outcome = _outcome(service, supply)
        assert (outcome.token, outcome.failure) == (stale.token, UNREACHABLE)
    assert len(service.requests) == 1
    service.now += 6
    service.answer = service.issue
    assert _token(service, supply) == "token 2"


def test_whoever_waits_is_told_after_the_outcome_is_known(service: _Service) -> None:
    service.answers.clear()
    told = threading.Event()
    seen: list[Outcome | None] = []
    supply = service.supply()
    pending = supply.ask(VAULT)
    assert isinstance(pending, PendingOutcome)

    def tell() -> None:
        seen.append(pending.outcome)
        told.set()

    supply.on_outcome = tell
    service.answers.set()
    assert told.wait(60)
    assert seen[0] is not None


def test_the_tenant_is_that_of_the_option(service: _Service) -> None:
    _token(service, service.supply(tenant="fabrikam.com"))
    assert service.requests[0].tenant == "fabrikam.com"
