"""What a credential source of an extension has to fulfil, as tests that its author runs with pytest.

    class TestVaultSource(CredentialSourceContract):
        module = "azext_vaultlogin.login_plugin"
        name = "vault"
        required_arguments = ("url",)

        @pytest.fixture
        def backend(self, issuer: FakeIssuer) -> SourceBackend:
            return MyVault(issuer)

The tests run the source as `az` does: a new source for each credential, in a thread, without a user to ask.
"""

from __future__ import annotations

import builtins
import getpass
import importlib
import io
import logging
import os
import subprocess
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from azext_login.auth.jwt import expiry_of
from azext_login.auth.sources.answers import credential_in
from azext_login.auth.sources.credential_source import CredentialKind, SourceCredential, SourceRequest
from azext_login.testing.fakes import FakeClock, FakeIssuer

_THREADS = 8
_UNKNOWN_ARGUMENT = "no_such_argument"


class SourceBackend(ABC):
    """What the source under test gets its credentials from: a stand-in for a service, or a file.

    The author of the source derives a class that lets the stand-in behave, and misbehave, on demand.
    """

    @property
    @abstractmethod
    def arguments(self) -> Mapping[str, str]:
        """The arguments (--source-arg) of a source that gets its credentials here."""

    @property
    def secrets(self) -> Sequence[str]:
        """What no message may contain, beside the credentials themselves: for example the key of the service."""
        return ()

    @abstractmethod
    def renew(self) -> None:
        """Have another credential from now on, which is valid at the time of the clock.

        Nothing is to be done if each request gets a new one.
        """

    @abstractmethod
    def expire(self) -> None:
        """Have nothing but a credential that has expired."""

    @abstractmethod
    def fail(self) -> None:
        """Refuse every request, or be unavailable: a service answers with an error, a file does not exist."""

    def hang(self) -> None:
        """Accept every request, and answer none. Override it unless the source cannot wait for anything."""
        pytest.skip("the backend has no `hang`: nothing that the source uses can let it wait")


