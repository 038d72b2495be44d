"""`kill -9` of processes that change files, beside a process that reads them: no reader fails, and nothing is lost.

Each on the file system of this computer and on one like that of Windows. `LOGIN_KILLS` changes the number of kills.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
from azext_login.auth.storage.single_flight import Answer, SingleFlight
from azext_login.auth.storage.token_cache import TokenCache
from azext_login.profile.store import ProfileStore
from azext_login.system.directory import PrivateDirectory
from tests.unit.windows import file_system as file_system

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is neither fork nor SIGKILL")

_KILLS = int(os.environ.get("LOGIN_KILLS", "12"))


class _Kind(NamedTuple):
    write: Callable[[PrivateDirectory, int], None]
    """Stores a number, beside those that are stored already."""
    read: Callable[[PrivateDirectory], int]
    """Returns the largest number that is stored; 0 without any."""


def _add_row(folder: PrivateDirectory, number: int) -> None:
    row = {"id": f"{number}", "name": "n", "tenantId": "t", "environmentName": "c", "user": {"name": "a"}}
    with ProfileStore(folder).change() as state:
        state.rows.append(row)


def _last_row(folder: PrivateDirectory) -> int:
    # The host's copy is empty, so the store reads the file, and repairs it if that is necessary.
    rows = ProfileStore(folder).read({}).rows
    assert [row["id"] for row in rows] == [f"{number}" for number in range(1, len(rows) + 1)]
    return len(rows)


def _add_token(folder: PrivateDirectory, number: int) -> None:
    TokenCache(folder, encrypt=False).commit({}, {"AccessToken": {f"{number}": {"secret": "s"}}})


def _last_token(folder: PrivateDirectory) -> int:
    tokens = TokenCache(folder, encrypt=False).read().get("AccessToken", {})
    assert sorted(map(int, tokens)) == list(range(1, len(tokens) + 1))
    return len(tokens)


def _add_entry(folder: PrivateDirectory, number: int) -> None:
    with ServicePrincipalEntries(folder, encrypt=False).saving({"client_id": f"{number}", "tenant": "t"}):
        pass


def _last_entry(folder: PrivateDirectory) -> int:
    return max(map(int, ServicePrincipalEntries(folder, encrypt=False).client_ids()), default=0)


def _take_turn(folder: PrivateDirectory, number: int) -> None:
    with SingleFlight(folder, "key") as turn:
        turn.share_answer(Answer(float(number), 0.0, forced=False), now=1.0)


def _last_turn(folder: PrivateDirectory) -> int:
    outcome = SingleFlight(folder, "key").outcome_since(0.0, 2.0)
    return int(outcome.lifetime) if isinstance(outcome, Answer) else 0


_KINDS = {
    "subscriptions": _Kind(_add_row, _last_row),
    "tokens": _Kind(_add_token, _last_token),
    "service principals": _Kind(_add_entry, _last_entry),
    "token requests": _Kind(_take_turn, _last_turn),
}


def _write_until_killed(path: Path, kind: _Kind, first: int, done: int) -> None:
    for number in range(first, first + 10_000):
        kind.write(PrivateDirectory(path), number)
        os.write(done, b".")


@pytest.mark.parametrize("kind", _KINDS.values(), ids=_KINDS.keys())
def test_no_reader_fails_and_nothing_is_lost_when_writers_are_killed(tmp_path: Path, kind: _Kind) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    chance = random.Random(_KILLS)
    stored = 0
    for _ in range(_KILLS):
        reports, done = os.pipe()
        writer = os.fork()
        if writer == 0:
            try:
                _write_until_killed(tmp_path, kind, stored + 1, done)
            finally:
                os._exit(1)
        os.close(done)
        if not stored:
            # On a busy computer, no random moment may be late enough for a first write.
            select.select([reports], [], [], 60)
        end = time.monotonic() + chance.uniform(0.005, 0.08)
        try:
            while time.monotonic() < end:
                assert kind.read(PrivateDirectory(tmp_path)) >= stored
        finally:
            os.kill(writer, signal.SIGKILL)
            _, status = os.waitpid(writer, 0)
        assert os.WIFSIGNALED(status), "the writer failed by itself"
        acknowledged = 0
        while part := os.read(reports, 65536):
            acknowledged += len(part)
        os.close(reports)
        found = kind.read(PrivateDirectory(tmp_path))
        assert stored + acknowledged <= found <= stored + acknowledged + 1
        stored = found
    assert stored, "the writers were too slow"
    kind.write(PrivateDirectory(tmp_path), stored + 1)
    assert kind.read(PrivateDirectory(tmp_path)) == stored + 1
    left = [path.name for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]
    assert not left, "the next writer removes the temporary files of a killed one"
    for path in tmp_path.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
