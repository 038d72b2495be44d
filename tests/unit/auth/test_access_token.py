"""Token answers of a service, which MSAL passes on as they are."""

from __future__ import annotations

from typing import Any

import pytest

from azext_login.auth.credential import AccessToken
from azext_login.errors import UnexpectedAnswerError

NOW = 1_900_000_000.5


@pytest.mark.parametrize(
    ("answer", "lifetime"),
    [({"expires_in": 60}, 60), ({"expires_in": "60"}, 60), ({}, 3599), ({"expires_in": -5}, -5)],
    ids=["number", "text", "missing", "expired"],
)
def test_a_token_expires_as_the_answer_states(answer: dict[str, Any], lifetime: int) -> None:
    token = AccessToken.from_result({"access_token": "x", **answer}, now=NOW)
    assert (token.secret, token.expires_on) == ("x", int(NOW) + lifetime)
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
        {"access_token": "x", "expires_in": 1e300},
        {"access_token": "x", "expires_in": "9" * 12},
        {"access_token": "x", "expires_in": "9" * 5000},
        {"access_token": "x", "expires_in": None},
        {"access_token": "x", "expires_in": "soon"},
    ],
)
def test_an_answer_without_a_usable_token_is_an_error_with_a_next_step(answer: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedAnswerError) as caught:
        AccessToken.from_result(answer, now=NOW)
    assert caught.value.recommendations
