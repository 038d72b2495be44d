"""A secret that the host has read from a file or standard input stays its option's value, whatever it looks like."""

from __future__ import annotations

import argparse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from azext_login.cli.secret_words import prepare_secrets

SECRET = "--a=secret"


def prepared(args: list[str], argv: list[str]) -> list[str]:
    """Return the words as the parser gets them."""
    words = list(args)
    prepare_secrets(words, argv)
    return words


@pytest.mark.parametrize("option", ["-p", "--password", "--passw", "--p"])
@pytest.mark.parametrize("source", ["@-", "@secret.txt"])
def test_a_password_from_elsewhere_becomes_one_word_with_its_option(option: str, source: str) -> None:
    words = prepared(["login", "-u", "me", option, SECRET, "--debug"], ["login", "-u", "me", option, source, "--debug"])
    assert words == ["login", "-u", "me", f"--password={SECRET}", "--debug"]


@pytest.mark.parametrize("option", ["--federated-token", "--fed"])
def test_a_federated_token_from_elsewhere_becomes_one_word_with_its_option(option: str) -> None:
    assert prepared(["login", option, SECRET], ["login", option, "@-"]) == ["login", f"--federated-token={SECRET}"]


def test_several_options_are_joined_each_with_its_own_value() -> None:
    words = prepared(["login", "-p", "-1", "--fed", "-2", "-u", "-3"], ["login", "-p", "@a", "--fed", "@b", "-u", "@c"])
    assert words == ["login", "--password=-1", "--federated-token=-2", "-u", "-3"]


def test_a_secret_that_reads_like_its_own_source_is_prepared() -> None:
    assert prepared(["login", "-p", "@-"], ["login", "-p", "@-"]) == ["login", "--password=@-"]


@pytest.mark.parametrize("given_words", [["-p=@-"], ["--password=@-"], ["--pass=@-"], ["-p", "@-"], ["--pass", "@-"]])
@pytest.mark.parametrize("end", ["\r", "\r\n", "\n\r\n", ""])
@pytest.mark.parametrize("begin", ["", "\ufeff"], ids=["", "byte order mark"])
def test_what_systems_put_around_a_line_is_no_part_of_a_secret(given_words: list[str], begin: str, end: str) -> None:
    read = [word.replace("@-", f"{begin} a\r\nb= {end}") for word in given_words]
    assert prepared(["login", *read], ["login", *given_words]) == ["login", "--password= a\r\nb= "]


@pytest.mark.parametrize(
    ("args", "argv"),
    [
        (["login", "-p", f"{SECRET}\r\n"], ["login", "-p", f"{SECRET}\r\n"]),
        (["login", f"-p={SECRET}\r\n"], ["login", f"-p={SECRET}\r\n"]),
        (["login", f"--password={SECRET}"], ["login", "--password=@-"]),
        (["login", "-p=x", SECRET], ["login", "-p=x", "@-"]),
        (["login", "-u", SECRET], ["login", "-u", "@-"]),
        (["login", "--federated-token-file", SECRET], ["login", "--federated-token-file", "@-"]),
        (["login", "-", SECRET], ["login", "-", "@-"]),
        (["login", "--", SECRET], ["login", "--", "@-"]),
        (["login", "-p"], ["login", "-p"]),
        (["account", "show", "-p", SECRET], ["account", "show", "-p", "@-"]),
        (["vm", "create", "-p", SECRET], ["vm", "create", "-p", "@-"]),
        ([], []),
    ],
)
def test_all_other_words_stay_as_the_host_has_left_them(args: list[str], argv: list[str]) -> None:
    assert prepared(args, argv) == args


@pytest.mark.parametrize(
    "argv",
    [
        ["script.py"],
        ["login", "-p", "@-", "--debug"],
        ["serve", "-p", "@-"],
        [],
    ],
)
def test_nothing_is_joined_in_a_process_with_another_command_line(argv: list[str]) -> None:
    args = ["login", "-p", SECRET]
    assert prepared(args, argv) == args


@given(st.text().map(lambda value: value.rstrip("\r\n")).filter(lambda value: value != "--"))
@example("-p")
@example("--password")
@example("--username=x y")
@example("@-")
@example("=")
@example("")
def test_the_parser_takes_any_joined_secret_for_what_it_is(secret: str) -> None:
    # Only the value "--" is out of reach: until Python 3.13, argparse drops it from every option.
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--password", "-p")
    parser.add_argument("--username", "-u")
    words = prepared(["login", "-p", secret, "-u", "me"], ["login", "-p", "@-", "-u", "me"])
    parsed = parser.parse_args(words[1:])
    assert (parsed.password, parsed.username) == (secret, "me")
