"""Azure Resource Manager's side: tenants, subscriptions, locations, resource groups, behind verified tokens.

Shapes: "Subscriptions - List" and "Tenants - List" of the REST reference, api-versions 2016-06-01 and 2022-12-01.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, g, jsonify, request

from tests.localcloud.armtoken import ArmError, Caller, authenticate
from tests.localcloud.directory import Subscription, Tenant, stable_guid
from tests.localcloud.metadata import cloud_metadata
from tests.localcloud.state import State
from tests.localcloud.tokens import Issuer

_VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}(-preview)?$")
LOCATIONS = (
    ("westeurope", "West Europe", "Europe", "4.9", "52.3667"),
    ("northeurope", "North Europe", "Europe", "-6.2597", "53.3478"),
    ("switzerlandnorth", "Switzerland North", "Switzerland", "8.564572", "47.451542"),
)
PROVIDERS = ("Microsoft.Compute", "Microsoft.Network", "Microsoft.Resources", "Microsoft.Storage")


def _api_version() -> str:
    version = request.args.get("api-version")
    if not version:
        raise ArmError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not _VERSION.match(version) or version < "2016-06-01":
        raise ArmError(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. The supported versions are '2016-06-01' and later.",
        )
    return version


def _tenant_json(tenant: Tenant, caller: Caller, version: str) -> dict[str, Any]:
    found: dict[str, Any] = {"id": f"/tenants/{tenant.id}", "tenantId": tenant.id}
    if version > "2016-06-01":
        found.update(
            countryCode=tenant.country,
            displayName=tenant.name,
            domains=list(tenant.domains),
            tenantCategory="Home" if tenant.id == caller.home_tenant else "ManagedBy",
        )
    if version >= "2020-01-01":
        found.update(defaultDomain=tenant.domains[0], tenantType="AAD")
    return found


def _subscription_json(sub: Subscription, caller: Caller, version: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": f"/subscriptions/{sub.id}",
        "authorizationSource": "RoleBased",
        "subscriptionId": sub.id,
        "displayName": sub.name,
        "state": sub.state,
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }
    if version > "2016-06-01":
        # Only the newer versions state the home tenant of a subscription and who manages it.
        found["tenantId"] = sub.tenant_id
        found["managedByTenants"] = [{"tenantId": t} for t in sub.managed_by]
    return found


def arm_blueprint(
    state: State, issuer: Issuer, describe: Callable[[str], dict[str, Any]] = cloud_metadata
) -> Blueprint:
    """The routes of the management plane; `describe` makes the cloud's metadata for a base URL."""
    arm = Blueprint("arm", __name__)
    base = issuer.base_url

    @arm.errorhandler(ArmError)
    def refuse(error: ArmError) -> Response:
        answer = jsonify({"error": {"code": error.code, "message": error.message}})
        answer.status_code = error.status
        answer.headers.extend(error.headers)
        return answer

    @arm.get("/metadata/endpoints")
    def metadata() -> Response:
        version = _api_version()
        found = describe(base)
        return jsonify(found if version >= "2022-09-01" else [found])

    def enter() -> tuple[Caller, str]:
        caller = authenticate(state, issuer, request.headers.get("Authorization"))
        g.user, g.tenant = caller.principal, caller.tenant.id
        return caller, _api_version()

    def visible(caller: Caller, subscription_id: str) -> Subscription:
        known = state.directory.find_subscription(subscription_id)
        if known is None:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{subscription_id}' could not be found.")
        if known not in state.directory.visible(caller.principal, caller.tenant.id):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{caller.name}' with object id '{caller.oid}' does not have authorization to "
                f"perform action 'Microsoft.Resources/subscriptions/read' over scope '/subscriptions/"
                f"{known.id}' or the scope is invalid. If access was recently granted, please refresh your "
                "credentials.",
            )
        return known

    def page(rows: Sequence[dict[str, Any]], **more: Any) -> Response:
        """One page of a list with `more` keys; `nextLink` is absolute and absent on the last page."""
        size, token = state.settings.page_size, request.args.get("$skiptoken", "0")
        if not token.isdigit() or int(token) > len(rows):
            raise ArmError(400, "InvalidSkipToken", "The value of $skiptoken is not valid.")
        start = int(token)
        answer: dict[str, Any] = {"value": list(rows[start : start + size]), **more}
        if start + size < len(rows):
            version = quote(request.args["api-version"])
            answer["nextLink"] = f"{base}{request.path}?api-version={version}&%24skiptoken={start + size}"
        return jsonify(answer)

    @arm.get("/tenants")
    def tenants() -> Response:
        caller, version = enter()
        return page([_tenant_json(t, caller, version) for t in caller.tenants])

    @arm.get("/subscriptions")
    def subscriptions() -> Response:
        caller, version = enter()
        rows = state.directory.visible(caller.principal, caller.tenant.id)
        found = [_subscription_json(s, caller, version) for s in rows]
        return page(found, count={"type": "Total", "value": len(found)})

    @arm.get("/subscriptions/<sid>")
    def subscription(sid: str) -> Response:
        caller, version = enter()
        return jsonify(_subscription_json(visible(caller, sid), caller, version))

    @arm.get("/subscriptions/<sid>/locations")
    def locations(sid: str) -> Response:
        caller, _ = enter()
        sub = visible(caller, sid)
        return page(
            [
                {
                    "id": f"/subscriptions/{sub.id}/locations/{name}",
                    "name": name,
                    "type": "Region",
                    "displayName": display,
                    "regionalDisplayName": f"({area}) {display}",
                    "metadata": {
                        "regionType": "Physical",
                        "regionCategory": "Recommended",
                        "geography": area,
                        "geographyGroup": "Europe",
                        "longitude": lon,
                        "latitude": lat,
                        "physicalLocation": display,
                        "pairedRegion": [],
                    },
                }
                for name, display, area, lon, lat in LOCATIONS
            ]
        )

    def groups(sub: Subscription) -> list[dict[str, Any]]:
        return [
            {
                "id": f"/subscriptions/{sub.id}/resourceGroups/{name}",
                "name": name,
                "type": "Microsoft.Resources/resourceGroups",
                "location": "westeurope",
                "tags": {},
                "properties": {"provisioningState": "Succeeded"},
            }
            for name in ("app", "network")
        ]

    @arm.get("/subscriptions/<sid>/resourcegroups")
    @arm.get("/subscriptions/<sid>/resourceGroups")
    def resource_groups(sid: str) -> Response:
        caller, _ = enter()
        return page(groups(visible(caller, sid)))

    @arm.get("/subscriptions/<sid>/resourcegroups/<name>")
    @arm.get("/subscriptions/<sid>/resourceGroups/<name>")
    def resource_group(sid: str, name: str) -> Response:
        caller, _ = enter()
        for group in groups(visible(caller, sid)):
            if group["name"] == name.lower():
                return Response(status=204) if request.method == "HEAD" else jsonify(group)
        raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")

    @arm.get("/subscriptions/<sid>/resources")
    def resources(sid: str) -> Response:
        caller, _ = enter()
        sub = visible(caller, sid)
        return page(
            [
                {
                    "id": f"/subscriptions/{sub.id}/resourceGroups/app/providers/Microsoft.Storage/storageAccounts/"
                    f"st{stable_guid('storage', sub.id)[:8]}",
                    "name": f"st{stable_guid('storage', sub.id)[:8]}",
                    "type": "Microsoft.Storage/storageAccounts",
                    "location": "westeurope",
                }
            ]
        )

    @arm.get("/subscriptions/<sid>/providers")
    def providers(sid: str) -> Response:
        caller, _ = enter()
        sub = visible(caller, sid)
        return page(
            [
                {
                    "id": f"/subscriptions/{sub.id}/providers/{name}",
                    "namespace": name,
                    "registrationState": "Registered",
                    "registrationPolicy": "RegistrationRequired",
                    "resourceTypes": [],
                }
                for name in PROVIDERS
            ]
        )

    return arm
