"""For tests against the local cloud: an HTTP session that trusts it, and a user without a browser."""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from tests.harness.http_user import Answer, HttpUser, Page
from tests.localcloud.seed import AZURE_CLI
from tests.localcloud.server import LocalCloud

ARM_SCOPE = "https://management.core.windows.net//.default"
USUAL_SCOPES = f"{ARM_SCOPE} openid offline_access profile"


def trusting_session(cloud: LocalCloud) -> requests.Session:
    """A session that trusts the cloud's CA and nothing else, whatever the environment names."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(cloud.ca_bundle)
    return session


def pkce_pair() -> tuple[str, str]:
    """(verifier, S256 challenge) of RFC 7636."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize_url(cloud: LocalCloud, challenge: str, tenant: str = "organizations", **changes: str | None) -> str:
    """An authorization request as MSAL makes it; `changes` replace parameters, None removes one."""
    values: dict[str, str | None] = {
        "client_id": AZURE_CLI,
        "response_type": "code",
        "redirect_uri": "http://localhost:8400",
        "state": "st&te",
        "scope": USUAL_SCOPES,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "nonce": "n0nce",
        "client_info": "1",
        "prompt": "select_account",
        **changes,
    }
    query = urlencode({key: value for key, value in values.items() if value is not None})
    return f"{cloud.url}/{tenant}/oauth2/v2.0/authorize?{query}"


class Visitor(HttpUser):
    """Any user of the cloud's directory, at one browser: signs in page by page, until the application is called.

    visitor = Visitor(cloud)
    answer = visitor.sign_in(authorize_url(cloud, challenge), ALICE)
    """

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(Path(cloud.ca_bundle), "", "")
        self.cloud = cloud

    def identify(self, username: str) -> Page:
        """On the page that asks who signs in: enter the user name, the password, and the second factor if asked."""
        if "other-account" in self.page.buttons:
            self.press("other-account")
        self.press("submit", username=username)
        self.press("submit", password=self.cloud.directory.user(username).password)
        if "mfa-code" in self.page.inputs:
            self.press("submit", mfa_code=self.page.authenticator_code)
        return self.page

    def sign_in(self, url: str, username: str) -> Answer:
        """Open an authorization request and sign in; AssertionError when the application is not called."""
        self.open(url)
        self.identify(username)
        assert self.answer is not None, self.page.html
        return self.answer

    def enter_device_code(self, user_code: str, username: str, accept: bool = True) -> Page:
        """Sign in with a device code at /device and accept, or cancel."""
        self.open(f"{self.cloud.url}/device")
        self.press("submit", user_code=user_code)
        self.identify(username)
        if "accept" in self.page.buttons:
            self.press("accept" if accept else "cancel")
        return self.page


class TokenClient:
    """Sends requests to the token endpoint and ARM without any library in between."""

    def __init__(self, cloud: LocalCloud, client_id: str = AZURE_CLI) -> None:
        self.cloud = cloud
        self.client_id = client_id
        self.session = trusting_session(cloud)

    def token(self, tenant: str = "organizations", **form: str) -> requests.Response:
        """POST to the token endpoint."""
        url = f"{self.cloud.url}/{tenant}/oauth2/v2.0/token"
        return self.session.post(url, data={"client_id": self.client_id, **form}, timeout=30)

    def password(self, username: str, tenant: str = "organizations", **form: str) -> requests.Response:
        """User name and password; the right password unless `form` has another."""
        user = self.cloud.directory.find_user(username)
        values = {
            "grant_type": "password",
            "username": username,
            "password": user.password if user else "x",
            "scope": USUAL_SCOPES,
            "client_info": "1",
            **form,
        }
        return self.token(tenant, **values)

    def refresh(self, refresh_token: str, tenant: str = "organizations", **form: str) -> requests.Response:
        """Redeem a refresh token."""
        return self.token(
            tenant,
            **{
                "grant_type": "refresh_token",
                "refresh_token": refresh_token,
                "scope": USUAL_SCOPES,
                "client_info": "1",
                **form,
            },
        )

    def device_code(self, tenant: str = "organizations", **form: str) -> dict[str, Any]:
        """Start a device code sign-in."""
        url = f"{self.cloud.url}/{tenant}/oauth2/v2.0/devicecode"
        answer = self.session.post(url, data={"client_id": self.client_id, "scope": USUAL_SCOPES, **form}, timeout=30)
        found: dict[str, Any] = answer.json()
        return found

    def poll(self, device_code: str, tenant: str = "organizations") -> requests.Response:
        """Ask whether the user at the other device is done."""
        return self.token(
            tenant,
            grant_type="urn:ietf:params:oauth:grant-type:device_code",
            device_code=device_code,
            scope=USUAL_SCOPES,
            client_info="1",
        )

    def arm(
        self, path: str, access_token: str | None, api_version: str | None = "2022-12-01", method: str = "GET"
    ) -> requests.Response:
        """Call ARM."""
        url = path if path.startswith("https:") else self.cloud.url + path
        if api_version and "api-version" not in url:
            url += f"?api-version={api_version}"
        headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
        return self.session.request(method, url, headers=headers, timeout=30)
