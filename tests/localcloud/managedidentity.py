"""Managed identities of the local cloud: which one a request means, and its token.

Sources: "How to use managed identities for Azure resources on an Azure VM to acquire an access token" (parameters,
errors, the shape of an answer); "Managed identities FAQ" (which identity is meant when none is named).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.localcloud.claims import ClaimsRequest
from tests.localcloud.directory import Application
from tests.localcloud.errors import EntraError
from tests.localcloud.federation import AUDIENCE, EXCHANGE_APP_ID
from tests.localcloud.scopes import RESOURCES, Resource, by_uri, parse_scope
from tests.localcloud.state import State
from tests.localcloud.tokens import Issuer

_RESOURCES = by_uri((*RESOURCES, Resource("token-exchange", (AUDIENCE.lower(),))))


class IdentityNotFoundError(Exception):
    """No identity that is assigned here fits the request. `several` user-assigned ones are: name one."""

    def __init__(self, several: bool = False) -> None:
        super().__init__("several identities" if several else "no such identity")
        self.several = several


class IdentityTokens:
    """Chooses the managed identity and makes its token."""

    def __init__(self, state: State, issuer: Issuer) -> None:
        self.state = state
        self.issuer = issuer

    def _assigned(self) -> list[Application]:
        return [app for app in self.state.directory.applications if app.resource_id and app.assigned]

    def system_assigned(self) -> Application:
        """The machine's own identity; IdentityNotFoundError if it is unknown."""
        for app in self._assigned():
            if not is_user_assigned(app):
                return app
        raise IdentityNotFoundError

    def choose(self, client_id: str | None, object_id: str | None, resource_id: str | None) -> Application:
        """The identity that is named, or else the system-assigned one, or else the only user-assigned one."""
        if not (client_id or object_id or resource_id):
            try:
                return self.system_assigned()
            except IdentityNotFoundError:
                assigned = self._assigned()
                if len(assigned) != 1:
                    raise IdentityNotFoundError(several=bool(assigned)) from None
                return assigned[0]
        for app in self._assigned():
            ids = (app.app_id, app.principals[0].oid, app.resource_id)
            wanted = (client_id, object_id, resource_id)
            if all(w is None or w.lower() == have.lower() for w, have in zip(wanted, ids, strict=True)):
                return app
        raise IdentityNotFoundError

    def answer(self, app: Application, resource: str) -> dict[str, Any]:
        """A token of `app` for a resource, with numbers: access_token, client_id, expires_in, expires_on, ...

        EntraError when the tenant knows no such resource.
        """
        member = app.principals[0]
        tenant = self.state.directory.tenant(member.tenant_id)
        made = self.issuer.for_application(
            tenant, app, member, parse_scope(f"{resource}/.default", tenant.name, _RESOURCES), ClaimsRequest(), "2"
        )
        claims = {**self.issuer.key.verify(made["access_token"]), "xms_mirid": app.resource_id}
        if resource == AUDIENCE:
            # Such a token is one of the v2.0 endpoint, and its audience is the application ID of that resource.
            issuer = f"{self.issuer.base_url}/{tenant.id}/v2.0"
            claims.update(aud=EXCHANGE_APP_ID, iss=issuer, idp=issuer, ver="2.0")
        return {
            "access_token": self.issuer.key.sign(claims),
            "client_id": app.app_id,
            "expires_in": made["expires_in"],
            "expires_on": claims["exp"],
            "not_before": claims["nbf"],
            "resource": resource,
            "token_type": "Bearer",
        }


def is_user_assigned(app: Application) -> bool:
    """True for a managed identity that is a resource of its own."""
    return "/userassignedidentities/" in app.resource_id.lower()


def as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """An answer with its numbers as strings, which is how most of these services write them."""
    return {key: str(value) for key, value in values.items()}


def refusal_text(error: EntraError, state: State, base_url: str) -> str:
    """Entra's description of a refusal, with the trace lines."""
    return str(error.body(state.now(), None, base_url)["error_description"])
