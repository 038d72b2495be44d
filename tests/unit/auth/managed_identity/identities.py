"""Credentials of the local cloud's managed identities, and the errors that users see."""

from __future__ import annotations

import time
from typing import Any

import pytest

from azext_login.auth.managed_identity.credential import ManagedIdentityCredential
from azext_login.errors import SignInError
from azext_login.system.http.session import build_session
from tests.localcloud import LocalCloud

SCOPES = ["https://management.core.windows.net//.default"]
TOKENS = "/metadata/identity"
KINDS = ["imds", "app_service", "machine_learning", "service_fabric", "arc"]
WITH_CHOICE = ["imds", "app_service", "machine_learning"]


def environment_of(cloud: LocalCloud, kind: str) -> dict[str, str]:
    try:
        made: dict[str, str] = getattr(cloud, f"{kind}_environment")()
    except OSError as error:
        pytest.skip(f"Azure Arc's key files cannot be written here: {error}")
    return made


class Watch:
    """A clock that moves by sleeping only."""

    def __init__(self) -> None:
        self.now = time.time()
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def credential(watch: Watch | None = None, **ids: Any) -> ManagedIdentityCredential:
    watch = watch or Watch()
    return ManagedIdentityCredential(http=build_session(user_agent="AZURECLI/1"), clock=watch, sleep=watch.sleep, **ids)


def said(error: Any) -> str:
    """Everything that the user sees of an error."""
    return "\n".join([str(error), *error.recommendations])


def refused(kind: type[Exception] = SignInError, watch: Watch | None = None, **ids: Any) -> str:
    """What the user sees when no token is issued."""
    with pytest.raises(kind) as caught:
        credential(watch, **ids).token(SCOPES)
    assert type(caught.value) is kind
    text = said(caught.value)
    assert "Nothing that was stored before has changed." in text
    return text
