"""Listens to the events of the `login` extension, which need not be installed."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from typing import Any

_NAMES = ("SignedIn", "SignedOut", "SubscriptionChanged", "TokenRefreshed", "ContextChanged")


def listen(cli_ctx: Any) -> None:
    """Register the listener. The host calls loaders several times in one command, so it is removed first."""
    for name in _NAMES:
        cli_ctx.unregister_event(f"azext_login.{name}", _write)
        cli_ctx.register_event(f"azext_login.{name}", _write)


def _write(cli_ctx: Any, payload: Any, **_: Any) -> None:
    """Append the event to the file in SAMPLE_EVENTS, or fail as SAMPLE_FAILURE wants it."""
    if os.environ.get("SAMPLE_FAILURE") == "raise":
        raise RuntimeError("the listener is broken")
    if os.environ.get("SAMPLE_FAILURE") == "exit":
        raise SystemExit(3)
    if os.environ.get("SAMPLE_FAILURE") == "recurse" and payload.name == "azext_login.TokenRefreshed":
        from azext_sample.with_login import find_login_api

        api = find_login_api()
        assert api is not None
        api.get_token(cli_ctx, scopes=payload.scopes, force_refresh=True)
    if os.environ.get("SAMPLE_FAILURE") == "wait":
        _wait_for_thread(cli_ctx)
    path = os.environ.get("SAMPLE_EVENTS")
    if path:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"name": payload.name, **dataclasses.asdict(payload)}) + "\n")


def _wait_for_thread(cli_ctx: Any) -> None:
    """Wait for another thread that needs a token too."""
    from azure.cli.core._profile import Profile

    thread = threading.Thread(target=Profile(cli_ctx=cli_ctx).get_raw_token, daemon=True)
    thread.start()
    thread.join(20)
    if thread.is_alive():
        raise TimeoutError("the other thread waits for this one")
