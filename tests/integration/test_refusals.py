"""Each code of the catalogue of refusals, from the local cloud: what a command prints, in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azext_login.auth.entra.refusals import (
    OF_SERVICE_PRINCIPALS,
    OF_THE_SERVICE,
    OF_USERS,
    PERSONAL_ACCOUNT,
    Refusal,
)
from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import let_tokens_age
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE

_TRACE_LINE = "Trace ID: 1b2c3d4e-1 Correlation ID: 5b2c3d4e-2 Timestamp: 2026-01-01 10:11:12Z"
_APPLICATION = ("login", "--service-principal", "-u", CI_APP, "--password=@-", "--tenant", "contoso.example")


def _ids(row: Refusal) -> str:
    return str(min(row.codes, default="no code"))


def _refuse(cloud: LocalCloud, code: int | None, word: str) -> str:
    """Let the cloud refuse every token with a code; return the sentence of the refusal."""
    sentence = f"AADSTS{code}: Some text." if code else "Some text."
    body = {"error": word, "error_codes": [code] if code else [], "error_description": f"{sentence} {_TRACE_LINE}"}
    cloud.admin.clear_faults()
    cloud.admin.fail_next("/token$", count=None, status=400, body=json.dumps(body))
    return sentence


def _answers(row: Refusal) -> Iterator[tuple[int | None, str]]:
    yield from ((code, "invalid_grant") for code in sorted(row.codes))
    yield from ((None, word) for word in sorted(row.words))


def _content(folder: Path) -> dict[str, bytes]:
    """Return what is stored about the sign-in."""
    names = ("azureProfile.json", "msal_token_cache.json", "service_principal_entries.json")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


@pytest.fixture
def az(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    return make_az(cloud=own_cloud)


@pytest.mark.parametrize("row", [*OF_USERS, *OF_THE_SERVICE], ids=_ids)
def test_a_user_reads_each_refusal_of_a_stored_sign_in(az: Az, own_cloud: LocalCloud, row: Refusal) -> None:
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    before = _content(az.config_dir)
    for code, word in _answers(row):
        sentence = _refuse(own_cloud, code, word)
        error = az.run("account", "get-access-token").failed().stderr
        first, second, third, *advice = error.removeprefix("ERROR: ").splitlines()
        assert first.endswith(".")
        assert (second, third) == (sentence, _TRACE_LINE)
        is_fixed_by_signing_in = row not in OF_THE_SERVICE and "az cloud show" not in "".join(advice)
        assert ("az login" in "".join(advice)) == is_fixed_by_signing_in
        assert _content(az.config_dir) == before


@pytest.mark.parametrize("row", [*OF_SERVICE_PRINCIPALS, *OF_THE_SERVICE], ids=_ids)
def test_a_service_principal_reads_each_refusal_of_a_sign_in(az: Az, own_cloud: LocalCloud, row: Refusal) -> None:
    before = _content(az.config_dir)
    for code, word in _answers(row):
        if code is None and row not in OF_THE_SERVICE:
            continue  # Only users are told by the error alone.
        sentence = _refuse(own_cloud, code, word)
        error = az.run(*_APPLICATION, input=CI_SECRET).failed().stderr
        lines = error.removeprefix("ERROR: ").splitlines()
        assert lines[0].endswith(".")
        assert lines[1:3] == [sentence, _TRACE_LINE]
        assert "Interactive authentication" not in error
        assert _content(az.config_dir) == before


def test_a_personal_account_with_a_password_reads_which_way_to_sign_in(az: Az, own_cloud: LocalCloud) -> None:
    for code in sorted(PERSONAL_ACCOUNT.codes):
        sentence = _refuse(own_cloud, code, "invalid_request")
        error = az.run("login", "-u", ALICE, "--password=@-", input="a-password").failed().stderr
        first, *rest = error.partition("ERROR: ")[2].splitlines()
        assert f"'{ALICE}' is a personal Microsoft account" in first
        assert rest[:2] == [sentence, _TRACE_LINE]
        assert rest[-1] == "az login"
