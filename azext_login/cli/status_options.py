"""The options of `az account status`: each is declared here, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from azext_login.cli.options import option
from azext_login.usecases.status.records import CHECKS


@dataclass(frozen=True, kw_only=True)
class StatusOptions:
    """The options of `az account status`."""

    username: str | None = option(
        "--username",
        completer="complete_users",
        help="Check this account alone: user name or application ID. Default: every account of the active cloud.",
    )
    tenant: str | None = option(
        "--tenant",
        completer="complete_tenants",
        help="Check this tenant alone (ID or domain name), also one that a user is a guest of.",
    )
    scopes: Sequence[str] | None = option(
        "--scope",
        nargs="+",
        help="Scopes of the tokens that are requested, separated by spaces. Default: those of Azure Resource Manager.",
    )
    check: str | None = option(
        "--check",
        choices=CHECKS,
        help="Check one thing alone, for scripts. The exit code is then about nothing else.",
    )
    offline: bool = option(
        "--offline",
        default=False,
        help="Send no request. A token counts that is cached and still valid.",
    )
    all_identities: bool = option(
        "--all-identities",
        default=False,
        help="List the accounts of other clouds too. They are not checked.",
    )
    fix: bool = option(
        "--fix",
        default=False,
        help="Fix what can be fixed without a sign-in, after a question: access modes, damaged files (they are "
        "quarantined), lock files that were left by killed processes, and contexts whose subscription is not listed "
        "any more (it is read again). No setting changes. Then check again.",
    )
    yes: bool = option("--yes", "-y", default=False, help="With --fix, do not ask.")
