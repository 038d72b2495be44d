"""`az account context hook`, and its function `azctx` in real shells."""

from __future__ import annotations

import json
import os
import shutil
import string
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from azext_login.cli.shell_hook import script_for
from azext_login.cli.shell_hook_options import SHELLS as SCRIPTS
from tests.harness import environments
from tests.harness.az import Az
from tests.harness.hosts import Host

HOOK = ("account", "context", "hook", "--shell")
USAGE = "usage: azctx [NAME | - | -u | --unset | -h | --help]"
LIST = "To list the contexts, run: az account context list"
NO_NAME = f"azctx: That is not a name of a context. {LIST}"
NO_PREVIOUS = f"azctx: This shell has no previous context. {LIST}"
NO_CONTEXT = "azctx: There is no context. To create one, run: az account context create --name NAME"

#: How each shell starts without the user's files.
COMMANDS = {
    "bash": ("bash", "--noprofile", "--norc"),
    "zsh": ("zsh", "-f"),
    "fish": ("fish", "--no-config"),
}
#: `show` prints what a program that the shell starts finds in its environment, and `code` the exit code before it.
_POSIX = """
show() { sh -c 'echo "[${AZURE_LOGIN_CONTEXT-none}]"'; }
code() { echo "code $?"; }
"""
_FISH = """
function show; sh -c 'echo "[${AZURE_LOGIN_CONTEXT-none}]"'; end
function code; echo "code $status"; end
"""
TOOLS = {"bash": _POSIX, "zsh": _POSIX, "fish": _FISH}
#: As in a profile: "$HOOK" is a file with what `az` printed.
LOAD = {"bash": 'eval "$(cat "$HOOK")"\n', "zsh": 'eval "$(cat "$HOOK")"\n', "fish": 'cat "$HOOK" | source\n'}


@dataclass(frozen=True)
class Done:
    """What a shell printed, line by line, and its exit code."""

    lines: list[str]
    errors: list[str]
    code: int


