"""Text that is made fit for a line of a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from azext_login.system.text import shorten


@given(st.text(max_size=40), st.integers(3, 40))
def test_shortened_text_fits_and_shows_that_something_is_missing(text: str, longest: int) -> None:
    short = shorten(text, longest)
    assert len(short) <= longest
    assert short == text or (short.endswith("...") and text.startswith(short[:-3]))
