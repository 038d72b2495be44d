"""What signals do to a block of code: restore something first, wait, or stop the block.

By default, Ctrl-C raises KeyboardInterrupt wherever the main thread is, and other signals end or stop the process on
the spot: `finally` does not run. Three context managers change that for as long as a block runs:

* `restore_on_signals`: signals that end or stop the process first restore what the block has changed: a terminal.
* `defer_signals`: handlers wait until the block has finished. For what has to be completed: the replacement of files.
* `stop_on_signals`: the first signal ends the block, and the command goes on. For what runs until it is stopped.

They nest. `defer_signals` delays whatever handlers are set, those of the other two included. `restore_on_signals`
leaves a signal alone that already has a handler or is ignored. Handlers are set and run in the main thread only (a
rule of Python's `signal` module), so in other threads the first two do nothing, and the third may not be used.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Signals that end the process, unless it handles them: signal(7), and on Windows Ctrl-Break. Missing are those of a
# crash, after which no code may run, and those that Python ignores.
_ENDING = (
    "SIGABRT", "SIGALRM", "SIGBREAK", "SIGHUP", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSTKFLT", "SIGTERM",
    "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGXCPU",
)  # fmt: skip
# Those of them that ask for an orderly exit, so that `finally` runs.
_ASKING = ("SIGBREAK", "SIGTERM")


@contextmanager
def restore_on_signals(
    give_back: Callable[[], object], take_again: Callable[[], object] = lambda: None, *, may_stop: bool = True
) -> Iterator[None]:
    """Call `give_back` before a signal ends or stops the process within the block.

    Then SIGTERM and Ctrl-Break raise SystemExit. The other signals do what they do by default, so the parent sees the
    same exit status as without this function. The end of the block restores nothing.

    :param give_back: may be called at any point of the block, and more than once.
    :param take_again: called when the process continues: after `fg`, and also after `bg`.
    :param may_stop: whether the signals that stop the process count. Otherwise, only those that end it do.
    """
    if not _is_main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        give_back()
        if signal.Signals(number).name in _ASKING:
            # The exit code that a shell reports for a process that a signal has ended.
            raise SystemExit(128 + number)
        _act_by_default(number)

    def stop(number: int, frame: FrameType | None) -> None:
        give_back()
        _act_by_default(number)
        signal.signal(number, stop)
        # No SIGCONT arrives if the process was not stopped, because no shell could continue it.
        take_again()

    handlers: dict[str, Callable[[int, FrameType | None], object]] = dict.fromkeys(_ENDING, end)
    if may_stop:
        handlers |= {"SIGTSTP": stop, "SIGCONT": lambda number, frame: take_again()}
    numbers = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
    unhandled = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in unhandled:
            signal.signal(number, numbers[number])
        yield
    finally:
        for number in unhandled:
            signal.signal(number, signal.SIG_DFL)


def stop_process() -> None:
    """Stop the job, as Ctrl-Z does where the terminal makes no signal of it. Windows has no such signal."""
    if hasattr(signal, "SIGTSTP"):
        os.kill(0, signal.SIGTSTP)  # the job: with the script that has started this process


def _act_by_default(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


# Within `defer_signals`: the signals that arrived, in their order, and the handlers that wait for them.
_deferred: list[int] = []
_handlers: dict[int, Callable[[int, FrameType | None], object]] = {}


@contextmanager
def defer_signals() -> Iterator[None]:
    """Delay the handlers of SIGINT (Ctrl-C) and SIGTERM until the block has finished.

    Without a handler, SIGTERM still ends the process at once. A block that waits for something, such as a lock, calls
    `handle_deferred_signals` meanwhile.
    """
    if _handlers or not _is_main_thread():
        yield
        return
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                _handlers[number] = handler
                signal.signal(number, lambda received, frame: _deferred.append(received))
        yield
    finally:
        handlers = dict(_handlers)
        _handlers.clear()
        for handled, handler in handlers.items():
            signal.signal(handled, handler)
        deferred = list(_deferred)
        _deferred.clear()
        for received in deferred:
            handlers[received](received, None)


def handle_deferred_signals() -> None:
    """Run the handlers of the signals that arrived within `defer_signals`, at a point where nothing is half done."""
    while _handlers and _deferred and _is_main_thread():
        number = _deferred.pop(0)
        _handlers[number](number, None)


class _Stopped(BaseException):
    """The first signal within `stop_on_signals`."""


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """End the block at the first SIGINT, SIGTERM or (Windows) SIGBREAK, whatever it is waiting for, and go on after it.

    Later signals are ignored until the block has ended. Yields a function that tells whether a signal has arrived.

    :raises ValueError: this is not the main thread.
    """
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            raise _Stopped

    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        try:
            for number in numbers:
                signal.signal(number, stop)
            yield lambda: bool(received)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    except _Stopped:
        pass


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
