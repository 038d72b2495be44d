"""Whether a text can be written without waiting for whoever reads the stream."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from azext_login.system.terminal.streams import can_write

if sys.platform == "win32":
    pytest.skip("Windows tells it of sockets alone", allow_module_level=True)


def test_a_full_pipe_cannot_be_written_until_it_is_read() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with open(reader, "rb") as output, open(writer, "w", encoding="ascii") as stream:
        assert can_write(stream, 0.0)
        while can_write(stream, 0.0):
            os.write(writer, b"x" * 4096)
        assert not can_write(stream, 0.0)
        assert not can_write(stream, 0.01)
        output.read(4096)
        assert can_write(stream, 60.0)


def test_a_pipe_without_a_reader_keeps_nobody_waiting() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="ascii") as stream:
        assert can_write(stream, 0.0)


def test_everything_else_can_be_written(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w", encoding="ascii") as stream:
        assert can_write(stream, 0.0)
    assert can_write(stream, 0.0)  # closed
    assert can_write(io.StringIO(), 0.0)
    assert can_write(None, 0.0)
