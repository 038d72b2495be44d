"""The ID of a managed identity, and its form in the profile."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.errors import AccountError, SignInError
from tests.hostile_words import HOSTILE_WORDS

OPTIONS = ("client-id", "object-id", "resource-id")
values = st.text(min_size=1)


def named(option: str, value: str) -> AssignedIdentity:
    return AssignedIdentity.from_ids(*(value if one == option else None for one in OPTIONS))


@given(st.sampled_from(OPTIONS), values)
def test_the_stored_text_names_the_same_identity(option: str, value: str) -> None:
    identity = named(option, value)
    assert AssignedIdentity.from_info(identity.info) == identity
    assert identity.user_name == "userAssignedIdentity"


def test_the_stored_text_is_the_same_as_the_host_s() -> None:
    assert named("client-id", "a-b").info == "MSIClient-a-b"
    assert named("object-id", "a-b").info == "MSIObject-a-b"
    assert named("resource-id", "/subscriptions/a-b").info == "MSIResource-/subscriptions/a-b"
    assert AssignedIdentity.from_ids(None, "", None).info == "MSI"
    assert AssignedIdentity.from_info("MSI").user_name == "systemAssignedIdentity"


@pytest.mark.parametrize("info", ["", "MSI-", "MSIClient", "MSIClient-", "msi", "MSIPrincipal-x", "MSI@50342", "x"])
def test_the_error_for_an_invalid_stored_text_explains_how_to_sign_in_again(info: str) -> None:
    with pytest.raises(AccountError) as caught:
        AssignedIdentity.from_info(info)
    assert "az login --identity" in str(caught.value.recommendations)


@given(st.text())
def test_any_stored_text_is_parsed_or_refused(info: str) -> None:
    try:
        identity = AssignedIdentity.from_info(info)
    except AccountError:
        return
    assert identity.info == info


def test_two_ids_are_refused() -> None:
    with pytest.raises(SignInError, match="Provide only one of --client-id, --object-id, --resource-id"):
        AssignedIdentity.from_ids("a", None, "b")


@pytest.mark.parametrize("value", HOSTILE_WORDS[:-6])
def test_the_options_are_quoted_for_a_shell(value: str) -> None:
    words = shlex.split(str(named("client-id", value).login_command()))
    assert words[:3] == ["az", "login", "--identity"]
    assert words[3:] in ([], ["--client-id", value], [f"--client-id={value}"])


def test_identities_are_described_by_what_the_user_typed() -> None:
    assert str(AssignedIdentity()) == "the system-assigned managed identity"
    assert str(named("client-id", "abc")) == "the managed identity with the client ID 'abc'"
