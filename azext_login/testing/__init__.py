"""Tests for authors of other extensions. It needs pytest and the Azure CLI, and no network; nothing of ours imports it.

`CredentialSourceContract` is what a credential source has to fulfil: derive a class of tests from it. `FakeClock`,
`FakeIssuer` and `FakeCliContext` take the place of the time, of an issuer of federated tokens and of a command that
runs. `azext_login.testing.fixtures` has them as fixtures of pytest.

What is here is public, and follows `azext_login.api.API_VERSION`.
"""

from __future__ import annotations

from azext_login.testing.contract import CredentialSourceContract, SourceBackend
from azext_login.testing.fakes import FakeCliContext, FakeClock, FakeIssuer

__all__ = ["CredentialSourceContract", "FakeCliContext", "FakeClock", "FakeIssuer", "SourceBackend"]
