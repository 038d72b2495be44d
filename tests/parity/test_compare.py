"""The suite finds differences in exit codes, structure, words, tracebacks and files, and ignores those of the clock."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.parity.case import PLACES, Case, Step, parse
from tests.parity.compare import compare
from tests.parity.observe import Observation, Said, look_at_files, normal_text

CASE = Case("account show")
KEY = "a key of 32 bytes, for tests only"


def side(stdout: str = "", stderr: str = "", exit_code: int = 0, **files: Any) -> Observation:
    return Observation((Said(("account", "show"), exit_code, stdout, stderr, 0.1),), {"rows": None, **files})


def aspects(builtin: Observation, ours: Observation, case: Case = CASE) -> list[str]:
    return [finding.aspect for finding in compare(case, builtin, ours)]


def token(**claims: Any) -> str:
    return jwt.encode({"exp": int(time.time()) + 3600, **claims}, KEY, algorithm="HS256")


def answer(ends_in: int, **claims: Any) -> str:
    return json.dumps({"accessToken": token(**claims), "expires_on": int(time.time()) + ends_in})


def test_two_sides_that_say_the_same_have_no_findings() -> None:
    assert aspects(side('{"a": 1}', "one warning"), side('{\n  "a": 1}', "another")) == []


@pytest.mark.parametrize(
    "builtin, ours, found",
    [
        (side(exit_code=0), side(exit_code=1), ["exit code"]),
        (side('{"a": 1}'), side('{"a": 1, "b": 2}'), ["stdout"]),
        (side('{"a": 1}'), side('{"a": "1"}'), ["stdout"]),
        (side('["a", "b"]'), side('["b", "a"]'), ["stdout"]),
        (side("A  B"), side("A B"), ["stdout"]),
        (side(stderr="run az login", exit_code=1), side(stderr="no", exit_code=1), ["advice"]),
        (side(stderr="x"), side(stderr="Traceback (most recent call last)"), ["traceback"]),
        (side(stderr="Traceback (most recent call last)"), side(stderr="x"), ["crash"]),
        (side(accounts=["alice"]), side(accounts=["alice", "bob"]), ["accounts"]),
        (side(rows=['{"id": 1, "name": 2}']), side(rows=['{"name": 2, "id": 1}']), ["rows"]),
        (side(modes={"f": 0o600}), side(modes={"f": 0o644}), ["modes"]),
        (side(modes={"f": 0o644}), side(modes={"f": 0o600}), []),
    ],
)
def test_what_differs_is_found(builtin: Observation, ours: Observation, found: list[str]) -> None:
    assert aspects(builtin, ours) == found


def test_two_active_subscriptions_are_wrong_on_any_side() -> None:
    rows = ['{"isDefault": true}', '{"isDefault": true}']
    assert aspects(side(rows=rows), side(rows=rows)) == ["two defaults"]


def test_a_traceback_of_ours_is_wrong_even_where_the_built_in_has_one() -> None:
    crash = side(stderr="Traceback (most recent call last)", exit_code=1)
    assert aspects(crash, crash) == ["traceback"]


def test_tokens_are_compared_by_what_they_are_good_for() -> None:
    assert aspects(side(answer(3600, tid="a", uti="1")), side(answer(3600, tid="a", uti="2"))) == []
    assert aspects(side(answer(3600, tid="a")), side(answer(3600, tid="b"))) == ["stdout"]
    assert aspects(side(token(aud="x")), side(token(aud="y"))) == ["stdout"]


def test_a_stated_end_has_to_be_the_tokens_own() -> None:
    assert aspects(side(answer(3600)), side(answer(3600 + 600))) == ["stdout"]


def test_times_are_forgiven_in_text(tmp_path: Path) -> None:
    assert normal_text(f"2026-01-01 01:02:03.000004 {int(time.time())} {tmp_path}/x", tmp_path) == (
        "<local time> <time> <config directory>/x"
    )


def test_files_are_read_as_programs_read_them(tmp_path: Path) -> None:
    row = {"id": "1", "isDefault": True}
    (tmp_path / "azureProfile.json").write_text(json.dumps({"subscriptions": [row]}), encoding="utf-8-sig")
    (tmp_path / "msal_token_cache.json").write_text("{ not JSON", encoding="utf-8")
    files = look_at_files(tmp_path)
    assert files["rows"] == ['{"id": "1", "isDefault": true}']
    assert files["accounts"] == "<10 bytes that are not JSON>"
    assert files["service principals"] is None


def test_a_line_is_split_before_names_are_filled_in() -> None:
    assert parse("account set -n=<long.name> && builtin account show -s <ci-app|upper>") == (
        Step(("account", "set", "-n=" + PLACES["long.name"])),
        Step(("account", "show", "-s", PLACES["ci-app"].upper()), builtin=True),
    )


def test_an_unknown_name_in_a_line_is_an_error() -> None:
    with pytest.raises(KeyError):
        parse("account show -s <no-such-thing>")
