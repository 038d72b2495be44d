"""docs/errors.rst, from the catalogue of refusals and from the errors that failures of the network raise.

    python -m tests.errors

writes the page. A test compares it.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from azure.cli.core.azclierror import AzCLIError

from azext_login.auth.entra.errors import Attempt, explain
from azext_login.auth.entra.refusals import (
    OF_EVERYONE,
    OF_SERVICE_PRINCIPALS,
    OF_THE_SERVICE,
    OF_USERS,
    PERSONAL_ACCOUNT,
    Refusal,
)
from azext_login.system.command_line import AZ_LOGIN
from azext_login.usecases.status.outcomes import outcome_of
from tests.network_failures import NETWORK, NOW

PAGE = Path(__file__).resolve().parents[1] / "docs" / "errors.rst"

_WIDTH = 118

_HEAD = """\
Errors
======

The errors of the sign-in service and of the network: what they mean, what to run, and whether waiting helps.
``python -m tests.errors`` writes this page from the code, so the messages are those that a command prints. ``USER``,
``APPLICATION_ID`` and ``TENANT`` stand for names.

.. contents::
   :local:
   :depth: 2

How to read a refusal
---------------------

A refusal of Entra ID has four parts:

1. a sentence of this extension: what happened, and what was kept;
2. the sentence of Entra ID, which begins with a code such as ``AADSTS50126``;
3. the IDs and the time (UTC) of the answer. An administrator finds the attempt with them in the sign-in logs of the
   tenant, and Microsoft's support asks for them;
4. what to do, and the command to run.

Each entry ends with the exit code and the ``status`` with which `az account status <status.rst#exit-codes>`_ reports
the error. Other commands exit with code 1.

Search this page for the code. A code that is not here is still reported with the sentence of Entra ID and a command;
https://login.microsoftonline.com/error explains every code.
"""

_SECTIONS = (
    (
        "Refusals for users",
        "These codes are for users, at a sign-in or when a stored sign-in is used.",
    ),
    (
        "Refusals for service principals and federated tokens",
        "These codes are for applications that sign in with a secret, a certificate or a federated token.",
    ),
    (
        "Refusals for users and service principals",
        "These codes are about the tenant, the resource or the request.",
    ),
    (
        "Failures of the sign-in service",
        "These codes are for users and service principals. To sign in again does not help. Programs receive a cached "
        "token as long as one is valid.",
    ),
)


def page() -> str:
    """Return the whole page."""
    shared = {id(row) for row in OF_EVERYONE}
    tables = (
        [*(row for row in OF_USERS if id(row) not in shared), PERSONAL_ACCOUNT],
        [row for row in OF_SERVICE_PRINCIPALS if id(row) not in shared],
        OF_EVERYONE,
        OF_THE_SERVICE,
    )
    parts = [_HEAD]
    for (title, intro), table in zip(_SECTIONS, tables, strict=True):
        parts += [_title(title, "-"), _wrapped(intro)]
        parts += [_entry(row, is_application=table is tables[1]) for row in table]
    parts += [_title("The clock", "-"), _wrapped(_CLOCK), _message(_clock_error())]
    parts += [_title("The network", "-"), _wrapped(_NETWORK)]
    for title, failures in NETWORK.items():
        parts.append(_title(title, "~"))
        parts += [f"{_wrapped(failure.cause)}\n{_message(failure.error())}" for failure in failures]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


# Refusals


def _error_of(row: Refusal, *, is_application: bool) -> AzCLIError:
    sent_password = row is PERSONAL_ACCOUNT
    user = Attempt(tenant="TENANT", username="USER", with_password=sent_password)
    command = AZ_LOGIN.with_option("--service-principal").with_option("--username", "APPLICATION_ID")
    application = Attempt(tenant="TENANT", username="APPLICATION_ID", service_principal=True, command=command)
    word = next(iter(sorted(row.words)), "invalid_grant")
    answer: dict[str, Any] = {"error": word, "error_codes": list(row.causes)[:1]}
    return explain(answer, application if is_application else user, clock=lambda: NOW)


def _entry(row: Refusal, *, is_application: bool) -> str:
    error = _error_of(row, is_application=is_application)
    lines = [_wrapped(f"**{_inline(str(error).partition(chr(10))[0])}**")]
    for code, cause in sorted(row.causes.items(), key=lambda item: str(item[0])):
        lines += [f"``AADSTS{code}``", textwrap.indent(_wrapped(cause).rstrip(), "    ")]
    if not row.causes:
        words = " or ".join(f"``{word}``" for word in sorted(row.words))
        lines.append(f"This refusal has no code. Its error is {words}.")
    lines += ["", _wrapped(_advice(error))]
    lines.append(_wrapped(f"Waiting helps: {f'yes, {row.wait}' if row.wait else 'no'}."))
    lines.append(_exit_code(error))
    return "\n".join(lines)


def _message(error: AzCLIError) -> str:
    paragraphs = [f"**{_inline(line)}**" for line in str(error).splitlines()]
    return "\n".join([*map(_wrapped, paragraphs), _wrapped(_advice(error)), _exit_code(error)])


def _exit_code(error: AzCLIError) -> str:
    """Return what `az account status` makes of the error."""
    outcome = outcome_of(error)
    return _wrapped(f"``az account status``: exit code {int(outcome)}, ``{outcome.word}``.")


def _advice(error: AzCLIError) -> str:
    """Return what to do. The last line is a command if the line before it announces one."""
    text = "\n".join(str(each) for each in error.recommendations)
    start, _, last = text.rpartition("\n")
    shown = f"{_inline(start)} ``{last}``." if start.endswith(":") else _inline(text)
    return f"What to do: {shown}"


_CLOCK = (
    "MSAL writes the time of this computer into the assertion of a certificate, and a federated token is valid for "
    "some minutes. If a credential is refused for its time, and the clock of this computer differs from that of the "
    "service by more than five minutes, the error names both clocks."
)


def _clock_error() -> AzCLIError:
    text = "AADSTS700024: Client assertion is not within its valid time range. Current time: 2026-03-04T07:06:07.65Z."
    return explain(
        {"error": "invalid_client", "error_codes": [700024], "error_description": text},
        Attempt(service_principal=True),
        clock=lambda: NOW,
    )


# The network

_NETWORK = (
    "A command waits ten seconds for a connection and a minute between two parts of an answer, and sends a request "
    "again that did not reach the service. Nothing that was stored before changes. Exit codes and texts are the same "
    "for the services of tokens, subscriptions and identities; only their names differ."
)


# Text


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)) + "\n"


def _inline(text: str) -> str:
    """Return text of a message as reStructuredText."""
    text = text.replace("*", r"\*").replace("|", r"\|")
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", " ".join(text.split()))


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0)
