"""Values that begin with "-", which argparse takes for options: the usage error explains how to write them."""

from __future__ import annotations

import pytest

from tests.harness.az import Az

_VALUE = "-zq8-hidden"


def _hint(option: str) -> str:
    return f"expected one argument. If the value begins with '-', write {option}=VALUE."


@pytest.mark.parametrize(
    "words, long",
    [
        ("login -u someone -p", "--password"),
        ("login --password", "--password"),
        ("login --passw", "--password"),
        ("login --tenant", "--tenant"),
        ("login --client-id", "--client-id"),
        ("login --redirect-port", "--redirect-port"),
        ("logout --username", "--username"),
        ("account list --query", "--query"),
        ("account set -s", "--subscription"),
        ("account set --username", "--username"),
        ("account show --subscription", "--subscription"),
        ("account clear -o", "--output"),
        ("account get-access-token --resource", "--resource"),
        ("account get-access-token --min-validity", "--min-validity"),
        ("account export-token --format", "--format"),
        ("account renew --tenant", "--tenant"),
        ("account status --tenant", "--tenant"),
    ],
)
def test_a_value_with_a_dash_is_explained_and_never_shown(az: Az, words: str, long: str) -> None:
    result = az.run(*words.split(), _VALUE).failed(2)
    assert _hint(long) in result.stderr, result
    assert _VALUE not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "words, long",
    [
        ("login --exclude-tenant", "--exclude-tenant"),
        ("login --scope", "--scope"),
        ("account list --refresh --exclude-tenant", "--exclude-tenant"),
        ("account export-token --format git --allow-host", "--allow-host"),
    ],
)
def test_a_list_whose_first_value_has_a_dash_is_explained(az: Az, words: str, long: str) -> None:
    result = az.run(*words.split(), _VALUE).failed(2)
    hint = f"expected at least one argument. If the value begins with '-', write {long}=VALUE."
    assert hint in result.stderr, result
    assert _VALUE not in result.stdout + result.stderr


@pytest.mark.parametrize("words", ["login -u someone -p", "account set --subscription", "account show --no-such x"])
def test_other_usage_errors_have_no_hint(az: Az, words: str) -> None:
    assert "begins with '-'" not in az.run(*words.split()).failed(2).stderr.partition("Examples from")[0]


def test_the_examples_of_login_explain_a_password_with_a_dash(az: Az) -> None:
    shown = " ".join(az.run("login", "--help").ok().stdout.split())
    assert shown.count("begins with '-', write --password=VALUE.") == 2
