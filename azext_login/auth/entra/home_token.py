"""The token of a user for any tenant, under the home tenant as well."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from azext_login.auth.credential import FRESH_FOR
from azext_login.auth.jwt import unverified_claims
from azext_login.system.text import is_id

# The authority of a sign-in that names no tenant (`ApplicationFactory.authority_of`): MSAL's `realm` of its tokens.
_ANY_TENANT = "organizations"

# The tenant of personal accounts: https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference. It has
# no subscriptions.
_PERSONAL_ACCOUNTS = "9188040d-6c67-4c5b-b112-36a304b66dad"


def copy_for_home(tokens: Any, secret: str, home: str) -> bool:
    """Store a copy of an access token for the home tenant of its user, unless there is a token for it already.

    Entra issues a token at `organizations` in the user's home tenant, so MSAL would only get its like when it asks that
    tenant. The token itself (`tid`) has to name it: that of a personal account may be for another tenant.

    :param tokens: MSAL's token cache, which already has the token.
    :param secret: the token.
    :param home: GUID of the user's home tenant.
    :return: whether there is a token for the home tenant now.
    """
    tenant = (unverified_claims(secret) or {}).get("tid")
    if not is_id(tenant) or str(tenant).lower() != home.lower() or home.lower() == _PERSONAL_ACCOUNTS:
        return False
    kind = tokens.CredentialType.ACCESS_TOKEN
    found = [entry for entry in tokens.search(kind, query={"realm": _ANY_TENANT}) if entry.get("secret") == secret]
    if len(found) != 1:
        return False
    realm = {"realm": home.lower()}
    own = {name: found[0].get(name) for name in ("home_account_id", "environment", "client_id", "target")} | realm
    # It may be a later one, or satisfy a claims challenge.
    if not any(_is_fresh(entry) for entry in tokens.search(kind, query=own)):
        tokens.modify(kind, {**found[0], **realm}, realm)
    return True


def _is_fresh(entry: Mapping[str, Any]) -> bool:
    try:
        return int(entry["expires_on"]) > time.time() + FRESH_FOR
    except (KeyError, TypeError, ValueError):
        return False
