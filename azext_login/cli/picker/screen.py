"""Shows the list of subscriptions on the whole terminal, and reads keys until the user chooses one.

prompt_toolkit draws and reads keys: https://python-prompt-toolkit.readthedocs.io/. Only this module imports it, as late
as the list opens.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TextIO

from azext_login.cli.picker.choices import Choice, ChoiceList
from azext_login.cli.picker.drawing import Drawer
from azext_login.cli.picker.pasted_text import PasteSplitter, Piece
from azext_login.system.signals import restore_on_signals, stop_process
from azext_login.system.text import printable

if sys.platform != "win32":
    from azext_login.system.terminal.terminal_mode import TerminalMode

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.output import Output

# Arrow keys, and Alt with another key, send Escape first. After twice this time (seconds) Escape was pressed alone.
_ESCAPE_PAUSE = 0.1
# The DEC private modes and the style that prompt_toolkit sets: alternate screen, bracketed paste, hidden cursor.
_LEAVE = b"\x1b[?1049l\x1b[?2004l\x1b[?25h\x1b[0m"


class NoScreenError(Exception):
    """The terminal, or this prompt_toolkit, cannot show the list. Nothing was shown."""


def choose_on_screen(choices: ChoiceList, *, stdin: TextIO, screen: TextIO) -> Choice:
    """Return what the user chooses, and restore the terminal.

    :param stdin: a terminal.
    :param screen: the same terminal, for output.
    :raises NoScreenError: the list cannot be shown; ask in another way.
    :raises EOFError: the user pressed Escape or Ctrl-D, or the input has ended.
    :raises KeyboardInterrupt: the user pressed Ctrl-C.
    """
    try:
        from prompt_toolkit.application import Application
        from prompt_toolkit.data_structures import Point
        from prompt_toolkit.layout import FormattedTextControl, Layout, Window
        from prompt_toolkit.output import ColorDepth
        from prompt_toolkit.utils import get_cwidth

        keys = _keys(choices)
        keyboard, output = _open(stdin, screen)
    except OSError as error:
        raise NoScreenError(str(error)) from error
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        # It is missing, or an old version that lacks a module or a key comes first on the path.
        raise NoScreenError(f"it needs prompt_toolkit 3, but {_loaded_toolkit()} ({error})") from error

    drawer = Drawer(choices, get_cwidth)
    cursor = Point(0, 0)

    def draw() -> StyleAndTextTuples:
        nonlocal cursor
        size = output.get_size()
        drawing = drawer.draw(size.columns, size.rows)
        cursor = Point(y=drawing.cursor[0], x=drawing.cursor[1])
        fragments: StyleAndTextTuples = []
        for line in drawing.lines:
            fragments += [*line, ("", "\n")]
        return fragments[:-1]

    control = FormattedTextControl(draw, focusable=True, show_cursor=True, get_cursor_position=lambda: cursor)
    application: Application[Choice] = Application(
        layout=Layout(Window(control)),
        key_bindings=keys,
        full_screen=True,
        input=keyboard,
        output=output,
        # Bold and reverse are enough, and suit users who have switched colours off.
        color_depth=ColorDepth.DEPTH_1_BIT,
    )
    application.ttimeoutlen = application.timeoutlen = _ESCAPE_PAUSE
    terminal = _Terminal(application, stdin, screen)
    with restore_on_signals(terminal.give_back, terminal.take_again), terminal.watched():
        try:
            return application.run()
        except SystemExit:
            # SIGTERM may interrupt prompt_toolkit while it draws, before it has recorded what to restore.
            output.quit_alternate_screen()
            output.disable_bracketed_paste()
            output.show_cursor()
            output.reset_attributes()
            output.flush()
            raise
        finally:
            terminal.close()


def _loaded_toolkit() -> str:
    """Return which prompt_toolkit was loaded, for example that of the `interactive` extension."""
    module = sys.modules.get("prompt_toolkit")
    if module is None:
        return "no prompt_toolkit can be loaded"
    version = printable(str(getattr(module, "__version__", "an unknown version")))
    return f"prompt_toolkit {version} was loaded from {printable(str(getattr(module, '__file__', None)))}"


class _Terminal:
    """Restores the terminal before a signal ends or stops the process, and shows the list again after `fg`.

    On Windows, SIGTERM and Ctrl-Break raise SystemExit, and prompt_toolkit restores the console.
    """

    def __init__(self, application: Application[Choice], stdin: TextIO, screen: TextIO) -> None:
        self._application = application
        self._screen = screen.fileno()
        self._mode: Any = None  # a TerminalMode, a class that Windows does not have
        if sys.platform != "win32":
            self._mode = TerminalMode(stdin.fileno())
            # Before anything is shown, so that a user who sees the list has a terminal that can be restored.
            application.before_render += lambda _: self._adopt()

    def give_back(self) -> None:
        if self._mode is None:
            return
        # Not with prompt_toolkit's output, in the middle of which a signal may arrive.
        with contextlib.suppress(OSError):
            os.write(self._screen, _LEAVE)
        self._mode.give_back()

    def take_again(self) -> None:
        if self._mode is not None and self._mode.take_again() and self._application.loop is not None:
            self._application.loop.call_soon_threadsafe(self._draw_again)

    def watched(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext() if self._mode is None else self._mode.watched()

    def close(self) -> None:
        if self._mode is not None:
            self._mode.close()

    def _adopt(self) -> None:
        """Remember prompt_toolkit's mode."""
        if self._mode is not None:
            self._mode.adopt()

    def _draw_again(self) -> None:
        self._application.renderer.reset(leave_alternate_screen=True)
        self._application.invalidate()


