"""What the request to the sign-in service shows about the clock and the network."""

from __future__ import annotations

import pytest

from azext_login.usecases.status.network import Probe, findings_of
from azext_login.usecases.status.records import Outcome

NOW = 1_777_636_800.0


@pytest.mark.parametrize(
    ("platform", "command"),
    [
        ("linux", "timedatectl set-ntp true"),
        ("darwin", "sudo systemsetup -setusingnetworktime on"),
        ("win32", "w32tm /resync"),
        ("freebsd14", None),
    ],
)
def test_a_wrong_clock_is_set_with_the_command_of_the_system(platform: str, command: str | None) -> None:
    for difference in (3600, -3600, 120):
        (finding,) = findings_of(Probe(difference), (), now=NOW, platform=platform)
        assert (finding.code, finding.command) == (Outcome.CLOCK_WRONG.word, command)


@pytest.mark.parametrize("difference", [None, 0, 60, -60])
def test_a_clock_that_is_nearly_right_is_not_reported(difference: int | None) -> None:
    assert findings_of(Probe(difference), (), now=NOW) == []