class CredentialSourceContract:
    """The tests of a source. Derive a class whose name begins with `Test`, and set or override what has no default."""

    module: str
    """The module of the plug-in, as in `azext_metadata.json`."""
    name: str
    """The name of the source in its `SOURCES`."""
    required_arguments: Sequence[str] = ()
    """The arguments that the source cannot do without."""
    longest_wait: float = 30.0
    """Seconds after which `az` stops waiting. A source stops earlier, so that its own error is shown."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
        """Return the clock that `time.time` reads in the test."""
        clock = FakeClock()
        monkeypatch.setattr(time, "time", clock)
        return clock

    @pytest.fixture
    def issuer(self, clock: FakeClock) -> FakeIssuer:
        """Return an issuer of federated tokens that goes by the clock, for a backend that needs one."""
        return FakeIssuer(clock)

    @pytest.fixture
    def backend(self) -> SourceBackend:
        """Return what the source gets its credentials from. To be overridden."""
        raise NotImplementedError(f"Override the fixture `backend` in {type(self).__name__}.")

    @pytest.fixture
    def source_request(self) -> SourceRequest:
        """Return what `az` asks for. Override it if the source needs another tenant or application."""
        return SourceRequest(
            client_id="11111111-1111-1111-1111-111111111111",
            tenant="22222222-2222-2222-2222-222222222222",
            scopes=("https://management.core.windows.net//.default",),
            authority="https://login.microsoftonline.com",
        )

    @pytest.fixture(autouse=True)
    def questions(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Return a list of the questions to a user. None is answered."""
        asked: list[str] = []

        def ask(*words: object, **options: object) -> NoReturn:
            asked.append(" ".join(str(word) for word in words))
            raise EOFError("No user waits for a question.")

        monkeypatch.setattr(sys, "stdin", _NoInput(ask))
        monkeypatch.setattr(builtins, "input", ask)
        monkeypatch.setattr(getpass, "getpass", ask)
        return asked

    # The module

    def test_the_module_offers_the_source(self) -> None:
        """`SOURCES` is a mapping of names to factories, and has the source."""
        sources = getattr(importlib.import_module(self.module), "SOURCES", None)
        assert isinstance(sources, Mapping), f"{self.module} has no mapping SOURCES."
        assert all(isinstance(name, str) and name for name in sources), "SOURCES has a name that is not a text."
        assert all(callable(factory) for factory in sources.values()), "SOURCES has a factory that cannot be called."
        assert self.name in sources, f"SOURCES has no '{self.name}'."

    def test_importing_the_module_prints_nothing(self) -> None:
        """Standard output belongs to the results of commands."""
        program = f"import sys; sys.path[:] = {sys.path!r}; import {self.module}"
        done = subprocess.run(
            [sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{self.module} cannot be imported: {done.stderr.decode(errors='replace')}"
        assert done.stdout == b"", f"Importing {self.module} writes to standard output."

    # Credentials

    def test_it_gives_a_valid_credential(
        self, backend: SourceBackend, clock: FakeClock, source_request: SourceRequest
    ) -> None:
        """The answer has the documented shape and has not expired."""
        _check_validity(self._give(backend, source_request), clock)

    def test_it_gives_another_credential_after_the_first_has_expired(
        self, backend: SourceBackend, clock: FakeClock, source_request: SourceRequest
    ) -> None:
        """Neither the module nor a file keeps an answer for too long."""
        first = self._give(backend, source_request)
        _let_expire(first, clock)
        backend.renew()
        second = self._give(backend, source_request)
        _check_validity(second, clock)
        assert second.value != first.value, "The source gives the same credential again after its renewal."

    def test_one_source_renews_too(
        self, backend: SourceBackend, clock: FakeClock, source_request: SourceRequest
    ) -> None:
        """A source that is asked again does not repeat an answer that has expired."""
        source = self._make(backend)
        first = self._ask(source, source_request)
        _let_expire(first, clock)
        backend.renew()
        second = self._ask(source, source_request)
        _check_validity(second, clock)
        assert second.value != first.value, "The source repeats its first credential after the renewal."

    def test_an_expired_credential_is_not_called_valid(
        self, backend: SourceBackend, clock: FakeClock, source_request: SourceRequest
    ) -> None:
        """If nothing else is available, the source fails, or tells the true time of the expiry."""
        backend.expire()
        outcome = self._outcome(lambda: self._fetch(self._make(backend), source_request))
        if isinstance(outcome, BaseException):
            _check_error(outcome)
            return
        credential = _read_answer(outcome)
        expires_on = credential.expires_on if credential.expires_on is not None else _expiry_of(credential)
        assert expires_on is not None, "The source gives an expired credential and does not tell when it expired."
        assert expires_on <= clock(), "The source gives an expired credential as if it were valid."

    # Failures

    def test_a_refusal_is_an_error(self, backend: SourceBackend, source_request: SourceRequest) -> None:
        """The source raises an exception with a message. It does not exit, and gives nothing in place of an answer."""
        backend.fail()
        _check_error(self._failure(lambda: self._fetch(self._make(backend), source_request)))

    def test_it_gives_up_before_az_does(self, backend: SourceBackend, source_request: SourceRequest) -> None:
        """A service that does not answer is an error of the source within `longest_wait`."""
        backend.hang()
        _check_error(self._failure(lambda: self._fetch(self._make(backend), source_request)))

    def test_an_unknown_argument_is_an_error_that_names_it(
        self, backend: SourceBackend, source_request: SourceRequest
    ) -> None:
        """`az` passes on whatever the user writes, so the source finds the misspelt arguments."""
        arguments = {**backend.arguments, _UNKNOWN_ARGUMENT: "value"}
        self._check_refused(arguments, _UNKNOWN_ARGUMENT, source_request)

    def test_a_missing_argument_is_an_error_that_names_it(
        self, backend: SourceBackend, source_request: SourceRequest
    ) -> None:
        """Every one of `required_arguments` is missed."""
        for missing in self.required_arguments:
            arguments = {key: value for key, value in backend.arguments.items() if key != missing}
            self._check_refused(arguments, missing, source_request)

    # Manners

    def test_many_threads_get_valid_credentials(
        self, backend: SourceBackend, clock: FakeClock, source_request: SourceRequest
    ) -> None:
        """One source serves several threads at the same time, and so do several sources."""
        shared = self._make(backend)
        together = threading.Barrier(_THREADS)

        def give(number: int) -> SourceCredential:
            source = shared if number % 2 else self._make(backend)
            together.wait(self.longest_wait)
            return self._ask(source, source_request)

        with ThreadPoolExecutor(_THREADS) as pool:
            for credential in pool.map(give, range(_THREADS)):
                _check_validity(credential, clock)

    def test_no_secret_is_logged_or_shown(
        self,
        backend: SourceBackend,
        source_request: SourceRequest,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Neither the log of `az --debug` nor standard error nor `repr` has a credential or a key of the service."""
        caplog.set_level(logging.DEBUG)
        source = self._make(backend)
        given = [self._ask(source, source_request).value]
        shown = {"repr": repr(source), "str": str(source)}
        backend.renew()
        given.append(self._ask(source, source_request).value)
        backend.fail()
        error = self._failure(lambda: self._fetch(source, source_request))
        shown["error"] = "".join(traceback.format_exception(error))
        shown["log"] = caplog.text
        written = capfd.readouterr()
        shown |= {"output on standard output": written.out, "output on standard error": written.err}
        _check_secrets(shown, (*given, *backend.secrets))

    def test_nothing_is_written_to_standard_output(
        self, backend: SourceBackend, source_request: SourceRequest, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Standard output belongs to the results of commands, also if the source fails."""
        self._give(backend, source_request)
        backend.fail()
        self._failure(lambda: self._fetch(self._make(backend), source_request))
        assert capfd.readouterr().out == "", "The source writes to standard output."

    def test_no_user_is_asked_where_none_waits(
        self, backend: SourceBackend, source_request: SourceRequest, questions: list[str]
    ) -> None:
        """Only `az login` on a terminal may ask (`SourceRequest.may_prompt`). This request does not allow it."""
        self._outcome(lambda: self._fetch(self._make(backend), replace(source_request, may_prompt=False)))
        assert questions == [], "The source asks the user although `may_prompt` is False."

    def test_the_request_and_the_arguments_stay_as_they_are(
        self, backend: SourceBackend, source_request: SourceRequest
    ) -> None:
        """`az` uses both after the source."""
        request, arguments = replace(source_request), dict(backend.arguments)
        source = self._make_with(arguments)
        self._ask(source, request)
        assert request == source_request, "The source changes the request."
        assert arguments == dict(backend.arguments), "The source changes its arguments."

    def test_the_process_stays_as_it_is(self, backend: SourceBackend, source_request: SourceRequest) -> None:
        """The environment, the working directory and the threads that keep a process alive belong to `az`."""
        environment, directory = dict(os.environ), os.getcwd()
        before = set(_lasting_threads())
        self._give(backend, source_request)
        # What pytest itself records there changes from test to test.
        assert _without_pytest(os.environ) == _without_pytest(environment), "The source changes the environment."
        assert os.getcwd() == directory, "The source changes the working directory."
        left = [thread.name for thread in _lasting_threads() if thread not in before]
        assert left == [], f"The source leaves threads that keep the process alive: {left}."

    # How the source is asked

    def _make(self, backend: SourceBackend) -> Any:
        return self._make_with(dict(backend.arguments))

    def _make_with(self, arguments: dict[str, str]) -> Any:
        source = importlib.import_module(self.module).SOURCES[self.name](arguments)
        assert callable(getattr(source, "fetch", None)), "What the factory returns has no method `fetch`."
        return source

    def _give(self, backend: SourceBackend, request: SourceRequest) -> SourceCredential:
        return self._ask(self._make(backend), request)

    def _ask(self, source: Any, request: SourceRequest) -> SourceCredential:
        outcome = self._outcome(lambda: self._fetch(source, request))
        if isinstance(outcome, BaseException):
            raise AssertionError(f"The source gives no credential: {type(outcome).__name__}: {outcome}") from outcome
        return _read_answer(outcome)

    @staticmethod
    def _fetch(source: Any, request: SourceRequest) -> object:
        return source.fetch(request)

    def _failure(self, call: Callable[[], object]) -> BaseException:
        outcome = self._outcome(call)
        assert isinstance(outcome, BaseException), "The source gives an answer where it has to fail."
        return outcome

    def _outcome(self, call: Callable[[], object]) -> object:
        """Return what a call returns or raises, from a thread that ends with the process."""
        outcomes: list[object] = []

        def run() -> None:
            try:
                outcomes.append(call())
            except BaseException as error:  # noqa: BLE001  # judged by the caller
                outcomes.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(self.longest_wait)
        assert outcomes, f"The source has not answered within {self.longest_wait:g} seconds."
        return outcomes[0]

    def _check_refused(self, arguments: dict[str, str], named: str, request: SourceRequest) -> None:
        error = self._failure(lambda: self._fetch(self._make_with(arguments), request))
        _check_error(error)
        assert named in str(error), f"The error does not name the argument '{named}': {error}"


class _NoInput(io.TextIOBase):
    """Standard input that takes any attempt to read it for a question."""

    def __init__(self, ask: Callable[..., NoReturn]) -> None:
        self._ask = ask

    def read(self, size: int | None = -1, /) -> str:
        self._ask("read")

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        self._ask("readline")


def _read_answer(answer: object) -> SourceCredential:
    assert isinstance(answer, Mapping), f"The answer is a {type(answer).__name__} in place of a mapping."
    try:
        return credential_in(answer, tuple(CredentialKind))
    except ValueError as error:
        raise AssertionError(f"The source {error}") from None


def _expiry_of(credential: SourceCredential) -> float | None:
    """Return when a credential expires, in POSIX seconds: the earlier one of what the source and the token state."""
    stated = [credential.expires_on]
    if credential.kind in (CredentialKind.ASSERTION, CredentialKind.TOKEN):
        stated.append(expiry_of(credential.value))
    return min((moment for moment in stated if moment is not None), default=None)


def _check_validity(credential: SourceCredential, clock: FakeClock) -> None:
    expires_on = _expiry_of(credential)
    assert expires_on is None or expires_on > clock(), "The source gives a credential that has expired."
    in_token = expiry_of(credential.value) if credential.kind is CredentialKind.ASSERTION else None
    if in_token is not None and credential.expires_on is not None:
        assert credential.expires_on <= in_token, "'expires_on' is later than the `exp` of the federated token."


def _let_expire(credential: SourceCredential, clock: FakeClock) -> None:
    """Advance the clock until a valid credential has expired; by an hour if it never does."""
    _check_validity(credential, clock)
    expires_on = _expiry_of(credential)
    clock.advance(3600 if expires_on is None else expires_on - clock() + 1)


def _check_error(error: BaseException) -> None:
    assert isinstance(error, Exception), f"The source raises {type(error).__name__}, which would end the command."
    assert not isinstance(error, AssertionError), str(error)
    assert str(error).strip(), f"The source raises {type(error).__name__} without a message."


def _check_secrets(shown: Mapping[str, str], secrets: Sequence[str]) -> None:
    for place, text in shown.items():
        # The secret itself stays out of the message.
        is_shown = any(secret in text for secret in secrets if secret)
        assert not is_shown, f"The {place} of the source contains a secret."


def _lasting_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if not thread.daemon]


def _without_pytest(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
