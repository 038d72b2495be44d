"""Lets a command see time pass faster, so that it waits for what is missing in a time that suits a test."""

from __future__ import annotations

from pathlib import Path

_FAST_TIME = """
import socket, time
RATE = 20
now, nap = time.monotonic, time.sleep
began, get, put = now(), socket.socket.gettimeout, socket.socket.settimeout
time.monotonic = lambda: began + (now() - began) * RATE
time.sleep = lambda seconds: nap(seconds / RATE)
socket.socket.gettimeout = lambda self: (lambda seconds: seconds and seconds * RATE)(get(self))
socket.socket.settimeout = lambda self, seconds: put(self, seconds and seconds / RATE)
"""


def write_fast_time(folder: Path) -> None:
    """Write a module with which time passes 20 times faster in a process that has `folder` in PYTHONPATH."""
    (folder / "sitecustomize.py").write_text(_FAST_TIME, encoding="ascii")
