"""Answers of token services: optional members may be missing, and numbers may be text or no numbers at all."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from azext_login.auth.interactive.device_code import sign_in_with_device_code
from azext_login.auth.token_answers import as_integer, standard_answer, standard_identity_answer
from azext_login.system.http.json_answers import parse_json, read_list, without_surrogates

NOW = 1_777_636_800.5  # 2026-05-01 12:00:00 UTC


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, {"token_type": "Bearer"}),
        ({"token_type": "bearer"}, {"token_type": "Bearer"}),
        ({"token_type": "BEARER"}, {"token_type": "Bearer"}),
        ({"token_type": None}, {"token_type": "Bearer"}),
        ({"token_type": "pop"}, {"token_type": "pop"}),
        ({"expires_in": "3600"}, {"expires_in": 3600}),
        ({"expires_in": 3600.0}, {"expires_in": 3600}),
        ({"expires_in": "3600.5"}, {"expires_in": 3600}),
        ({"ext_expires_in": "soon", "refresh_in": None, "interval": []}, {}),
        ({"scope": None, "refresh_token": 7, "id_token": [], "client_info": {}}, {}),
        ({"scope": ["a", "b", 7]}, {"scope": "a b"}),
        ({"resource": "x"}, {"resource": "x"}),
    ],
    ids=json.dumps,
)
def test_a_token_answer_has_the_form_that_msal_requires(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    assert standard_answer({"access_token": "x", **answer}) == {"access_token": "x", "token_type": "Bearer", **expected}


@pytest.mark.parametrize("lifetime", [None, "soon", [], True, 10**10, "9" * 12, "9" * 5000, "1e5"])
def test_a_lifetime_that_is_none_is_refused(lifetime: object) -> None:
    with pytest.raises(ValueError, match="expires_in"):
        standard_answer({"access_token": "x", "expires_in": lifetime})


@pytest.mark.parametrize(
    "answer",
    [
        {"expires_in": 60},
        {"expires_in": "60"},
        {"expires_in": "60", "expires_on": ""},
        {"expires_in": 60, "expires_on": "soon"},
        {"expires_in": None, "expires_on": int(NOW) + 60},
        {"expires_in": "60", "expires_on": None},
        {"expires_on": int(NOW) + 60},
        {"expires_on": str(int(NOW) + 60)},
        {"expires_on": "05/01/2026 12:01:00 +00:00"},
        {"expires_on": "05/01/2026 12:01:00 PM +00:00"},
        {"expires_on": "2026-05-01T12:01:00Z"},
        {"expires_on": "2026-05-01T12:01:00.1234567Z"},
        {"expires_on": "2026-05-01T14:01:00+02:00"},
        {"expires_on": "2026-05-01T12:01:00"},
    ],
    ids=json.dumps,
)
def test_the_lifetime_of_an_identity_s_token_has_many_forms(answer: dict[str, Any]) -> None:
    found = standard_identity_answer({"access_token": "x", "token_type": "bearer", **answer}, now=NOW)
    assert (found["expires_in"], found["expires_on"]) == (60, int(NOW) + 60)
    assert found["token_type"] == "Bearer"


@pytest.mark.parametrize(
    "answer",
    [{}, {"expires_in": 0}, {"expires_on": 1}, {"expires_on": "soon"}, {"expires_in": None}, {"expires_in": 10**13}],
    ids=json.dumps,
)
def test_an_identity_s_token_without_a_usable_lifetime_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lifetime|invalid"):
        standard_identity_answer({"access_token": "x", **answer}, now=NOW)


class _Device:
    """MSAL's application, whose service sends a device code with these members."""

    def __init__(self, **members: str) -> None:
        self._flow = {"user_code": "ABCD", "verification_uri": "https://device.example/", **members}

    def initiate_device_flow(self, scopes: list[str], *, claims_challenge: str | None) -> dict[str, str]:
        return self._flow

    def acquire_token_by_device_flow(self, flow: object, *, claims_challenge: str | None) -> dict[str, str]:
        return {"access_token": "x"}


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        ({}, ["https://device.example/", "ABCD"]),
        ({"message": ""}, ["https://device.example/", "ABCD"]),
        ({"message": "Go there."}, ["Go there."]),
        ({"verification_uri_complete": "https://device.example/?ABCD"}, ["ABCD to", "https://device.example/?ABCD"]),
    ],
)
def test_a_device_code_is_shown_with_the_message_of_the_service_or_with_ours(
    members: dict[str, str], shown: list[str]
) -> None:
    messages: list[str] = []
    sign_in_with_device_code(
        _Device(**members),
        scopes=["x"],
        claims_challenge=None,
        show_message=messages.append,
        attempt=None,  # type: ignore[arg-type]
    )
    assert [text for text in shown if text not in messages[0]] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NaN", None),
        ("[Infinity, -Infinity]", [None, None]),
        ("1e999", None),
        ("9" * 5000, None),
        ("9" * 20, 10**20 - 1),
        ("1.5", 1.5),
        ('{"a": 1, "a": 2}', {"a": 2}),
        (b"\xef\xbb\xbf7", 7),
        ("7".encode("utf-16"), 7),
    ],
    ids=["NaN", "infinite", "overflow", "huge", "20 digits", "number", "duplicate", "BOM", "UTF-16"],
)
def test_what_strict_json_does_not_have_is_not_read(text: str | bytes, value: object) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000, '{"a" 1}', "nan", "7 7"])
def test_what_is_not_json_is_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_halves_of_characters_are_replaced_and_whole_ones_are_kept() -> None:
    assert without_surrogates("a\ud800b") == "a\ufffdb"
    assert without_surrogates("\U0001f600") == "\U0001f600"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_list_is_read_item_by_item_however_the_text_is_cut(size: int) -> None:
    items = [{"a": "ü\U0001f600", "n": -12.5e3}, 17, 1.5, "x", None, [1, [2]], True]
    content = json.dumps({"count": 7, "value": items, "nextLink": "n"}, ensure_ascii=False, indent=1).encode()
    found: list[Any] = []
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    assert read_list(pieces, "value", found.append, others=("nextLink",)) == {"value": [], "nextLink": "n"}
    assert found == items


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"value": [1,2}', b'{"value": [1,2]', b'{"value": [], "value": []}', b"{1: 2}", b"{} x",
     b'{"value": [' + b"[" * 100_000, b'{"value": ["' + b"x" * (3 << 20), b'{"value": [\xff]}'],
)  # fmt: skip
def test_a_list_that_is_not_json_is_one_kind_of_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_list([content[:65536], content[65536:]], "value", lambda item: None)


def test_a_number_may_be_text() -> None:
    assert [as_integer(value) for value in (1, "1", " 1 ", "1.9", "x", True, None)] == [1, 1, 1, 1, None, None, None]


def test_a_number_that_is_not_finite_is_none() -> None:
    assert [as_integer(value) for value in (math.inf, -math.inf, math.nan, 10**400)] == [None, None, None, 10**400]
