"""JSON that Go, jq and Rust read as well."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
from azext_login.auth.storage.single_flight import Answer, SingleFlight
from azext_login.auth.storage.token_cache import TokenCache
from azext_login.errors import SignInError
from azext_login.profile.store import ProfileStore
from azext_login.system.directory import PrivateDirectory
from azext_login.system.strict_json import dumps

_HIGH, _LOW = r"\\ud[89ab][0-9a-f]{2}", r"\\ud[c-f][0-9a-f]{2}"


def _read_strictly(text: str) -> Any:
    """Parse JSON like the strictest parsers of other languages."""

    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is not JSON")

    without_escaped_backslashes = text.replace(r"\\", "")
    without_pairs = re.sub(_HIGH + _LOW, "", without_escaped_backslashes)
    assert not re.search(f"{_HIGH}|{_LOW}", without_pairs), "a lone surrogate"
    assert text.isascii()
    return json.loads(text, parse_constant=refuse)


_TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=6)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(_TEXTS, children, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_every_value_becomes_strict_json(value: Any) -> None:
    parsed = _read_strictly(dumps(value))
    assert _read_strictly(dumps(parsed, indent=4)) == parsed


@given(st.text(max_size=20))
def test_what_is_strict_already_stays_as_it_is(text: str) -> None:
    value = {text: [text, 1.5, None, {"a\\ud800": "\\ud83d"}]}
    assert dumps(value) == json.dumps(value)
    assert json.loads(dumps(value)) == value


_ODD = (math.nan, math.inf, -math.inf, "half \ud83d of a character", "\udc00")


@pytest.mark.parametrize("odd", _ODD, ids=["NaN", "Infinity", "-Infinity", "high", "low"])
def test_everything_that_is_stored_is_strict_json(tmp_path: Path, odd: object) -> None:
    folder = PrivateDirectory(tmp_path)
    row = {"id": "1", "name": "one", "tenantId": "t", "environmentName": "c", "user": {"name": "a"}, "state": odd}
    for _ in range(2):
        with ProfileStore(folder).change() as state:
            state.rows = [{**row, "isDefault": True}]
            state.choices["c|a|t"] = str(odd)
    TokenCache(folder, encrypt=False).commit({}, {"AccessToken": {"key": {"secret": "s", "extra": odd}}})
    with ServicePrincipalEntries(folder, encrypt=False).saving({"client_id": "c", "tenant": "t", "extra": odd}):
        pass
    with SingleFlight(folder, "one") as turn:
        turn.share_answer(Answer(math.nan, math.inf, forced=False), 1.0)
    with pytest.raises(SignInError), SingleFlight(folder, "two") as turn, turn.share_failure(lambda: 1.0):
        raise SignInError(f"refused: {odd}")
    files = [path for path in tmp_path.rglob("*.json") if path.is_file()]
    assert len(files) == 6
    for path in files:
        _read_strictly(path.read_text(encoding="ascii"))


def test_a_quarantined_file_without_an_account_is_strict_json(tmp_path: Path) -> None:
    cache = TokenCache(PrivateDirectory(tmp_path), encrypt=False)
    content = '{"AccessToken": {"k": {"client_id": "gone", "secret": "s"}, "l": {"client_id": "kept", "x": NaN}}}'
    quarantined = tmp_path / "msal_token_cache.json.damaged-1"
    quarantined.write_text(content, encoding="utf-8")
    cache.forget("gone")
    assert "kept" in quarantined.read_text(encoding="utf-8")
    _read_strictly(quarantined.read_text(encoding="utf-8"))
