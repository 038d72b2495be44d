"""Every option and every abbreviation of the built-in commands means the same here, on the newest and oldest host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.parity.options import COMMANDS, ask

HOSTS = [pytest.param("newest"), pytest.param("oldest", marks=pytest.mark.oldest)]
#: Options that we add to the host's, by the oldest host's count.
_LOGIN = {
    "--no-browser",
    "--redirect-port",
    "--app-client-id",
    "--from-env",
    "--federated-token-file",
    "--federated-token-source",
    "--token-source",
    "--service-connection-id",
    "--service-connection",
    "--access-token",
    "--credential-source",
    "--source-arg",
    "--no-store-secret",
    "--store-decrypted-key",
    "--exclude-tenant",
}
_EVERYWHERE = {
    "account list": {"--all-identities", "--tenant", "--exclude-tenant", "--show-refresh"},
    "account set": {"--username", "--tenant"},
    "account get-access-token": {
        "--username",
        "--app-client-id",
        "--min-validity",
        "--force-refresh",
        "--claims-challenge",
    },
}
ADDED = {
    "newest": {"login": _LOGIN, **_EVERYWHERE},
    "oldest": {
        "login": {*_LOGIN, "--skip-subscription-discovery", "--skip-sub", "--subscription", "-s"},
        **_EVERYWHERE,
    },
}

#: Options that abbreviations must not reach: the spelling, and what it sets.
OURS = (("--no-browser", '{"no_browser": "True"}'), ("--redirect-port", '{"redirect_port": "1"}'))

MakeAz = Callable[..., Az]


def _prefixes_of(option: str) -> list[str]:
    return [option[:length] for length in range(len("--n"), len(option) + 1)]


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, bool], Any]:
    """Answers that are known already: a process per host and side is enough for all tests here."""
    return {}


@pytest.fixture
def both(request: pytest.FixtureRequest, make_az: MakeAz, answers: dict[tuple[str, bool], Any]) -> tuple[str, Any, Any]:
    """The host's name, and the answers of its parser without and with the extension."""
    name: str = request.param
    if (name, True) not in answers:
        host = hosts.named(name)
        builtin = ask(make_az(host, extension=False), {"ask": "options", "commands": COMMANDS})
        prefixes = {command: list(found["prefixes"]) for command, found in builtin.items()}
        prefixes["login"] += [prefix for option, _ in OURS for prefix in _prefixes_of(option)]
        question = {"ask": "options", "commands": COMMANDS, "prefixes": prefixes}
        answers[name, False] = builtin
        answers[name, True] = ask(make_az(host), question)
    return name, answers[name, False], answers[name, True]


@pytest.mark.parametrize("both", HOSTS, indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_built_in_option_is_there_with_the_same_meaning(both: tuple[str, Any, Any], command: str) -> None:
    _, builtin, ours = both
    assert ours[command]["options"].items() >= builtin[command]["options"].items()


@pytest.mark.parametrize("both", HOSTS, indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_options_are_added_but_the_known_ones(both: tuple[str, Any, Any], command: str) -> None:
    name, builtin, ours = both
    added = set(ours[command]["options"]) - set(builtin[command]["options"])
    assert added == ADDED[name].get(command, set())


@pytest.mark.parametrize("both", HOSTS, indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_prefix_stands_for_the_same_option_or_is_refused_alike(both: tuple[str, Any, Any], command: str) -> None:
    name, builtin, ours = both
    added = ADDED[name].get(command, set())
    for prefix, meaning in builtin[command]["prefixes"].items():
        if prefix not in added:
            assert ours[command]["prefixes"][prefix] == meaning, f"az {command} {prefix}"


@pytest.mark.parametrize("both", HOSTS, indirect=True)
@pytest.mark.parametrize("option, meaning", OURS)
def test_our_own_option_is_accepted_in_full_only(both: tuple[str, Any, Any], option: str, meaning: str) -> None:
    _, builtin, ours = both
    meanings = ours["login"]["prefixes"]
    assert f"sets {meaning}" in meanings[option]
    for prefix in _prefixes_of(option)[:-1]:
        assert not any(option.strip("-").replace("-", "_") in outcome for outcome in meanings[prefix]), prefix
        if prefix not in builtin["login"]["prefixes"]:
            assert all(outcome.startswith("refused: unrecognized") for outcome in meanings[prefix]), prefix


@pytest.mark.parametrize("host", HOSTS)
def test_an_option_of_tomorrows_host_is_accepted_and_goes_to_the_hosts_handler(host: str, make_az: MakeAz) -> None:
    lines = [
        ["login", "--new-host-option", "x"],
        ["login", "--new-h=x", "-t", "00000000-0000-0000-0000-000000000001"],
        ["login", "--use-device-code", "--identity"],
        ["login", "--newer-host-option", "x"],
    ]
    full, short, ours, unknown = ask(make_az(hosts.named(host)), {"ask": "tomorrow", "lines": lines})
    assert full == {"exit_code": 0, "host_calls": [{"new_host_option": "x"}]}
    assert short["host_calls"] == [{"new_host_option": "x", "tenant": "00000000-0000-0000-0000-000000000001"}]
    assert ours == {"exit_code": 1, "host_calls": []}
    assert unknown == {"exit_code": 2, "host_calls": []}
