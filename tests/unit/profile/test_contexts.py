"""The names of contexts, and what is kept of the stored ones when one of them changes."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.errors import AccountError
from azext_login.profile.contexts import (
    LONGEST_NAME,
    Context,
    check_name,
    context_of,
    find_context,
    is_name,
    is_same_name,
    read_contexts,
    with_context,
    without_context,
)
from azext_login.profile.model import Account

_ALPHABET = string.ascii_letters + string.digits + "._-"
_NAMES = st.text(_ALPHABET, min_size=1, max_size=LONGEST_NAME).filter(is_name)
_ACCOUNTS = st.builds(
    Account,
    st.text(min_size=1, max_size=20),
    st.sampled_from(["user", "servicePrincipal"]),
    st.dictionaries(st.sampled_from(["assignedIdentityInfo", "cloudShellID"]), st.text(max_size=10)),
)
_CONTEXTS = st.builds(Context, _NAMES, st.text(max_size=10), _ACCOUNTS, st.uuids().map(str), st.uuids().map(str))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=6,
)


def _is_named(value: Any, name: str) -> bool:
    return isinstance(value, dict) and is_same_name(str(value.get("name")), name)


@given(st.text(max_size=80) | st.text(_ALPHABET, max_size=LONGEST_NAME + 2))
def test_a_name_is_safe_as_a_word_a_line_and_a_file_name(text: str) -> None:
    if not is_name(text):
        with pytest.raises(AccountError, match="cannot be the name of a context") as refused:
            check_name(text)
        assert str(refused.value).isprintable() or not text.isascii()
        return
    assert check_name(text) == text
    assert 1 <= len(text) <= LONGEST_NAME
    assert set(text) <= set(_ALPHABET)
    assert text.strip(".")
    assert not text.startswith("-")
    assert not re.match(r"(con|prn|aux|nul|(com|lpt)\d)(\.|$)", text, re.IGNORECASE)


@pytest.mark.parametrize("text", ["..", ".", "CON", "con.txt", "Com1", "lpt9.a.b", "a/b", "a\\b", "x" * 65, "", "-x"])
def test_these_are_no_names(text: str) -> None:
    assert not is_name(text)


@pytest.mark.parametrize("text", ["a\n", "a ", " a", "ä", "a\x00", "١", "\u212a"])
def test_line_ends_blanks_and_other_scripts_are_no_part_of_a_name(text: str) -> None:
    assert not is_name(text)


@pytest.mark.parametrize("text", ["a", "0", "_", "a-", ".a", "a..b", "x" * 64, "console", "com10", "auxiliary", "COM"])
def test_these_are_names(text: str) -> None:
    assert is_name(text)


@given(st.lists(_JSON | _CONTEXTS.map(lambda context: with_context([], context)[0]), max_size=5), _CONTEXTS)
def test_a_new_context_is_found_and_everything_else_stays(stored: list[Any], new: Context) -> None:
    stored = [value for value in stored if not _is_named(value, new.name)]
    added = with_context(stored, new)
    assert added[:-1] == stored
    for name in (new.name, new.name.upper(), new.name.lower()):
        assert find_context(added, name) == new
    found = find_context(added, new.name)
    assert found is not None
    assert (found.account.key, dict(found.account.details)) == (new.account.key, dict(new.account.details))
    assert without_context(added, new.name.swapcase()) == stored


@given(_CONTEXTS, _CONTEXTS, st.dictionaries(st.text(min_size=1, max_size=8), _JSON, max_size=3))
def test_a_change_keeps_the_keys_of_other_programs(before: Context, after: Context, foreign: dict[str, Any]) -> None:
    (written,) = with_context([], before)
    foreign = {name: value for name, value in foreign.items() if name not in written}
    (changed,) = with_context([{**written, **foreign}], after, replaces=before.name.swapcase())
    assert {name: changed[name] for name in foreign} == foreign
    assert read_contexts([changed]) == [after]


@given(st.lists(_JSON, max_size=5))
def test_nothing_that_is_stored_breaks_the_reading(stored: list[Any]) -> None:
    assert read_contexts(stored) == []
    assert find_context(stored, "name") is None
    assert without_context(stored, "\x00") == stored


@given(st.lists(_CONTEXTS, max_size=6))
def test_contexts_are_sorted_and_of_one_name_the_first_counts(contexts: list[Context]) -> None:
    stored = [value for context in contexts for value in with_context([], context)]
    found = read_contexts(stored)
    assert [each.name.lower() for each in found] == sorted({each.name.lower() for each in contexts})
    for each in found:
        assert each == next(context for context in contexts if is_same_name(context.name, each.name))


@given(_CONTEXTS, st.booleans())
def test_a_context_stands_for_the_row_that_it_was_made_of(context: Context, upper: bool) -> None:
    def spelled(text: str) -> str:
        return text.upper() if upper else text

    row = {
        "environmentName": context.cloud,
        "id": context.subscription,
        "tenantId": context.tenant,
        "user": {"name": context.account.name, "type": context.account.kind, **context.account.details},
    }
    made = context_of(context.name, row)
    assert made.stands_for({**row, "id": spelled(context.subscription), "tenantId": spelled(context.tenant)})
    other = "00000000-0000-0000-0000-000000000000"
    for change in ({"id": other}, {"tenantId": other}, {"environmentName": context.cloud + "x"}):
        assert not made.stands_for({**row, **change})
    assert not replace(made, account=Account(context.account.name + "x")).stands_for(row)
