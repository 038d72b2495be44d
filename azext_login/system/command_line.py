"""Commands that users paste into a shell: the only place that quotes their words.

A value may come from another directory, a service or a file. No shell may run a part of it, and the program has to
receive exactly this value.
"""

from __future__ import annotations

import enum
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from azext_login.system.text import printable

LEFT_OUT = "VALUE"
"""What replaces a value that the shell cannot pass on, or that the terminal cannot show."""

# No shell gives these characters a meaning inside a word. PowerShell has one for a comma and for an @ at the
# beginning.
_PLAIN = re.compile(r"[A-Za-z0-9_./-][A-Za-z0-9_./:@=+-]*")

# PowerShell takes the typographic quotation marks for straight ones.
_SINGLE_QUOTES, _DOUBLE_QUOTES = "'\u2018\u2019\u201a\u201b", '"\u201c\u201d\u201e'

# They have a meaning between double quotes: in POSIX shells, fish or PowerShell. bash and zsh replace !WORD there.
_SPECIAL_IN_QUOTES = frozenset("$`\\!" + _DOUBLE_QUOTES)

# What az.cmd receives without change both from cmd and from PowerShell, which removes the quotes of a word without
# blanks. Letters and digits of other scripts are accepted too.
_SAFE_ON_WINDOWS = frozenset(" ._-:/\\@=+~,;#'")


class Shell(enum.Enum):
    """A family of shells with the same rules."""

    POSIX = "sh, bash, zsh and fish"
    POWERSHELL = "PowerShell"
    WINDOWS = "cmd or PowerShell"
    """Windows does not tell a process which of the two its user types into, so the quotes suit both."""


def shell_in_use(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Shell:
    """Return the shell that the user of this process probably types into."""
    if platform == "win32":
        # Git Bash and MSYS2.
        return Shell.POSIX if environ.get("MSYSTEM") else Shell.WINDOWS
    return Shell.POWERSHELL if environ.get("PSModulePath") else Shell.POSIX


def quote_command(*words: str, shell: Shell | None = None) -> str:
    """Return the command with these words, each quoted for the shell in use."""
    return " ".join(quote_word(word, shell) for word in words)


@dataclass(frozen=True)
class Command:
    """A command that a user can paste. Its text is quoted for the shell in use."""

    words: tuple[str, ...]
    """The program and its subcommand, for example `az` and `login`."""
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Names with dashes, each with its values."""

    def with_option(self, name: str, *values: str) -> Command:
        """Return the command with this option, in place of the one of the same name if there is one."""
        if self.has(name):
            return Command(self.words, tuple((n, values if n == name else v) for n, v in self.options))
        return Command(self.words, (*self.options, (name, values)))

    def without(self, *names: str) -> Command:
        """Return the command without these options."""
        return Command(self.words, tuple(option for option in self.options if option[0] not in names))

    def has(self, name: str) -> bool:
        """Tell whether the command has an option of this name."""
        return any(name == own for own, _ in self.options)

    def __str__(self) -> str:
        options = (word for name, values in self.options for word in option_words(name, *values))
        return quote_command(*self.words, *options)


AZ_LOGIN = Command(("az", "login"))


def option_words(name: str, *values: str) -> list[str]:
    """Return the words of an option.

    A value that begins with a dash is joined to its name, as parsers demand, and so is @FILE, which az replaces.
    """
    if len(values) == 1 and values[0].startswith(("-", "@")):
        return [f"{name}={values[0]}"]
    return [name, *values]


def quote_word(word: str, shell: Shell | None = None) -> str:
    """Return a word as the shell reads it.

    :param shell: None for the one in use.
    """
    if _PLAIN.fullmatch(word):
        return word
    name, separator, value = word.partition("=")
    if separator and name.startswith("--") and _PLAIN.fullmatch(name):
        # Reads better than quotes around both, and PowerShell accepts it.
        return f"{name}={quote_word(value, shell)}"
    if printable(word.replace("\n", " ")) != word.replace("\n", " ") or "\t" in word:
        return LEFT_OUT
    return _QUOTERS[shell or shell_in_use()](word)


def _quote_for_posix(word: str) -> str:
    if not _SPECIAL_IN_QUOTES & set(word):
        return f'"{word}"'
    # Between single quotes, fish gives the backslash a meaning, and sh does not. Between double quotes, both do.
    parts: Iterable[str] = re.findall(r"[^'\\]+|'+|\\+", word)
    return "".join(_quote_part(part) for part in parts)


def _quote_part(part: str) -> str:
    if part[0] == "\\":
        return f'"{part * 2}"'
    return f'"{part}"' if part[0] == "'" else f"'{part}'"


def _quote_for_powershell(word: str) -> str:
    if not _SPECIAL_IN_QUOTES & set(word):
        return f'"{word}"'
    return "'" + re.sub(f"([{_SINGLE_QUOTES}])", r"\1\1", word) + "'"


def _quote_for_windows(word: str) -> str:
    is_safe = all(char.isalnum() or char in _SAFE_ON_WINDOWS for char in word)
    # A backslash before the closing quote would belong to the quote.
    return f'"{word}"' if is_safe and not word.endswith("\\") else LEFT_OUT


_QUOTERS = {
    Shell.POSIX: _quote_for_posix,
    Shell.POWERSHELL: _quote_for_powershell,
    Shell.WINDOWS: _quote_for_windows,
}
