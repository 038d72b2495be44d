"""What users paste when they are asked for the redirect address, and the messages they get."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azext_login.auth.interactive.pasted_address import PastedAddressError, parse_pasted_address

URI = "http://localhost:40123"
CODE = "0.AXEAsecretcode"
QUERY = f"code={CODE}&state=st-1"
ADDRESS = f"{URI}/?{QUERY}"
ANSWER = {"code": CODE, "state": "st-1"}

ACCEPTED = {
    "as it is": ADDRESS,
    "without the slash": f"{URI}?{QUERY}",
    "upgraded to https": ADDRESS.replace("http:", "https:"),
    "scheme and host in capitals": ADDRESS.replace("http://localhost", "HTTP://LOCALHOST"),
    "by number": ADDRESS.replace("localhost", "127.0.0.1"),
    "by IPv6 number": ADDRESS.replace("localhost", "[::1]"),
    "without the scheme": ADDRESS.replace("http://", ""),
    "by number without the scheme": ADDRESS.replace("http://localhost", "127.0.0.1"),
    "blanks around": f"  \t{ADDRESS} \r\n",
    "double quotes": f'"{ADDRESS}"',
    "single quotes and blanks": f" '{ADDRESS}' ",
    "typographic quotes": f"\u201c{ADDRESS}\u201d",
    "angle brackets": f"<{ADDRESS}>",
    "wrapped by a terminal": ADDRESS[:30] + "\n" + ADDRESS[30:50] + "\r\n   " + ADDRESS[50:],
    "wrapped inside the code": ADDRESS.replace("secret", "sec\nret"),
    "a zero-width space in front": "\u200b\ufeff" + ADDRESS,
    "query alone": QUERY,
    "query with its question mark": "?" + QUERY,
    "other order": f"state=st-1&code={CODE}",
    "in the fragment": f"{URI}/#{QUERY}",
    "fragment alone": "#" + QUERY,
    "with a fragment that means nothing": ADDRESS + "#_=_",
    "query alone with a fragment": QUERY + "#",
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_the_address_is_understood_however_it_was_copied(text: str) -> None:
    assert parse_pasted_address(text, redirect_uri=URI) == ANSWER


def test_more_parameters_and_encoded_characters_are_kept() -> None:
    query = urlencode({"code": "a/b+c=", "state": "s t", "session_state": "1", "client_info": "e30"})
    assert parse_pasted_address(f"{URI}/?{query}", redirect_uri=URI) == {
        "code": "a/b+c=",
        "state": "s t",
        "session_state": "1",
        "client_info": "e30",
    }


def test_an_error_of_the_authority_is_an_answer() -> None:
    text = f"{URI}/?error=access_denied&error_description=User+declined%0D%0ATrace&state=st-1"
    assert parse_pasted_address(text, redirect_uri=URI) == {
        "error": "access_denied",
        "error_description": "User declined\r\nTrace",
        "state": "st-1",
    }


def test_the_longest_address_that_makes_sense_is_accepted() -> None:
    text = f"{URI}/?code={'c' * 60_000}&state=s"
    assert len(parse_pasted_address(text, redirect_uri=URI)["code"]) == 60_000


REFUSED = {
    "nothing": ("", "Nothing was pasted"),
    "blanks": (" \n ", "Nothing was pasted"),
    "quotes only": ('""', "Nothing was pasted"),
    "words": ("what address?", "not an address"),
    "the code alone": (CODE, "not an address"),
    "a broken host": ("http://[::1/?" + QUERY, "not an address"),
    "a broken port": ("http://localhost:99999999/?" + QUERY, "not an address"),
    "the sign-in page": (
        f"https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=1&code={CODE}",
        "another page",
    ),
    "a host that starts like ours": ("http://localhost.evil.example:40123/?" + QUERY, "another page"),
    "ours as user name": ("http://localhost:40123@evil.example/?" + QUERY, "another page"),
    "another scheme": ("ftp://localhost:40123/?" + QUERY, "another page"),
    "script": ("javascript://localhost:40123/?" + QUERY, "another page"),
    "another path": (f"{URI}/done?{QUERY}", "another page"),
    "the port of an earlier try": ("http://localhost:40999/?" + QUERY, "its port differs"),
    "no port": ("http://localhost/?" + QUERY, "its port differs"),
    "the address without an answer": (URI + "/", "no answer"),
    "an empty code": (f"{URI}/?code=&state=s", "no answer"),
    "a query without an answer": ("state=st-1&session_state=1", "no answer"),
    "no state": (f"{URI}/?code={CODE}", "state= is missing"),
    "cut off": (f"{URI}/?code={CODE}&sta", "state= is missing"),
    "code and error": (f"{URI}/?{QUERY}&error=access_denied", "both a code and an error"),
    "two codes": (f"{URI}/?{QUERY}&code={CODE}", "twice"),
    "two states": (f"{URI}/?{QUERY}&state=other", "twice"),
    "pasted twice": (ADDRESS + ADDRESS, "twice"),
    "broken encoding": (f"{URI}/?{QUERY}%", "damaged"),
    "not UTF-8": (f"{URI}/?{QUERY}&x=%ff", "damaged"),
    "a whole file": ("x" * 70_000, "too long"),
}


@pytest.mark.parametrize("text, reason", REFUSED.values(), ids=REFUSED)
def test_what_is_not_the_address_is_refused_with_the_reason_and_without_repeating_it(text: str, reason: str) -> None:
    with pytest.raises(PastedAddressError, match=reason) as caught:
        parse_pasted_address(text, redirect_uri=URI)
    assert CODE not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.parametrize("name", ["words", "the sign-in page", "the port of an earlier try", "nothing"])
def test_the_refusal_of_a_wrong_address_says_which_one_is_needed(name: str) -> None:
    with pytest.raises(PastedAddressError, match=f"starts with {URI}/ and contains code= and state="):
        parse_pasted_address(REFUSED[name][0], redirect_uri=URI)


def test_a_redirect_address_with_another_host_and_path_is_compared_with_both() -> None:
    uri = "https://cloud.contoso.com:8443/common/back"
    assert parse_pasted_address(f"{uri}?{QUERY}", redirect_uri=uri) == ANSWER
    for other in (f"https://localhost:8443/common/back?{QUERY}", f"https://cloud.contoso.com:8443/?{QUERY}"):
        with pytest.raises(PastedAddressError, match="another page"):
            parse_pasted_address(other, redirect_uri=uri)


# Pieces of which some sequences are nearly right.
pieces = st.sampled_from(
    [
        *(URI, "http://", "https://", "localhost:", "40123", "/", "?", "#", "&", "=", "%", "%zz", "%00", "[", "]"),
        *("state=st-1", "error=x", CODE, f"code={CODE}", "\n", " ", '"', "\x1b[200~", "\udcff", "\u2100", ":-1"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(pieces, max_size=10).map("".join)))
def test_any_text_gives_an_answer_or_the_named_error_and_no_message_holds_the_code(text: str) -> None:
    failure = None
    try:
        result = parse_pasted_address(text, redirect_uri=URI)
        assert result.get("state")
        assert bool(result.get("code")) != bool(result.get("error"))
    except PastedAddressError as error:
        failure = error
    if failure is not None:
        assert CODE not in str(failure)
        assert (failure.__cause__, failure.__context__) == (None, None)


@settings(deadline=None)
@given(st.text("abcXYZ019-_.~", min_size=1, max_size=300), st.lists(st.integers(0, 350), max_size=5))
def test_line_breaks_anywhere_do_not_change_the_answer(code: str, breaks: list[int]) -> None:
    text = f"{URI}/?code={code}&state=st-1"
    for position in sorted(breaks, reverse=True):
        text = text[:position] + "\n" + text[position:]
    assert parse_pasted_address(text, redirect_uri=URI) == {"code": code, "state": "st-1"}
