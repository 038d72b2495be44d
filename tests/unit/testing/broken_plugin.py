"""A plug-in with one source that fulfils the contract (`good`), and others that break it in one way each."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from azext_login.testing import FakeIssuer, SourceBackend

_KEY = "the-key-of-the-vault"


class Vault(SourceBackend):
    """A vault in memory."""

    def __init__(self, issuer: FakeIssuer) -> None:
        self.issuer = issuer
        self.lifetime = 600.0
        self.answer: Callable[[float], str] = lambda timeout: self.issuer.issue(lifetime=self.lifetime)
        VAULTS[str(id(self))] = self

    @property
    def arguments(self) -> Mapping[str, str]:
        return {"vault": str(id(self))}

    @property
    def secrets(self) -> Sequence[str]:
        return [_KEY]

    def renew(self) -> None:
        pass

    def expire(self) -> None:
        self.lifetime = -60.0

    def fail(self) -> None:
        def refuse(timeout: float) -> str:
            raise RuntimeError("The vault refused.")

        self.answer = refuse

    def hang(self) -> None:
        def wait(timeout: float) -> str:
            time_is_up = threading.Event()
            time_is_up.wait(timeout)
            raise TimeoutError("The vault did not answer.")

        self.answer = wait


VAULTS: dict[str, Vault] = {}


class Good:
    """Fulfils the contract."""

    timeout = 0.2

    def __init__(self, arguments: Mapping[str, str]) -> None:
        unknown = sorted(set(arguments) - {"vault"})
        if unknown:
            raise ValueError(f"unknown argument: {unknown[0]}")
        if "vault" not in arguments:
            raise ValueError("the argument 'vault' is missing")
        self.vault = VAULTS[arguments["vault"]]

    def token(self) -> str:
        return self.vault.answer(self.timeout)

    def fetch(self, request: Any) -> Any:
        token = self.token()
        return {"version": 1, "kind": "assertion", "assertion": token, "expires_on": self.expiry(token)}

    def expiry(self, token: str) -> float:
        return float(self.vault.issuer.claims_of(token)["exp"])


class CachesInTheModule(Good):
    cache: dict[int, str] = {}  # noqa: RUF012  # shared on purpose

    def token(self) -> str:
        if id(self.vault) not in self.cache:
            self.cache[id(self.vault)] = super().token()
        return self.cache[id(self.vault)]


class CachesInTheSource(Good):
    cached = ""

    def token(self) -> str:
        self.cached = self.cached or super().token()
        return self.cached


class GivesExpired(Good):
    def token(self) -> str:
        super().token()
        return self.vault.issuer.issue(lifetime=-1)


class CallsAllValid(Good):
    def expiry(self, token: str) -> float:
        return time.time() + 60


class CallsValidForTooLong(Good):
    def expiry(self, token: str) -> float:
        return super().expiry(token) + 60


class Exits(Good):
    def token(self) -> str:
        try:
            return super().token()
        except RuntimeError:
            sys.exit("no token")


class GivesNothing(Good):
    def fetch(self, request: Any) -> Any:
        try:
            return super().fetch(request)
        except RuntimeError:
            return None


class FailsWithoutMessage(Good):
    def token(self) -> str:
        try:
            return super().token()
        except RuntimeError:
            raise RuntimeError from None


class Hangs(Good):
    timeout = 60.0


class TakesAnyArgument(Good):
    def __init__(self, arguments: Mapping[str, str]) -> None:
        super().__init__({"vault": arguments.get("vault", "")})


class HasDefault(Good):
    def __init__(self, arguments: Mapping[str, str]) -> None:
        super().__init__({"vault": next(iter(VAULTS)), **arguments})


class IsBusy(Good):
    busy = False

    def token(self) -> str:
        if self.busy:
            raise RuntimeError("busy")
        self.busy = True
        threading.Event().wait(0.1)
        try:
            return super().token()
        finally:
            self.busy = False


class Logs(Good):
    def token(self) -> str:
        token = super().token()
        logging.getLogger("vault").debug("answer: %s", token)
        return token


class ShowsInRepr(Good):
    def __repr__(self) -> str:
        return f"Source(key={_KEY})"


class ShowsInError(Good):
    def token(self) -> str:
        try:
            return super().token()
        except RuntimeError:
            raise RuntimeError(f"refused with the key {_KEY}") from None


class ShowsOnStandardError(Good):
    def token(self) -> str:
        print(_KEY, file=sys.stderr)
        return super().token()


class Prints(Good):
    def token(self) -> str:
        print("asking the vault")
        return super().token()


class PrintsInChild(Good):
    def token(self) -> str:
        os.system("echo asking the vault")
        return super().token()


class Asks(Good):
    def token(self) -> str:
        with contextlib.suppress(EOFError):
            getpass.getpass("Password: ")
        return super().token()


class ReadsInput(Good):
    def token(self) -> str:
        with contextlib.suppress(EOFError):
            sys.stdin.readline()
        return super().token()


class ChangesRequest(Good):
    def fetch(self, request: Any) -> Any:
        object.__setattr__(request, "scopes", ())
        return super().fetch(request)


class ChangesArguments(Good):
    def __init__(self, arguments: Mapping[str, str]) -> None:
        super().__init__(arguments)
        assert isinstance(arguments, dict)
        arguments.clear()


class ChangesEnvironment(Good):
    def token(self) -> str:
        os.environ["VAULT_KEY"] = str(time.monotonic())
        return super().token()


class ChangesDirectory(Good):
    def token(self) -> str:
        os.chdir(tempfile.mkdtemp())
        return super().token()


class LeavesThread(Good):
    def token(self) -> str:
        threading.Thread(target=threading.Event().wait, args=(3,), daemon=False).start()
        return super().token()


class GivesList(Good):
    def fetch(self, request: Any) -> Any:
        return [super().fetch(request)]


class GivesNoVersion(Good):
    def fetch(self, request: Any) -> Any:
        return {**super().fetch(request), "version": None}


class HasNoFetch:
    def __init__(self, arguments: Mapping[str, str]) -> None:
        pass


_BROKEN = (
    CachesInTheModule, CachesInTheSource, GivesExpired, CallsAllValid, CallsValidForTooLong, Exits, GivesNothing,
    FailsWithoutMessage, Hangs, TakesAnyArgument, HasDefault, IsBusy, Logs, ShowsInRepr, ShowsInError,
    ShowsOnStandardError, Prints, PrintsInChild, Asks, ReadsInput, ChangesRequest, ChangesArguments,
    ChangesEnvironment, ChangesDirectory, LeavesThread, GivesList, GivesNoVersion, HasNoFetch,
)  # fmt: skip

SOURCES: dict[str, Any] = {"good": Good, **{kind.__name__: kind for kind in _BROKEN}}
