"""The loggers of the package. What they print is text: a terminal obeys nothing in it, whoever chose the names."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from azext_login.system.text import visible

if TYPE_CHECKING:
    import logging

# The parent of the host's loggers (knack.log), which has the handlers. By its name, because there may be no host.
_HOST_LOGGER = "cli"

_before_first_use: list[Callable[[], object]] = []


def get_logger(name: str) -> logging.Logger:
    """Return the host's logger for a module, whose messages have nothing but text and white space."""
    return cast("logging.Logger", _LazyLogger(name))


def call_before_logging(action: Callable[[], object]) -> None:
    """Let a function be called once, before a logger of ours is used for the first time."""
    _before_first_use.append(action)


class _LazyLogger:
    """Stands for a logger. Loading `logging` takes a tenth of the time of `az-token`, which logs nothing as a rule."""

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _logger(self) -> logging.Logger:
        import logging

        while _before_first_use:
            _before_first_use.pop()()
        logger = logging.getLogger(_HOST_LOGGER).getChild(self._name)
        logger.addFilter(keep_text)
        return logger

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._logger, attribute)


def keep_text(record: logging.LogRecord) -> bool:
    """Make the message of a record harmless for a terminal, and keep the record: a filter of a logger."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError):
        # logging reports a message whose arguments do not fit.
        return True
    if visible(message) != message:
        record.msg, record.args = visible(message), ()
    return True
