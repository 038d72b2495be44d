"""What MSAL hands on of a service's answer, read as MSAL reads it."""

from __future__ import annotations

from typing import Any

import pytest

from azext_login.auth.credential import AccessToken
from azext_login.errors import UnexpectedAnswerError

NOW = 1_900_000_000.5


@pytest.mark.parametrize(
    ("answer", "lives"),
    [({"expires_in": 60}, 60), ({"expires_in": "60"}, 60), ({}, 3599), ({"expires_in": -5}, -5)],
    ids=["number", "text", "not said", "over"],
)
def test_a_token_ends_when_the_answer_says(answer: dict[str, Any], lives: int) -> None:
    token = AccessToken.from_result({"access_token": "x", **answer}, now=NOW)
    assert token == ("x", int(NOW) + lives)
    assert "x" not in repr(token).replace("expires", "")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": None, "expires_in": 60},
        {"access_token": "", "expires_in": 60},
        {"access_token": ["x"], "expires_in": 60},
        {"access_token": "x", "expires_in": float("inf")},
        {"access_token": "x", "expires_in": float("nan")},
        {"access_token": "x", "expires_in": None},
        {"access_token": "x", "expires_in": "soon"},
    ],
)
def test_an_answer_without_a_token_that_can_be_used_is_an_error_with_a_next_step(answer: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedAnswerError) as caught:
        AccessToken.from_result(answer, now=NOW)
    assert caught.value.recommendations
