"""The claims of tokens, compared with what PyJWT reads."""

from __future__ import annotations

import subprocess
import sys

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.jwt import claims_of, is_assertion, unverified_claims
from azext_login.errors import UnexpectedAnswerError

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)
# PyJWT checks the types of the registered claims when it encodes.
_CLAIM_NAMES = st.text().filter(lambda name: name not in ("exp", "iat", "nbf", "iss"))


@given(st.dictionaries(_CLAIM_NAMES, _JSON, max_size=4))
def test_the_claims_are_those_that_were_encoded(claims: dict[str, object]) -> None:
    token = jwt.encode(claims, "k" * 32)
    assert claims_of(token) == unverified_claims(token) == claims
    assert is_assertion(token)


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", jwt.encode({}, "k" * 32) + ".more"])
def test_an_access_token_that_is_not_a_jwt_is_an_error_with_a_next_step(token: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="not a JSON Web Token") as caught:
        claims_of(token)
    assert caught.value.recommendations
    assert not is_assertion(token)


def test_reading_claims_imports_neither_pyjwt_nor_cryptography() -> None:
    program = (
        "import sys; from azext_login.auth.jwt import expiry_of; "
        f"assert expiry_of({jwt.encode({'exp': 60}, 'k' * 32)!r}) == 60; "
        "sys.exit(bool({'jwt', 'cryptography'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
