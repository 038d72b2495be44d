"""The answers of programs and plug-ins: whatever they contain, they are a credential or refused without a trace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.sources.answers import PRINTED, credential_in
from azext_login.auth.sources.credential_source import CredentialKind
from azext_login.auth.sources.registry import parse_arguments, restore_source
from azext_login.errors import AccountError

_SECRET = "secret-canary"
_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.just(_SECRET) | st.lists(st.just(_SECRET))
_MEMBERS = ("version", "kind", "assertion", "secret", "access_token", "certificate", "expires_on")


@given(
    st.dictionaries(st.sampled_from(_MEMBERS), _VALUES),
    st.sampled_from([*(each.value for each in CredentialKind), _SECRET]),
)
def test_an_answer_is_a_credential_or_an_error_without_its_content(content: dict[str, Any], kind: str) -> None:
    shown = ""
    try:
        found = credential_in({"version": 1, "kind": kind, **content}, tuple(CredentialKind))
        shown = repr(found)
    except ValueError as error:
        shown = str(error)
    assert shown
    assert _SECRET not in shown


@pytest.mark.parametrize("version", [True, "1", 2, None, 1.5])
def test_another_version_is_refused(version: object) -> None:
    with pytest.raises(ValueError, match="'version' is not 1"):
        credential_in({"version": version, "kind": "secret", "secret": "x"}, PRINTED)


def test_a_secret_keeps_its_blanks_and_the_others_lose_them() -> None:
    assert credential_in({"version": 1, "kind": "secret", "secret": " x "}, PRINTED).value == " x "
    token = {"version": 1, "kind": "token", "access_token": " x\n", "expires_on": 5}
    assert credential_in(token, PRINTED).value == "x"


def test_a_program_prints_no_certificate() -> None:
    with pytest.raises(ValueError, match="'kind' is not one of"):
        credential_in({"version": 1, "kind": "certificate", "certificate": "x"}, PRINTED)


@given(st.dictionaries(st.from_regex("[a-z_]{1,9}", fullmatch=True), st.text(min_size=1).filter(str.strip)))
def test_arguments_are_read_as_they_were_given(arguments: dict[str, str]) -> None:
    assert parse_arguments([f"{key}={value}" for key, value in arguments.items()]) == arguments


@pytest.mark.parametrize("words", [["a"], ["=b"], ["a b=c"], ["a="], ["a= "], ["a=1", "a=2"]])
def test_arguments_of_another_form_are_refused(words: list[str]) -> None:
    with pytest.raises(AccountError):
        parse_arguments(words)


@given(st.recursive(_VALUES | st.just("named"), lambda inner: st.dictionaries(st.text(), inner)))
def test_something_else_in_an_entry_is_no_source(value: object) -> None:
    assert restore_source(value, owner=None) is None


@pytest.mark.parametrize(
    "description",
    [
        {"type": "named", "name": "command", "arguments": {"command": "get x"}},
        {"type": "named", "name": "managed-identity", "arguments": {"client_id": "x", "audience": "y"}},
        {"type": "named", "name": "managed-identity", "arguments": {}},
        {"type": "named", "name": "vault", "extension": "corp", "arguments": {"a": "b"}},
    ],
)
def test_a_stored_source_is_restored_unchanged(description: dict[str, Any]) -> None:
    source = restore_source(description, owner=None)
    assert source is not None
    assert source.to_json() == description


@pytest.mark.parametrize(
    "description",
    [
        {"type": "named", "name": "command", "arguments": {}},
        {"type": "named", "name": "later", "arguments": {}},
        {"type": "named", "name": "vault", "extension": "corp", "arguments": {"a": 5}},
    ],
)
def test_a_source_of_a_later_release_is_not_used(description: dict[str, Any]) -> None:
    assert restore_source(description, owner=None) is None
