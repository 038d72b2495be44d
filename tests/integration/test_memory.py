"""No answer makes a command need more than 300 MB of memory, and what did not fit is reported."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.harness.az import Az
from tests.localcloud import LocalCloud
from tests.users import ALICE

pytestmark = [pytest.mark.executable, pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getrusage")]

MEGABYTE = 1 << 20
LIMIT = 300 * MEGABYTE
_PAGE = 64 * MEGABYTE


# A process starts with the peak of the one that started it, so it is started by a small one.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def _id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def _row(number: int, **members: Any) -> bytes:
    row = {"id": f"/subscriptions/{_id(number)}", "subscriptionId": _id(number), "state": "Enabled", **members}
    return json.dumps(row, ensure_ascii=False).encode()


def _plain_rows(first: int = 0) -> Iterator[bytes]:
    for number in range(first, first + 25_000):
        yield b'{"id":"/subscriptions/%08x-0000-4000-8000-000000000000","displayName":"S","state":"Enabled"}' % number


def _rows_of_many_tenants() -> Iterator[bytes]:
    managing = [{"tenantId": _id(number)} for number in range(100)]
    for number in range(6_000):
        yield _row(number, displayName="S", tenantId=_id(1), managedByTenants=managing)


ROWS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "many": (_plain_rows, "json"),
    # What takes most memory: YAML, of rows with a list in them.
    "managed": (_rows_of_many_tenants, "yaml"),
}


def _page(rows: Iterable[bytes]) -> bytes:
    """Return a page just below its limit, most of it white space."""
    page = b'{"value": [' + b",".join(rows)
    return page + b" " * (_PAGE - len(page) - 2) + b"]}"


def _run(az: Az, *arguments: str) -> tuple[int, str, int]:
    """Run `az`, and return its exit code, what it printed on standard error, and its peak memory in bytes."""
    command = [sys.executable, "-I", "-c", _MEASURE, str(az.host.az), *arguments]
    process = subprocess.run(
        command, env=az.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    peak = int(process.stdout) * (1 if sys.platform == "darwin" else 1024)
    assert "Traceback" not in process.stderr, process.stderr
    return process.returncode, process.stderr, peak


def _sign_in(az: Az, cloud: LocalCloud) -> tuple[int, str, int]:
    password = cloud.directory.user(ALICE).password
    return _run(az, "login", "--username", ALICE, "--password", password, "--tenant", "contoso.example")


@pytest.mark.parametrize("kind", ROWS)
def test_a_page_just_below_the_limit_is_stored_and_printed(
    make_az: Callable[..., Az], own_cloud: LocalCloud, kind: str
) -> None:
    az = make_az(cloud=own_cloud)
    rows, output = ROWS[kind]
    body = gzip.compress(_page(rows()), compresslevel=1)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    own_cloud.admin.fail_next("^/subscriptions", count=None, status=200, body=body, headers=headers)
    peaks = {}
    code, text, peaks["login"] = _sign_in(az, own_cloud)
    assert code == 0, text
    assert "was not read to the end" in text
    if kind == "many":
        # Other subscriptions in each refresh do not add up.
        own_cloud.admin.clear_faults()
        body = gzip.compress(_page(_plain_rows(30_000)), compresslevel=1)
        own_cloud.admin.fail_next("^/subscriptions", count=None, status=200, body=body, headers=headers)
    for arguments in (("account", "list", "--refresh"), ("account", "list", "--output", output)):
        code, text, peaks[" ".join(arguments)] = _run(az, *arguments)
        assert code == 0, text
    assert {command: peak for command, peak in peaks.items() if peak > LIMIT} == {}
    assert 1_000 < len(az.profile()["subscriptions"]) <= 20_010
