"""Shared by the tests of `az account context run`: its words, and contexts to run in."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.harness.az import Az

GROUP = ("account", "context", "run")
#: Runs the text after it.
PYTHON = (sys.executable, "-c")


def row_of(az: Az, username: str) -> dict[str, Any]:
    """Return the first stored subscription of an account, also if another account's row shadows it."""
    profile = az.profile()
    rows = [*profile["subscriptions"], *profile["azextLogin"].get("otherIdentities", [])]
    return next(row for row in rows if row["user"]["name"] == username)


def add_context(az: Az, name: str, username: str) -> None:
    """Store a context for that subscription."""
    profile, row = az.profile(), row_of(az, username)
    context = {"name": name, "cloud": row["environmentName"], "user": row["user"], "tenant": row["tenantId"]}
    profile["azextLogin"].setdefault("contexts", []).append({**context, "subscription": row["id"]})
    az.profile_path.write_text(json.dumps(profile), encoding="utf-8")
