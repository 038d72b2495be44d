"""Tenants that are left out: by ID or by any of their domains, for once or every time."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.errors import ServiceUnreachableError, SignInError
from azext_login.resource_manager.resources import Tenant
from azext_login.usecases.excluded_tenants import ExcludedTenants

GUIDS = [f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abcdef"]
TENANTS = [Tenant(guid, f"Tenant {index}", f"tenant{index}.example") for index, guid in enumerate(GUIDS)]
SECOND_DOMAINS = {f"second{index}.example": guid for index, guid in enumerate(GUIDS)}


@dataclass
class _SignInService:
    """The service that knows all domains."""

    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    def resolve(self, domain: str) -> str:
        self.asked.append(domain)
        if self.is_down:
            raise ServiceUnreachableError("down")
        if domain not in SECOND_DOMAINS:
            raise SignInError("There is no such tenant.")
        return SECOND_DOMAINS[domain].upper()


def _left(*names: str, always: tuple[str, ...] = (), service: _SignInService | None = None) -> list[Tenant]:
    excluded = ExcludedTenants(names, always=always, resolve=(service or _SignInService()).resolve)
    left = excluded.leave_out(TENANTS)
    excluded.warn_of_unused()
    return left


_GUID_FORMS = [lambda name: f"{{{name}}}" if "." not in name else name, lambda name: name.replace("-", "")]
_spellings = st.integers(0, len(TENANTS) - 1).flatmap(
    lambda index: st.tuples(
        st.just(index),
        st.sampled_from([GUIDS[index], TENANTS[index].default_domain or "", f"second{index}.example"]),
        st.sampled_from([str.lower, str.upper, str.title, *_GUID_FORMS]),
    ).map(lambda drawn: (drawn[0], drawn[2](drawn[1])))
)


@given(st.lists(_spellings, max_size=4), st.lists(_spellings, max_size=4))
def test_a_tenant_is_left_out_by_any_of_its_names_and_all_others_stay_in_order(
    once: list[tuple[int, str]], always: list[tuple[int, str]]
) -> None:
    gone = {index for index, _ in once + always}
    assert _left(*(name for _, name in once), always=tuple(name for _, name in always)) == [
        tenant for index, tenant in enumerate(TENANTS) if index not in gone
    ]


def test_only_a_domain_that_no_listed_tenant_shows_is_looked_up() -> None:
    service = _SignInService()
    _left(GUIDS[0], "tenant1.example", "second2.example", "99999999-0000-4000-8000-000000000000", service=service)
    assert service.asked == ["second2.example"]


@pytest.mark.parametrize("name", ["nobody.example", "Tenant 1", "typo"])
def test_a_name_that_no_tenant_has_is_reported(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert _left(name) == TENANTS
    assert name.casefold() in caplog.text


def test_the_id_of_another_tenant_in_the_setting_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert _left(always=("99999999-0000-4000-8000-000000000000",)) == TENANTS
    assert not caplog.text


@pytest.mark.parametrize("name", ["99999999-0000-4000-8000-000000000000", "second9.example"])
def test_a_name_of_this_command_that_excludes_no_tenant_is_reported_once(
    name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SECOND_DOMAINS, "second9.example", "99999999-0000-4000-8000-000000000000")
    excluded = ExcludedTenants((name, GUIDS[0]), resolve=_SignInService().resolve)
    with caplog.at_level(logging.WARNING):
        assert excluded.leave_out(TENANTS[:3]) == TENANTS[1:3]
        assert excluded.leave_out(TENANTS[3:]) == TENANTS[3:]
        excluded.warn_of_unused()
    assert [name in record.getMessage() for record in caplog.records] == [True]


def test_a_tenant_is_not_asked_because_its_domain_could_not_be_looked_up() -> None:
    with pytest.raises(ServiceUnreachableError):
        _left("second0.example", service=_SignInService(is_down=True))