def _keys(choices: ChoiceList) -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings

    def type_character(event: KeyPressEvent) -> None:
        # Keys without a character, such as F1, have a longer name, and their data is an escape sequence.
        if len(event.key_sequence[0].key) == 1:
            choices.type(event.data)

    def take(event: KeyPressEvent) -> None:
        if choices.current is not None:
            event.app.exit(result=choices.current)

    actions: dict[tuple[str, ...], Callable[[KeyPressEvent], None]] = {
        ("<any>",): type_character,
        ("<bracketed-paste>",): lambda event: choices.type(event.data),
        ("up", "c-p"): lambda event: choices.move(-1),
        ("down", "c-n"): lambda event: choices.move(1),
        ("pageup",): lambda event: choices.move_pages(-1),
        ("pagedown",): lambda event: choices.move_pages(1),
        ("home", "c-home"): lambda event: choices.move_to_start(),
        ("end", "c-end"): lambda event: choices.move_to_end(),
        ("backspace",): lambda event: choices.erase(),
        ("c-w", "escape backspace"): lambda event: choices.erase_word(),
        ("c-u",): lambda event: choices.erase_all(),
        # A line that was typed before the list opened ends with a line feed.
        ("enter", "c-j"): take,
        ("escape", "c-d"): lambda event: event.app.exit(exception=EOFError()),
        ("c-c", "<sigint>"): lambda event: event.app.exit(exception=KeyboardInterrupt()),
        ("c-z",): lambda event: stop_process(),
        # Alt with a key arrives as Escape and the key, and does not mean to cancel.
        ("escape <any>",): lambda event: None,
    }
    keys = KeyBindings()
    for names, action in actions.items():
        for name in names:
            keys.add(*name.split())(action)
    return keys


def _open(stdin: TextIO, screen: TextIO) -> tuple[Input, Output]:
    from prompt_toolkit.input import create_input
    from prompt_toolkit.output import create_output

    if sys.platform == "win32":
        from prompt_toolkit.output.win32 import NoConsoleScreenBufferError

        try:
            keyboard, output = create_input(stdin), create_output(screen)
        except NoConsoleScreenBufferError as error:
            # The terminal is not a Windows console, but for instance that of Git Bash.
            raise NoScreenError(str(error)) from error
        # The consoles of Windows 10 and later report keys as terminals do.
        _end_pastes(getattr(keyboard, "console_input_reader", None), "_vt100_parser")
        return keyboard, output
    terminal = create_input(stdin)
    _end_pastes(terminal, "vt100_parser")
    return terminal, create_output(screen)


def _end_pastes(keyboard: Any, attribute: str) -> None:
    """Let a keyboard report keys again after a paste without an end, for which prompt_toolkit (3.0.53) waits forever.

    :param attribute: the name of its parser; a keyboard may have none.
    """
    if not hasattr(keyboard, attribute):
        return
    from prompt_toolkit.input.vt100_parser import Vt100Parser
    from prompt_toolkit.key_binding import KeyPress
    from prompt_toolkit.keys import Keys

    class Parser(Vt100Parser):
        def __init__(self, feed_key_callback: Callable[[KeyPress], None]) -> None:
            super().__init__(feed_key_callback)
            self._splitter = PasteSplitter(time.monotonic)

        def feed(self, data: str) -> None:
            self._take(self._splitter.feed(data))
            if self._splitter.has_escape:
                super().flush()  # an escape begins a key, so the key before is complete

        def flush(self) -> None:
            self._take(self._splitter.flush())
            super().flush()

        def _take(self, pieces: Iterable[Piece]) -> None:
            for piece in pieces:
                if piece.is_pasted:
                    self.feed_key_callback(KeyPress(Keys.BracketedPaste, piece.text))
                else:
                    super().feed(piece.text)

    setattr(keyboard, attribute, Parser(getattr(keyboard, attribute).feed_key_callback))
