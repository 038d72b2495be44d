"""The loggers of the package. What they print is text: a terminal obeys nothing in it, whoever chose the names."""

from __future__ import annotations

import logging

from azext_login.system.text import visible

# The parent of the host's loggers (knack.log), which has the handlers. By its name, because there may be no host.
_HOST_LOGGER = "cli"


def get_logger(name: str) -> logging.Logger:
    """Return the host's logger for a module, whose messages have nothing but text and white space."""
    logger = logging.getLogger(_HOST_LOGGER).getChild(name)
    logger.addFilter(keep_text)
    return logger


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
