"""The words of `az-token` that it reads itself, and those that are for `az`."""

from __future__ import annotations

import argparse

import pytest

from azext_login.az_token.command_line import parse
from azext_login.az_token.hand_over import NotAnsweredError
from azext_login.cli.token_options import ExportOptions, TokenOptions

GUID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--format", "header"], ExportOptions(token_format="header")),
        (["--format=header"], ExportOptions(token_format="header")),
        (["-f", "bash", "-y"], ExportOptions(token_format="bash", yes=True)),
        (["--yes", "-f", "bash"], ExportOptions(token_format="bash", yes=True)),
        (["--format", "json"], TokenOptions()),
        (["-t", "x", "--format=json"], TokenOptions(tenant="x")),
        (["--format", "json", "--force-refresh"], TokenOptions(force_refresh=True)),
        (["--format", "json", "--name", "a b"], TokenOptions(subscription="a b")),
        (["--format", "json", "-s", "a=b"], TokenOptions(subscription="a=b")),
        (["--format", "json", "--resource=a=b"], TokenOptions(resource="a=b")),
        (["--format", "json", "--min-validity", "1h30m"], TokenOptions(min_validity=5400.0)),
        (["--format", "json", "--scope", "a", "b", "-t", "x"], TokenOptions(scopes=["a", "b"], tenant="x")),
        (["--format", "json", "--scope=a"], TokenOptions(scopes=["a"])),
        (["--format", "json", "--resource-type", "arm"], TokenOptions(resource_type="arm")),
        (["--format", "json", "--app-client-id", GUID.upper()], TokenOptions(app_client_id=GUID)),
        (
            ["--format", "git", "--allow-host", "A.example", "*.b.example"],
            ExportOptions(token_format="git", allow_host=["a.example", "*.b.example"]),
        ),
    ],
)
def test_plain_words_are_read_as_az_reads_them(words: list[str], options: TokenOptions) -> None:
    found = parse(words)
    assert type(found) is type(options)
    assert vars(found) == vars(options)


@pytest.mark.parametrize(
    "words",
    [
        # Without a format, or with several
        [],
        ["--yes"],
        ["--format"],
        ["--format="],
        ["--format", "--yes"],
        ["--format", "header", "-f", "header"],
        ["--format", "Header"],
        ["--format", "csv"],
        # Spellings that argparse would read
        ["-f=header"],
        ["-fheader"],
        ["--form", "header"],
        ["--format", "header", "--yes=1"],
        ["--format", "header", "-yf"],
        # Words that are no options, and options of every command
        ["header"],
        ["--format", "header", "x"],
        ["--format", "header", "--"],
        ["--format", "header", "-"],
        ["--format", "header", ""],
        ["--format", "header", "--help"],
        ["--format", "header", "--query", "x"],
        ["--format", "header", "--output", "json"],
        ["--format", "header", "--debug"],
        # Options of the other command
        ["--format", "json", "--yes"],
        ["--format", "json", "--allow-host", "x.example"],
        # An option again, also by its other name
        ["--format", "header", "-t", "x", "--tenant", "x"],
        ["--format", "header", "--subscription", "x", "--name", "y"],
        ["--format", "header", "--yes", "-y"],
        # Values that are missing or empty
        ["--format", "header", "--tenant"],
        ["--format", "header", "--tenant", ""],
        ["--format", "header", "--tenant= "],
        ["--format", "header", "--scope"],
        ["--format", "header", "--scope", "a", ""],
        ["--format", "header", "--scope=a", "b"],
        # Values that begin like an option or name a file
        ["--format", "header", "--tenant", "-x"],
        ["--format", "header", "--tenant=-x"],
        ["--format", "header", "--tenant", "@file"],
        ["--format", "header", "--tenant=@file"],
        ["--format", "header", "--resource", "a=@file"],
        # A dash that the host replaces
        ["--format", "header", "--tenant", "\u2013x"],
        # A choice in another case
        ["--format", "header", "--resource-type", "ARM"],
    ],
)
def test_all_other_words_are_for_az(words: list[str]) -> None:
    with pytest.raises(NotAnsweredError):
        parse(words)


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("--min-validity", "soon", ValueError),
        ("--min-validity", "1.5", ValueError),
        ("--app-client-id", "x", argparse.ArgumentTypeError),
        ("--allow-host", "https://x.example", argparse.ArgumentTypeError),
    ],
)
def test_a_value_that_az_refuses_is_not_accepted(option: str, value: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse(["--format", "git", option, value])
