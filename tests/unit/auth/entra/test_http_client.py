"""What MSAL raises over an answer of another shape is one error with a next step, whatever it is."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import pytest
from azure.cli.core.azclierror import AzCLIError

from azext_login.auth.entra.application import authority_errors
from azext_login.errors import MalformedAnswerError, UnexpectedAnswerError

AUTHORITY = "https://login.contoso.example"


def _assert_text() -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("stumble", "kind"),
    [
        (lambda: ElementTree.fromstring("<html>not closed"), MalformedAnswerError),
        (lambda: json.loads("<html>"), MalformedAnswerError),
        (lambda: ["no token"][1], UnexpectedAnswerError),
        (lambda: dict[str, str]()["access_token"], UnexpectedAnswerError),
        (lambda: int(float("inf")), UnexpectedAnswerError),
        (lambda: int("1e5"), UnexpectedAnswerError),
        (lambda: "".join([{}]), UnexpectedAnswerError),  # type: ignore[list-item]
        (_assert_text, UnexpectedAnswerError),
    ],
    ids=["XML", "JSON", "an ID token", "no token", "an endless time", "no time", "an error", "a refresh token"],
)
def test_an_answer_that_msal_stumbles_over_is_one_error(stumble: Callable[[], object], kind: type[AzCLIError]) -> None:
    with pytest.raises(kind) as caught, authority_errors(AUTHORITY):
        stumble()
    assert AUTHORITY in str(caught.value)
    assert caught.value.recommendations
