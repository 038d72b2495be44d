"""Text that is made fit for a line of a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.system.text import is_id, shorten, without_controls


@given(st.text(max_size=40), st.integers(3, 40))
def test_shortened_text_fits_and_shows_that_something_is_missing(text: str, longest: int) -> None:
    short = shorten(text, longest)
    assert len(short) <= longest
    assert short == text or (short.endswith("...") and text.startswith(short[:-3]))


@pytest.mark.parametrize("word", ["4bdc4175-3c67-57bc-81ea-5ad5c66e4def", "adfs", "a_1.b", "x" * 128])
def test_a_word_of_letters_digits_and_three_signs_can_be_an_id(word: str) -> None:
    assert is_id(word)


@pytest.mark.parametrize(
    "word",
    [
        *("$(touch PWN)", "`x`", "x;y", "a b", "it's", "-p", "--debug", "", "..", "x" * 129, "a/b", "a\\b", "%41"),
        *("\x1b", "a\n", "\u202ea", "a\x9b", "ä", "٣", "a\ud800", None, 7),
    ],
)
def test_no_other_word_can(word: object) -> None:
    assert not is_id(word)


@given(st.text(st.characters(categories=["Cc", "Cf", "L", "Zs", "Sk"]), max_size=20))
def test_text_without_controls_has_the_same_length_and_no_control(text: str) -> None:
    cleaned = without_controls(text)
    assert len(cleaned) == len(text)
    assert not [char for char in cleaned if unicodedata.category(char) == "Cc" or char in "\u202a\u202e\u2066\u2069"]
    assert cleaned == text or "\ufffd" in cleaned


@pytest.mark.parametrize("name", ["Entwicklung Zürich – 測試 ☃", "👩\u200d🚀 \ufe0f", "a\u200fb", "a\u00adb"])
def test_names_in_every_script_stay_as_they_are(name: str) -> None:
    assert without_controls(name) == name
