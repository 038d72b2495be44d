"""The record of a sign-in: who, when, and where a second factor was given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SignIn:
    """A user signed in, at a time (seconds UTC).

    A second factor counts in the tenant that asked for it only: Entra does not trust another tenant's by default
    ("Cross-tenant access settings").
    """

    username: str
    at: float
    mfa_tenants: tuple[str, ...] = ()

    def amr(self, tenant_id: str) -> list[str]:
        """The methods to name in a token of a tenant (RFC 8176)."""
        return ["pwd", "mfa"] if tenant_id in self.mfa_tenants else ["pwd"]
