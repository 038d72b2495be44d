"""Where the endpoints of a token service are: Entra ID's below /{tenant}, AD FS's below /adfs."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Routes:
    """URL rules of one token service. `name` tells its Flask blueprints apart.

    AD FS has no tenant in its addresses; `defaults` tells which one they are about.
    """

    name: str = "entra"
    authorize: str = "/<tenant>/oauth2/v2.0/authorize"
    token: str = "/<tenant>/oauth2/v2.0/token"
    devicecode: str = "/<tenant>/oauth2/v2.0/devicecode"
    login: str = "/login"
    device: str = "/device"
    error: str = "/error"
    #: The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis 4.1.3.2).
    cookie: str = "__Host-localcloud"
    defaults: dict[str, str] = field(default_factory=dict)


ENTRA = Routes()


def adfs_routes(tenant_id: str) -> Routes:
    """Below /adfs, for the one tenant that AD FS on Azure Stack has."""
    return Routes(
        "adfs",
        "/adfs/oauth2/authorize/",
        "/adfs/oauth2/token/",
        "/adfs/oauth2/devicecode",
        "/adfs/ls",
        "/adfs/oauth2/deviceauth",
        "/adfs/error",
        "__Host-localcloud-adfs",
        {"tenant": tenant_id},
    )
