"""The grants that redeem a code: authorization code with PKCE, and device code."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any, ClassVar

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceCodeGrant

from tests.localcloud.clients import Client
from tests.localcloud.directory import User
from tests.localcloud.errors import EntraError, invalid_grant, missing_parameter
from tests.localcloud.grants import TokenGrant
from tests.localcloud.policy import ANY_TENANT, find_tenant
from tests.localcloud.state import AuthorizationCode, DeviceSignIn


class CodeGrant(TokenGrant, grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """RFC 6749 4.1.3. The code is taken before anything is checked: a failed try uses it up as well."""

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode:
        with self.state.lock:
            found = self.state.codes.get(code)
            if found is not None:
                self.state.codes[code] = replace(found, redeemed=True)
        if found is None:
            raise invalid_grant(70000, "The provided value for the 'code' parameter is not valid.")
        if found.client_id != client.app.app_id:
            raise invalid_grant(700007, "The authorization code was issued to another client.")
        if found.redeemed:
            # RFC 6749 4.1.2: revoke what came from the code, since a second redemption means that it leaked.
            self.state.revoked_families.add(found.family)
            raise invalid_grant(
                54005,
                "OAuth2 Authorization code was already redeemed, please retry with a new valid "
                "code or use an existing refresh token.",
            )
        if found.expires_at <= self.state.now():
            raise invalid_grant(
                70008,
                "The provided authorization code or refresh token has expired due to "
                "inactivity. Send a new interactive authorization request for this user and "
                "resource.",
            )
        if found.tenant.lower() != self.request.tenant_segment.lower() and not self._same_tenant(found):
            raise invalid_grant(
                700005, "Provided Authorization Code is intended to use against other tenant, thus rejected."
            )
        if self.request.form.get("redirect_uri") != found.redirect_uri:
            raise invalid_grant(
                500112,
                f"The reply address '{self.request.form.get('redirect_uri')}' does not match "
                f"the reply address '{found.redirect_uri}' provided when requesting "
                "Authorization code.",
            )
        return found

    def _same_tenant(self, code: AuthorizationCode) -> bool:
        """The same tenant under another name (domain instead of GUID, or the home tenant behind organizations)."""
        user = self.find_user(code.sign_in.username)
        directory = self.state.directory
        names = (code.tenant, self.request.tenant_segment)
        return not all(n.lower() in ANY_TENANT for n in names) and (
            find_tenant(directory, names[0], user).id == find_tenant(directory, names[1], user).id
        )

    def authenticate_user(self, authorization_code: AuthorizationCode) -> User:
        return self.find_user(authorization_code.sign_in.username)

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Kept, marked as redeemed, to recognize a replay."""

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        code: AuthorizationCode = self.request.authorization_code
        return self.issue(user, code.sign_in, self.request.form.get("scope") or code.scope, code.family, code.nonce)


class Pkce(CodeChallenge):  # type: ignore[misc]
    """RFC 7636 with S256 only. The challenge itself is demanded by the authorization endpoint."""

    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar = ["S256"]

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        """A verifier is required and has to fit."""
        if not grant.request.form.get("code_verifier"):
            raise missing_parameter("code_verifier")
        try:
            super().validate_code_verifier(grant, result)
        except OAuth2Error as exc:
            raise invalid_grant(
                501481,
                "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
            ) from exc


class DeviceGrant(TokenGrant, DeviceCodeGrant):  # type: ignore[misc]
    """RFC 8628 3.4 and 3.5 with the error names of "OAuth 2.0 device authorization grant flow"."""

    def query_device_credential(self, device_code: str) -> DeviceSignIn:
        found = self.state.device_sign_ins.get(device_code)
        if found is None or found.status == "redeemed":
            raise EntraError(
                "bad_verification_code",
                70018,
                "Invalid verification code due to User typing in wrong user code for device code flow.",
            )
        return found

    def validate_device_credential(self, credential: DeviceSignIn) -> User:
        with self.state.lock:
            now = self.state.now()
            found = self.state.device_sign_ins[credential.device_code]
            if found.expires_at <= now:
                raise EntraError(
                    "expired_token",
                    70020,
                    "The provided value for the input parameter 'device_code' is "
                    "not valid. This device code has expired.",
                )
            if found.status == "declined":
                raise EntraError("authorization_declined", 65004, "The end user declined the authorization request.")
            if found.status == "approved" and found.sign_in is not None:
                self.state.device_sign_ins[found.device_code] = replace(found, status="redeemed")
                self.request.sign_in = found.sign_in
                return self.find_user(found.sign_in.username)
            too_fast = found.last_poll and now - found.last_poll < found.interval - 0.05
            # RFC 8628 3.5: after slow_down the interval is 5 seconds longer, for all further polls.
            interval = found.interval + 5 if too_fast else found.interval
            self.state.device_sign_ins[found.device_code] = replace(found, last_poll=now, interval=interval)
        if too_fast:
            raise EntraError(
                "slow_down",
                70016,
                "OAuth 2.0 device flow error. Polling too fast; wait 5 seconds longer between requests.",
            )
        raise EntraError(
            "authorization_pending",
            70016,
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        )

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        return self.issue(user, self.request.sign_in, scope, secrets.token_hex(8))