@dataclass(frozen=True)
class Shell:
    """A shell with a home directory, a file with its hook, and a config directory."""

    name: str
    folder: Path
    config: Path

    def write_names(self, *names: str) -> None:
        """Write the file of names as the extension does."""
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / "login_contexts").write_text("".join(f"{name}\n" for name in names), encoding="ascii")

    def environment(self, env: dict[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment of a run."""
        hook = self.folder / "hook"
        hook.write_text(script_for(self.name), encoding="ascii")
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "AZURE_CONFIG_DIR": str(self.config),
            "HOOK": str(hook),
            **(env or {}),
        }

    def run(self, script: str, *, before: str = "", env: dict[str, str] | None = None, load: bool = True) -> Done:
        """Run a script after the hook.

        before: runs before everything else.
        """
        whole = before + "\n" + TOOLS[self.name] + (LOAD[self.name] if load else "") + script
        done = subprocess.run(
            [_installed(self.name), *COMMANDS[self.name][1:], "-c", whole],
            cwd=self.folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        # Not `splitlines`, which also splits at control characters.
        lines, errors = (text.decode().split("\n")[:-1] for text in (done.stdout, done.stderr))
        return Done(lines, errors, done.returncode)


def _installed(name: str) -> str:
    """Return the path of a shell. Skips where it is not installed, and fails in continuous integration."""
    path = shutil.which(name)
    if path is None:
        if environments.in_ci() and name in environments.SHELLS:
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture(params=COMMANDS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    """Each shell, with two contexts."""
    _installed(request.param)
    made = Shell(request.param, tmp_path, tmp_path / "azure")
    made.write_names("dev", "Prod")
    return made


# The command


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("output", [(), ("--output", "table"), ("--output", "none"), ("--query", "x", "-o", "json")])
def test_the_script_is_printed_whatever_output_is_configured(az: Az, name: str, output: tuple[str, ...]) -> None:
    result = az.run(*HOOK, name, *output).ok()
    assert result.stdout == script_for(name)
    assert result.stderr == ""


@pytest.mark.executable
def test_a_directory_in_which_no_command_has_run_and_no_user_is_signed_in_is_enough(make_az: Callable[..., Az]) -> None:
    for name in SCRIPTS:
        assert make_az(warm=False).run(*HOOK, name).ok().stdout == script_for(name)


@pytest.mark.oldest
def test_it_works_on_the_oldest_host(make_az: Callable[..., Az], oldest: Host) -> None:
    assert make_az(host=oldest).run(*HOOK, "bash").ok().stdout == script_for("bash")


def _store_contexts(az: Az, *names: str) -> str:
    """Store contexts for a subscription that is not active, without the file with their names; return its name."""
    document = az.profile()
    row = next(row for row in document["subscriptions"] if not row["isDefault"])
    context = {"cloud": row["environmentName"], "user": row["user"], "tenant": row["tenantId"]}
    stored = [{"name": name, **context, "subscription": row["id"]} for name in names]
    document.setdefault("azextLogin", {})["contexts"] = stored
    az.profile_path.write_text(json.dumps(document), encoding="utf-8")
    return str(row["name"])


def test_the_file_with_the_names_is_brought_up_to_date(signed_in: Az) -> None:
    _store_contexts(signed_in, "Prod", "dev", "..", "a b")
    file = signed_in.config_dir / "login_contexts"
    for before in (None, "gone\n"):
        if before is not None:
            file.write_text(before, encoding="ascii")
        assert signed_in.run(*HOOK, "bash").ok().stderr == ""
        assert file.read_text(encoding="ascii") == "dev\nProd\n"
        assert file.stat().st_mode & 0o777 == 0o600


def test_damaged_contexts_and_a_file_that_cannot_be_written_leave_the_script(az: Az) -> None:
    (az.config_dir / "login_contexts").mkdir()
    az.profile_path.write_text('{"subscriptions": [], "azextLogin": {"contexts": 1}}', encoding="utf-8")
    assert az.run(*HOOK, "zsh").ok().stdout == script_for("zsh")
    az.profile_path.write_text("[", encoding="utf-8")
    result = az.run(*HOOK, "zsh")
    result.assert_clean()
    assert result.stdout == script_for("zsh")


@pytest.mark.parametrize("name", ["AZURE_LOGIN_CONTEXT", "AZURE_LOGIN_ACCOUNT", "AZURE_LOGIN_SUBSCRIPTION"])
@pytest.mark.parametrize("value", ["gone", "a b\x1b[31m"])
def test_a_choice_that_names_nothing_does_not_keep_a_new_shell_from_its_function(az: Az, name: str, value: str) -> None:
    result = az.run(*HOOK, "bash", env={name: value}).ok()
    assert result.stdout == script_for("bash")
    assert result.stderr == ""


def test_a_directory_that_is_not_allowed_is_no_warning_in_every_new_shell(az: Az) -> None:
    (az.config_dir / ".azure-context").write_text("dev\n", encoding="ascii")
    assert az.run(*HOOK, "fish", cwd=az.config_dir).ok().stderr == ""


@pytest.mark.parametrize("options", [(), ("--shell",), ("--shell", "tcsh")])
def test_what_is_no_shell_is_a_usage_error(az: Az, options: tuple[str, ...]) -> None:
    assert az.run("account", "context", "hook", *options).failed(2).stdout == ""


@pytest.mark.parametrize(
    "destination, code, reason",
    [("> /dev/full", 1, "could not be written to standard output: No space left on device"), ("| true", 0, "")],
)
def test_an_output_that_takes_nothing_is_one_error_and_a_reader_that_has_gone_is_no_error(
    az: Az, destination: str, code: int, reason: str
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'("$0" "$@"; echo "exit $?" >&2) {destination}', str(az.host.az), *HOOK, "bash"],
        env=az.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"exit {code}\n" in done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_profile_evaluates_what_the_command_prints_and_az_follows(signed_in: Az, name: str, tmp_path: Path) -> None:
    _installed(name)
    another = _store_contexts(signed_in, "dev")
    active = next(str(row["name"]) for row in signed_in.profile()["subscriptions"] if row["isDefault"])
    shell = Shell(name, tmp_path, signed_in.config_dir)
    command = f"'{signed_in.host.az}' {' '.join(HOOK)} {name}"
    line = f"{command} | source" if name == "fish" else f'eval "$({command})"'
    asked = f"'{signed_in.host.az}' account show --query name -o tsv --only-show-errors"
    environment = signed_in.environment({"PATH": "/usr/bin:/bin"})
    done = shell.run(f"{line}\nazctx DEV; show; {asked}; azctx -; show; {asked}", load=False, env=environment)
    assert done == Done(["[dev]", another, "[none]", active], [], 0)


# Choosing

SCENARIO = """
azctx
azctx DEV; show
azctx prod; show
azctx prod; azctx
azctx -; show
azctx -; show
azctx --unset; show
azctx -; show
azctx -u; azctx --unset; show
azctx nope || code
azctx '' || code
azctx dev Prod || code
show
azctx -; azctx -; show
azctx --help; azctx -h
"""
OUTPUT = [
    *("  dev", "  Prod"),
    *("[dev]", "[Prod]", "  dev", "* Prod", "[dev]", "[Prod]", "[none]", "[Prod]", "[none]"),
    *("code 1", "code 1", "code 2", "[none]", "[none]"),
    *(USAGE, USAGE),
]
ERRORS = [f"azctx: There is no context 'nope'. {LIST}", NO_NAME, USAGE]


def test_the_function_chooses_lists_returns_and_leaves(shell: Shell) -> None:
    assert shell.run(SCENARIO) == Done(OUTPUT, ERRORS, 0)


_ALIASES = "\n".join(
    f"alias {word}=false"
    for word in ("azctx", "local", "printf", "print", "read", "export", "unset", "return", "setopt", "typeset")
)
_SURROUNDINGS = {
    "bash": (
        "set -euo pipefail",
        "IFS=azctx; set -f",
        "IFS=",
        "shopt -s nocasematch extglob nullglob; set -o noclobber",
        "shopt -s failglob dotglob",
        "shopt -s expand_aliases\n" + _ALIASES,
        "set -a; set -u",
        "set -o posix",
        "BASH_COMPAT=3.2",
        "PROMPT_COMMAND=false; trap 'true' DEBUG ERR; set -ET",
        "readonly line=1 names=2 pattern=3 wanted=4 active=5 i=6 file=7 letter=8 usage=9 name=10 mark=11",
    ),
    "zsh": (
        "set -euo pipefail",
        "setopt err_exit err_return no_unset",
        "setopt ksh_arrays sh_word_split no_unset",
        "setopt all_export no_clobber glob_subst warn_create_global warn_nested_var",
        "setopt ignore_braces sh_glob csh_null_glob no_nomatch no_short_loops posix_identifiers",
        "setopt rc_quotes rc_expand_param no_bang_hist csh_junkie_loops ksh_glob posix_builtins",
        "setopt no_function_argzero no_multios ignore_close_braces no_equals",
        "setopt aliases\n" + _ALIASES,
        "IFS=azctx",
        "IFS=; emulate ksh",
        "emulate sh",
        "typeset -a line names; wanted=4 active=5 name=6",
        "typeset -r names=1 wanted=2 active=3 name=4 usage=5 file=6 same=7 refused=8",
    ),
    "fish": ("set names 1; set wanted 2; set -g active 3", "function ls; false; end; set IFS", "set fish_trace ''"),
}


@pytest.mark.parametrize(
    "name, before", [(name, before) for name, variants in _SURROUNDINGS.items() for before in variants]
)
def test_the_settings_of_the_shell_change_nothing(name: str, before: str, tmp_path: Path) -> None:
    _installed(name)
    shell = Shell(name, tmp_path, tmp_path / "azure")
    shell.write_names("dev", "Prod")
    aliases = "\n".join(f"unalias {word} 2>/dev/null || :" for word in ("printf", "print", "return"))
    script = (aliases + SCENARIO) if "alias" in before else SCENARIO
    assert shell.run(script, before=before) == Done(OUTPUT, ERRORS, 0)


def test_a_universal_variable_of_fish_does_not_keep_a_shell_in_a_context(tmp_path: Path) -> None:
    path = _installed("fish")
    shell = Shell("fish", tmp_path, tmp_path / "azure")
    shell.write_names("dev", "Prod")
    script = "set -Ux AZURE_LOGIN_CONTEXT Prod; source $HOOK; azctx -u; azctx; azctx dev; azctx -u; azctx -; show"
    done = subprocess.run(
        # With the user's files, which are in the temporary home directory: without them, nothing is universal.
        [path, "-c", TOOLS["fish"] + script + "; set -eg AZURE_LOGIN_CONTEXT; azctx"],
        cwd=tmp_path, env=shell.environment(), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert (done.stdout.splitlines(), done.stderr) == (["  dev", "  Prod", "[dev]", "  dev", "* Prod"], "")


def test_loading_it_prints_nothing_fails_nowhere_and_can_be_repeated(shell: Shell) -> None:
    strict = "" if shell.name == "fish" else "set -euo pipefail"
    load = LOAD[shell.name]
    done = shell.run(f"{load}azctx dev; azctx Prod\n{load}{load}azctx -; show", before=strict)
    assert done == Done(["[dev]"], [], 0)


def test_loading_it_without_a_config_directory_or_home_prints_nothing(shell: Shell) -> None:
    unset = "set -e HOME AZURE_CONFIG_DIR" if shell.name == "fish" else "set -eu; unset HOME AZURE_CONFIG_DIR"
    assert shell.run(f"{unset}\n{LOAD[shell.name]}azctx; azctx dev || code") == Done(
        ["code 1"], [NO_CONTEXT, f"azctx: There is no context 'dev'. {LIST}"], 0
    )


def test_without_a_previous_context_there_is_nothing_to_return_to(shell: Shell) -> None:
    done = shell.run("azctx - || code; azctx -u; azctx - || code; show", env={"AZURE_LOGIN_CONTEXT": ""})
    assert done == Done(["code 1", "code 1", "[none]"], [NO_PREVIOUS, NO_PREVIOUS], 0)


def test_a_previous_context_that_was_deleted_is_not_chosen_again(shell: Shell) -> None:
    gone = 'echo dev > "$AZURE_CONFIG_DIR/login_contexts"'
    done = shell.run(f"azctx Prod; azctx dev; {gone}; azctx - || code; show; azctx")
    assert done == Done(["code 1", "[dev]", "* dev"], [f"azctx: There is no context 'Prod'. {LIST}"], 0)


def test_a_variable_that_the_user_set_is_marked_in_any_case_and_replaced(shell: Shell) -> None:
    done = shell.run("azctx; azctx prod; show; azctx -; show", env={"AZURE_LOGIN_CONTEXT": "DEV"})
    assert done == Done(["* dev", "  Prod", "[Prod]", "[dev]"], [], 0)


@pytest.mark.parametrize("value", ["*", "\x1b[31m", "[dD]ev", "dev\n"])
def test_a_variable_that_is_not_a_name_marks_nothing_and_is_not_printed(shell: Shell, value: str) -> None:
    done = shell.run("azctx; azctx dev; azctx - || code; show", env={"AZURE_LOGIN_CONTEXT": value})
    assert done == Done(["  dev", "  Prod", "code 1", "[dev]"], [NO_NAME], 0)


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_every_allowed_character_works_in_any_case(shell: Shell, change: Callable[[str], str]) -> None:
    names = [change(f"n{letter}") for letter in string.ascii_lowercase + string.digits + "._-"]
    names += [change("._-" + string.ascii_lowercase + string.digits), change("x" * 64)]
    shell.write_names(*names)
    script = "\n".join(f"azctx {name.swapcase()}; show" for name in names)
    assert shell.run(script) == Done([f"[{name}]" for name in names], [], 0)


def test_case_is_that_of_ascii_in_a_turkish_locale(shell: Shell) -> None:
    """There, I and i are different letters."""
    source = Path("/usr/share/i18n/locales/tr_TR")
    localedef = shutil.which("localedef")
    if localedef is None or not source.is_file():
        pytest.skip("Debian's package locales is not installed")
    compiled = shell.folder / "tr_TR.UTF-8"
    subprocess.run([localedef, "-i", "tr_TR", "-f", "UTF-8", compiled], check=True, timeout=60)
    shell.write_names("ID-i", "dev")
    turkish = {"LOCPATH": str(shell.folder), "LC_ALL": "tr_TR.UTF-8", "AZURE_LOGIN_CONTEXT": "id-I"}
    done = shell.run("azctx; azctx id-I; show; azctx; azctx -u; azctx iD-i; show", env=turkish)
    assert done == Done(["* ID-i", "  dev", "[ID-i]", "* ID-i", "  dev", "[ID-i]"], [], 0)


#: Not names, as an argument and as lines of the file.
NOT_NAMES = (
    *("a b", " dev", "dev ", "a\x1b[31mb", "\x07", "$(touch x)", "`touch x`", ";touch x", "|touch x", "$HOME", "~"),
    *(
        "..",
        ".",
        "a/b",
        "../azure",
        "*",
        "?",
        "d*",
        "[dD]ev",
        "dev*",
        "(dev)",
        "#dev",
        "dév",
        "\u212aey",
        "%s",
        "%n",
        "!!",
    ),
    *("-n", "-dev", "--", "dev\\", "'", '"', "\\", "a\tb", "x" * 65, "dev,Prod", "a=b", "dev\x7f", "\u202edev"),
    *("CON", "prn.txt", "Aux", "nul.", "com1", "LPT9.x.y", "COM0"),
)


@pytest.mark.parametrize("word", [*NOT_NAMES, "dev\n", "\ndev", "dev\nProd", "dev\r", "\r"])
def test_a_word_that_is_no_name_changes_nothing_and_is_not_repeated(shell: Shell, word: str) -> None:
    shell.write_names("dev", "Prod", "ntouch", "x")
    (shell.config / "login_contexts").open("ab").write(word.encode() + b"\n")
    done = shell.run('azctx dev; azctx "$WORD" || code; show', env={"WORD": word})
    assert done.lines[-2:] == ["code 1", "[dev]"]
    assert len(done.errors) == 1
    assert done.errors[0] in (NO_NAME, f"azctx: There is no context '{word}'. {LIST}")
    assert done.errors[0].isascii()
    assert done.errors[0].isprintable()
    assert not (shell.folder / "x").exists()


def test_lines_that_are_no_names_are_ignored(shell: Shell) -> None:
    lines = [*(word.encode() for word in NOT_NAMES), b"\xff\xfe", b"", b"a\rb", b"\r", b"dev\r\r"]
    content = b"\n".join([b"first", *lines, b"windows\r", b"last"])
    (shell.config / "login_contexts").write_bytes(content)
    assert shell.run("azctx; azctx LAST; show; azctx windows; show") == Done(
        ["  first", "  windows", "  last", "[last]", "[windows]"], [], 0
    )
    assert not (shell.folder / "x").exists()


def _no_file(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [_no_file, _empty, _directory, _pipe])
def test_without_names_the_list_explains_how_to_create_a_context(shell: Shell, damage: Callable[[Path], None]) -> None:
    damage(shell.config / "login_contexts")
    strict = "" if shell.name == "fish" else "set -euo pipefail"
    done = shell.run(
        "azctx; show; azctx dev || code; azctx -u; show", before=strict, env={"AZURE_LOGIN_CONTEXT": "dev"}
    )
    assert done == Done(["[dev]", "code 1", "[none]"], [NO_CONTEXT, f"azctx: There is no context 'dev'. {LIST}"], 0)


@pytest.mark.parametrize("name", ["a b", 'it\'s "$(touch x)"', "a*[b]?", "-n", "ü\n;x", "a:b"])
def test_any_name_of_the_config_directory_works(shell: Shell, name: str) -> None:
    other = Shell(shell.name, shell.folder, shell.folder / name)
    other.write_names("here")
    assert other.run("azctx here; azctx") == Done(["* here"], [], 0)
    # Relative to the working directory, as for `az`.
    assert other.run("azctx here; azctx", env={"AZURE_CONFIG_DIR": name}) == Done(["* here"], [], 0)
    assert not (shell.folder / "x").exists()


def test_without_a_config_directory_in_the_environment_it_is_the_default_one(shell: Shell) -> None:
    Shell(shell.name, shell.folder, shell.folder / ".azure").write_names("home")
    assert shell.run("azctx home; azctx", env={"AZURE_CONFIG_DIR": ""}) == Done(["* home"], [], 0)
    drop = "set -e AZURE_CONFIG_DIR" if shell.name == "fish" else "unset AZURE_CONFIG_DIR"
    assert shell.run(f"{drop}; azctx home; azctx") == Done(["* home"], [], 0)


def test_an_error_that_cannot_be_printed_changes_nothing(shell: Shell) -> None:
    done = shell.run("azctx dev; azctx nope 2>/dev/full || code; azctx '' 2>/dev/full || code; show")
    assert done.lines == ["code 1", "code 1", "[dev]"]
    if shell.name == "bash":  # After `f 2>&-`, zsh 5.9 cannot write to its own standard output.
        assert shell.run("azctx dev; azctx nope 2>&- || code; show").lines == ["code 1", "[dev]"]


# Other shells


def test_a_shell_in_the_shell_inherits_the_context_and_has_a_previous_one_of_its_own(shell: Shell) -> None:
    inner = shell.folder / "inner"
    inner.write_text(
        TOOLS[shell.name] + LOAD[shell.name] + "azctx; azctx - || code; azctx Prod; azctx -; show; azctx Prod; show\n",
        encoding="ascii",
    )
    nested = f"{' '.join(COMMANDS[shell.name])} inner"
    inside = ["* dev", "  Prod", "code 1", "[dev]", "[Prod]"]
    done = shell.run(f"azctx Prod; azctx dev; {nested}; show; cd azure; azctx -; show")
    assert done == Done([*inside, "[dev]", "[Prod]"], [NO_PREVIOUS], 0)


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_subshell_changes_only_itself(name: str, tmp_path: Path) -> None:
    _installed(name)
    shell = Shell(name, tmp_path, tmp_path / "azure")
    shell.write_names("dev", "Prod")
    assert shell.run("azctx dev; (azctx Prod; show; azctx -; show); show") == Done(["[Prod]", "[dev]", "[dev]"], [], 0)


def test_only_the_previous_context_is_left_in_variables_and_it_is_not_exported(shell: Shell) -> None:
    names = {"bash": "compgen -v", "zsh": "print -rl -- ${(k)parameters}", "fish": "set -n"}[shell.name]
    export_all = {"bash": "set -a", "zsh": "setopt all_export", "fish": ""}[shell.name]
    script = f"{names}; echo ---; azctx; azctx dev; azctx Prod; azctx nope || code; azctx -; {names}; echo ---; env"
    before, after, environment = "\n".join(shell.run(script, before=export_all).lines).split("---")
    # What the shells set by themselves.
    own = {"_", "BASH_LINENO", "BASH_REMATCH", "MATCH", "pipestatus", "signals", "RANDOM"}
    added = set(after.split()) - set(before.split()) - own
    assert {name for name in added if name.startswith(("_", "A"))} == {"AZURE_LOGIN_CONTEXT", "_azctx_previous"}
    assert {name for name in added if name.islower()} <= {"dev", "code", "nope", "_azctx_previous"}
    assert "AZURE_LOGIN_CONTEXT=dev" in environment
    assert "\n_azctx_previous=" not in environment


def test_no_process_is_started(shell: Shell) -> None:
    """Without a PATH, and with no right to start a process, everything still works."""
    script = "azctx; azctx DEV; azctx -u; azctx -; azctx nope || code; azctx"
    hook = shell.folder / "hook"
    load = f"source '{hook}'\n" if shell.name == "fish" else f". '{hook}'\n"
    # Both halves: an empty PATH finds no program, and a program that counts itself would be found in front of it.
    done = shell.run(load + script, load=False, env={"PATH": "/nonexistent"})
    assert done == Done(
        ["  dev", "  Prod", "code 1", "* dev", "  Prod"], [f"azctx: There is no context 'nope'. {LIST}"], 0
    )


# Tab


#: The prompt, with which zsh switches bracketed paste on.
_READY = r"ready> (\x1b\[\?2004h)?$"


def _interactive(shell: Shell, *set_up: str) -> pexpect.spawn[str]:
    quiet = {"bash": ("-i",), "zsh": ("-i",)}[shell.name]
    command, *options = COMMANDS[shell.name]
    terminal = pexpect.spawn(
        command,
        [*options, *quiet],
        cwd=str(shell.folder),
        env={**shell.environment(), "TERM": "dumb", "PS1": "", "INPUTRC": "/dev/null"},
        encoding="utf-8",
        timeout=30,
        echo=False,
    )
    for line in (*set_up, TOOLS[shell.name].strip(), LOAD[shell.name].strip(), "PS1='ready> '"):
        terminal.sendline(line)
    terminal.expect(_READY)
    return terminal


@pytest.mark.parametrize("name", ["bash", "zsh"])
@pytest.mark.parametrize("typed, chosen", [("d", "dev"), ("P", "Prod"), ("p", "Prod"), ("a-b_", "a-b_c.1")])
def test_tab_completes_a_name(name: str, typed: str, chosen: str, tmp_path: Path) -> None:
    _installed(name)
    shell = Shell(name, tmp_path, tmp_path / "azure")
    shell.write_names("dev", "Prod", "a-b_c.1")
    set_up = ("autoload -Uz compinit; compinit -D -u",) if name == "zsh" else ()
    terminal = _interactive(shell, *set_up)
    terminal.send(f"azctx {typed}\t\n")
    terminal.expect(_READY)
    terminal.sendline("show")
    terminal.expect_exact(f"[{chosen}]")
    terminal.sendline("exit")
    terminal.expect(pexpect.EOF)
    terminal.close()


def test_bash_completes_the_first_word_only_and_nothing_that_is_no_name(tmp_path: Path) -> None:
    shell = Shell("bash", tmp_path, tmp_path / "azure")
    shell.write_names("dev", "Prod", "develop")
    drive = (
        'try() { COMP_WORDS=(azctx "$@"); COMP_CWORD=$#; _azctx_complete azctx "${!#}" azctx; '
        'echo "$# ${COMPREPLY[*]-}"; }\n'
        "try ''; try DE; try dev; try x; try '*'; try '$(touch x)'; try dev P; complete -p azctx"
    )
    assert shell.run(drive, before="set -euo pipefail") == Done(
        [
            *("1 dev Prod develop", "1 dev develop", "1 dev develop", "1 ", "1 ", "1 ", "2 "),
            "complete -F _azctx_complete azctx",
        ],
        [],
        0,
    )


def test_fish_completes_names(tmp_path: Path) -> None:
    _installed("fish")
    shell = Shell("fish", tmp_path, tmp_path / "azure")
    shell.write_names("dev", "Prod", "develop")
    (tmp_path / "device").write_text("", encoding="ascii")
    again = LOAD["fish"]
    lines = "'azctx ' 'azctx de' 'azctx p' 'azctx x' 'azctx dev '"
    done = shell.run(f"{again}for line in {lines}; complete -C $line; echo =; end")
    offered = [sorted(part.split()) for part in " ".join(done.lines).split("=")]
    assert offered == [["Prod", "dev", "develop"], ["dev", "develop"], ["Prod"], [], [], []]
    assert done.errors == []


def test_zsh_without_its_completion_system_loads_quietly(tmp_path: Path) -> None:
    _installed("zsh")
    shell = Shell("zsh", tmp_path, tmp_path / "azure")
    shell.write_names("dev")
    terminal = _interactive(shell)
    assert "compdef" not in (terminal.before or "")
    terminal.sendline("azctx dev; show")
    terminal.expect_exact("[dev]")
    terminal.close()


# PowerShell, and all of them


def test_powershell_chooses_lists_returns_and_leaves(tmp_path: Path) -> None:
    if not shutil.which("pwsh"):
        pytest.skip("PowerShell is not installed, and Debian has no package of it")
    (tmp_path / "azure").mkdir()
    (tmp_path / "azure" / "login_contexts").write_bytes(b"dev\r\nProd\n007\n..\na b\n1.0\nlast")
    (tmp_path / "hook.ps1").write_text(script_for("powershell"), encoding="ascii")
    script = """
    Set-StrictMode -Version Latest
    Get-Content hook.ps1 | Out-String | Invoke-Expression
    function show { "[$(if (Test-Path Env:AZURE_LOGIN_CONTEXT) { $env:AZURE_LOGIN_CONTEXT } else { 'none' })]" }
    azctx - 2>&1 | ForEach-Object { "$_" }; azctx DEV; show; azctx prod; show; azctx; azctx -; show; azctx -; show
    azctx --unset; show; azctx -; show; azctx -u; show; azctx 007; show; azctx 1.0; show
    azctx nope 2>&1 | ForEach-Object { "$_" }; $LASTEXITCODE; azctx '' 2>&1 | ForEach-Object { "$_" }; show
    azctx a b 2>&1 | ForEach-Object { "$_" }; $LASTEXITCODE; azctx -h; azctx --help
    try { azctx nope -ErrorAction Stop } catch { 'stopped' }
    (TabExpansion2 'azctx de' 8).CompletionMatches.CompletionText
    """
    done = subprocess.run(
        ["pwsh", "-NoProfile", "-NonInteractive", "-Command", script],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AZURE_CONFIG_DIR": "azure"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        *(NO_PREVIOUS, "[dev]", "[Prod]", "  dev", "* Prod", "  007", "  1.0", "  last", "[dev]", "[Prod]"),
        *("[none]", "[Prod]", "[none]", "[007]", "[1.0]"),
        *(f"azctx: There is no context 'nope'. {LIST}", "1", NO_NAME, "[1.0]"),
        *(USAGE, "2", USAGE, USAGE, "stopped", "dev"),
    ]


def test_powershell_reads_names_as_the_other_shells_do() -> None:
    """By reading: PowerShell is rarely installed where the tests run."""
    text = script_for("powershell")
    # A number that was typed keeps its zeros, an operator without "c" ignores case beyond ASCII, and $ a line end.
    assert "[string] $Name" in text
    assert "$args[" not in text
    assert " -match " not in text
    assert " -notmatch " not in text
    assert "$'" not in text
    # A path is no pattern, and a relative one is that of PowerShell, not of the process.
    assert text.count("-LiteralPath $file") == 2
    assert "[IO.File]" not in text
    assert all(text.count(opening) == text.count(closing) for opening, closing in ("{}", "()", "[]"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_shell_has_the_same_messages_in_ascii(name: str) -> None:
    text = script_for(name)
    assert text.isascii()
    assert "\r" not in text
    for message in ("That is not a name of a context.", "This shell has no previous context.", LIST, NO_CONTEXT, USAGE):
        assert message in text
    assert max(map(len, text.splitlines())) <= 120
