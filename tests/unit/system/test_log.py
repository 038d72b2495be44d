"""What the package logs has nothing that a terminal obeys."""

from __future__ import annotations

import pytest

from azext_login.system.log import get_logger


@pytest.mark.parametrize("hostile", ["\x1b[31m", "\x07", "\u202e", "\x9b1m", "\ud800"])
def test_a_message_and_its_arguments(caplog: pytest.LogCaptureFixture, hostile: str) -> None:
    logger = get_logger("tests.log")
    logger.warning("a%sb %d", hostile, 7)
    logger.warning(f"a{hostile}b 7")
    get_logger("tests.log").warning("a%(x)sb 7", {"x": hostile})
    assert len(set(caplog.messages)) == 1
    (message,) = set(caplog.messages)
    assert (message[0], message[-3:]) == ("a", "b 7")
    assert message.isprintable()


def test_lines_and_percent_signs_stay(caplog: pytest.LogCaptureFixture) -> None:
    get_logger("tests.log").warning("100 %%\n\t%s\x1b", "%s")
    assert caplog.messages == ["100 %\n\t%s"]
