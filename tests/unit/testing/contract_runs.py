"""The contract suite on every source of broken_plugin.py. test_contract.py runs it in a pytest of its own."""

from __future__ import annotations

import pytest

from azext_login.testing import CredentialSourceContract, FakeIssuer, SourceBackend
from tests.unit.testing.broken_plugin import SOURCES, Vault


class _Contract(CredentialSourceContract):
    module = "tests.unit.testing.broken_plugin"
    required_arguments = ("vault",)
    longest_wait = 1.0

    @pytest.fixture
    def backend(self, issuer: FakeIssuer) -> SourceBackend:
        return Vault(issuer)


class TestGood(_Contract):
    name = "good"


# All of them are in one module, which `good` imports in a process of its own.
_AGAIN = {"test_importing_the_module_prints_nothing": None}

for _name in SOURCES.keys() - {"good"}:
    globals()[f"Test{_name}"] = type(f"Test{_name}", (_Contract,), {"name": _name, **_AGAIN})


class TestLoud(_Contract):
    module = "tests.unit.testing.loud_plugin"
    name = "loud"


class TestMissing(_Contract):
    name = "no-such-source"
