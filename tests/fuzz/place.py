"""What a target gets beside its damaged sample: an empty directory, and services that answer what they are told to."""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from urllib3 import HTTPResponse

from azext_login.system.directory import PrivateDirectory
from azext_login.system.http.bounded import BoundedAdapter
from azext_login.system.http.session import build_session
from tests.fuzz.mutate import Mutator

JSON = {"Content-Type": "application/json"}

_HEADERS = (
    ("Content-Type", ("text/html", "", "application/json; charset=utf-7", "application/json; charset=\xff", "a/b;;;=")),
    ("Content-Encoding", ("gzip", "deflate", "gzip, deflate", "br", "identity", "x" * 5000, ", " * 50 + "gzip")),
    ("Content-Length", ("0", "-1", "9" * 30, "\xb2", "x", "99999999")),
    ("Retry-After", ("0", "-1", "NaN", "inf", "1e999", "99999999999", "Mon, 99 Foo 9999", "\xb2", "1.5")),
    ("Location", ("https://[", "http://portal.example/", "//", "\xff", "/" * 10_000, "javascript:1", "https://a:x/")),
    ("WWW-Authenticate", ('Bearer claims="eyJhIjoxfQ"', 'Bearer claims="%%%"', 'Bearer claims="/w=="', "Basic realm=/x",
                          "Basic realm", 'claims="' + "A" * 9999 + '"', 'Bearer claims="\xff"')),
    ("Set-Cookie", ("a=b; expires=never", "\xff", "=" * 5000, "a=b; domain=.example; path=/;;;")),
    ("Date", ("Mon, 01 Jan 0000 00:00:00 GMT", "", "9999")),
)  # fmt: skip

_STATUS = (100, 199, 201, 203, 204, 301, 302, 307, 400, 401, 403, 404, 407, 410, 429, 500, 503, 511, 599, 600, 999)


@dataclass(frozen=True)
class Wire:
    """An answer as it comes from the network."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: dict(JSON))


def damaged(mutate: Mutator, sample: Any, *, status: int = 200) -> Wire:
    """Return an answer whose body is a damaged sample; sometimes, its status and its headers are others as well."""
    headers = dict(JSON)
    if mutate.chance(4):
        for name, values in mutate.random.sample(_HEADERS, 2):
            headers[name] = mutate.random.choice(values)
    return Wire(mutate.json(sample), mutate.random.choice(_STATUS) if mutate.chance(5) else status, headers)


class _Connection:
    """Stands in for urllib3's pool of connections."""

    host = "service.example"

    def __init__(self, answer: Callable[[str, str], Wire], address: str):
        self._answer = answer
        self._address = address

    def urlopen(self, method: str, url: str, **others: Any) -> HTTPResponse:
        wire = self._answer(method, self._address)
        return HTTPResponse(
            io.BytesIO(wire.body),
            headers=wire.headers,
            status=wire.status,
            reason="Reason",
            preload_content=False,
            decode_content=False,
        )


class _Adapter(BoundedAdapter):
    answer: Callable[[str, str], Wire]

    def get_connection_with_tls_context(self, request: Any, *args: Any, **options: Any) -> Any:
        return _Connection(self.answer, str(request.url))

    def cert_verify(self, *args: Any, **options: Any) -> None:
        """No certificate is read: there is no connection."""


class Place:
    """The surroundings of one input after another."""

    def __init__(self, folder: Path):
        self.folder = folder / "azure"
        self.kept: dict[str, Any] = {}
        """What a target makes once for all inputs."""
        self.now = time.time()
        self._adapter = _Adapter()
        self.http = build_session(user_agent="fuzz/1", sleep=lambda seconds: None)
        self.http.trust_env = False
        self.http.mount("https://", self._adapter)
        self.http.mount("http://", self._adapter)

    def clear(self) -> None:
        """Make the directory empty."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(0o700)

    @property
    def config_dir(self) -> PrivateDirectory:
        """The directory as a config directory."""
        return PrivateDirectory(self.folder)

    def serve(self, answer: Callable[[str, str], Wire]) -> requests.Session:
        """Return a session whose requests are answered by a function of their method and address."""
        self._adapter.answer = answer
        self.http.cookies.clear()
        return self.http

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what was made before under a name, or make it."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]


@contextmanager
def place() -> Iterator[Place]:
    """Yield a place, in memory where the system has a directory for that."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="login-fuzz-", dir=memory if memory.is_dir() else None) as folder:
        yield Place(Path(folder))
