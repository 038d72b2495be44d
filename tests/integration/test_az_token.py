"""The program `az-token` that the installation brings, as programs start it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness import az_token, hosts
from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import claims_of
from tests.localcloud import LocalCloud
from tests.users import ALICE

HOSTS = [pytest.param("newest"), pytest.param("oldest", marks=pytest.mark.oldest)]


@pytest.mark.parametrize("name", HOSTS)
def test_the_installed_program_writes_a_token_as_az_does(
    make_az: Callable[..., Az], cloud: LocalCloud, name: str
) -> None:
    az = make_az(host=hosts.named(name))
    assert az.extension_dir is not None
    installed = az.extension_dir / "login" / "bin" / "az-token"
    sign_in(az, cloud, ALICE).ok()
    expected = az.run("account", "export-token", "--format", "header").ok().stdout
    for program in (None, [str(installed)]):
        assert az_token.run(az, "--format", "header", program=program).ok().stdout == expected
    token = az_token.run(az, "--format", "json").ok().json()
    assert claims_of(token["accessToken"])["unique_name"] == ALICE
    assert token == az.run("account", "get-access-token").ok().json()


def test_what_it_does_not_know_is_for_az(signed_in: Az) -> None:
    output = az_token.run(signed_in, "--format", "json", "--query", "tokenType", "--output", "tsv").ok().stdout
    assert output == "Bearer\n"
    refused = az_token.run(signed_in, "--format", "csv").failed(2)
    assert "'csv' is not a valid value for '--format'" in refused.stderr
