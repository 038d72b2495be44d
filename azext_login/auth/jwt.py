"""What an access token of our own says about its owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azext_login.errors import UnexpectedAnswerError


def claims_of(access_token: str) -> Mapping[str, Any]:
    """Return the claims of a token that came straight from its issuer; the signature is the resource's business.

    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference: `tid` is the tenant, `oid` the
    object, `appid` the application, `unique_name` the user, `xms_mirid` the managed identity's resource ID.

    :raises UnexpectedAnswerError: it is no JSON Web Token.
    """
    import jwt

    try:
        claims: Mapping[str, Any] = jwt.decode(access_token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError) as error:
        raise UnexpectedAnswerError(
            "The access token is not a JSON Web Token, so it does not say which tenant it is for.",
            "Something else than Azure's service may have answered. Check the environment and run the command again.",
        ) from error
    return claims
