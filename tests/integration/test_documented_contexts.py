"""The code blocks of docs/contexts.rst, run as they are written there, with the programs that they are about."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml

from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage
from tests.integration.documentation import bash, block, code, code_blocks, installed
from tests.localcloud import CI_APP, GITHUB_SUBJECT, LocalCloud
from tests.users import ALICE, BOB

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the blocks are written for bash")

CONTEXT = "AZURE_LOGIN_CONTEXT"

_CREATE = 'az account context create --name prod --subscription "Contoso Production"'
_CHANGE = 'az account context update --name dev --subscription "Contoso Development"'
_SWITCH, _PIN, _ALLOW = "azctx prod", "cd infrastructure", "cd cloned-repository"
_RUN = "az account context run --context dev -- az group list --output table"
_ISOLATED = "az account context run --isolated -- az account list"
_DIRENV = "echo 'export AZURE_LOGIN_CONTEXT=prod' >> .envrc"
_TMUX = "tmux new-session -d -s production -e AZURE_LOGIN_CONTEXT=prod"
_TMUX_CONF = "echo 'set-option -ga update-environment AZURE_LOGIN_CONTEXT' >> ~/.tmux.conf"
_TERRAFORM = "terraform workspace select prod"

#: First lines of the blocks of commands that are tested here.
TESTED = {
    _CREATE, _CHANGE, _SWITCH, _PIN, _ALLOW, _RUN, _ISOLATED, _DIRENV, _TMUX, _TMUX_CONF, _TERRAFORM,
}  # fmt: skip

_HOOK, _PROMPT, _TF = 'eval "$(az account context hook', "PS1='${AZURE_LOGIN_CONTEXT", "tf() ("

#: Language -> how the blocks begin that are tested here.
CODE = {
    "bash": [_HOOK, _PROMPT, _TF],
    "zsh": [_HOOK],
    "fish": ["az account context hook"],
    "powershell": ["az account context hook"],
}

_DEVELOPMENT, _PRODUCTION, _SHARED = "Contoso Development", "Contoso Production", "Shared Platform"
_SHOW = "az account show --query name --output tsv"
_EXPRESSION = re.compile(r"\$\{\{ vars\.(\w+) \}\}")


@pytest.fixture(scope="module")
def _config(cloud_stage: CloudStage, newest: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("contexts") / "azure")
    for name in (BOB, ALICE):
        sign_in(az, cloud_stage.cloud, name).ok()
    az.run("account", "set", "--subscription", _DEVELOPMENT).ok()
    bash(_with_programs(az), block(_CREATE))
    return az.config_dir


def _with_programs(az: Az) -> Az:
    return az.with_env(PATH=f"{az.host.bin}:/usr/bin:/bin")


@pytest.fixture
def az(_config: Path, make_az: Callable[..., Az]) -> Az:
    """`az` with alice and bob signed in and with the contexts of the page. The stored default is that of `dev`."""
    made = make_az()
    shutil.copytree(_config, made.config_dir, dirs_exist_ok=True)
    return _with_programs(made)


def _run(az: Az, *command: str, cwd: Path | None = None, **env: str) -> str:
    """Run a program, which has to succeed, and return its output."""
    done = subprocess.run(
        command,
        env=az.environment(env),
        cwd=cwd or az.config_dir,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def test_contexts_are_created_and_listed(az: Az) -> None:
    rows = az.run("account", "context", "list").ok().json()
    assert [(row["name"], row["subscriptionName"], row["account"]) for row in rows] == [
        ("dev", _DEVELOPMENT, ALICE),
        ("prod", _PRODUCTION, ALICE),
        ("shared", _SHARED, BOB),
    ]
    table = az.run("account", "context", "list", "--output", "table").ok().stdout
    assert all(name in table for name in ("dev", "prod", "shared"))


def test_contexts_are_changed_used_and_deleted(az: Az) -> None:
    az.run("account", "context", "update", "--name", "dev", "--subscription", _PRODUCTION).ok()
    assert "development\nContoso Development\n" in bash(az, block(_CHANGE)).replace("\t", "\n")
    assert bash(az, [_SHOW]) == f"{_PRODUCTION}\n"
    names = [row["name"] for row in az.run("account", "context", "list").ok().json()]
    assert names == ["prod", "shared"]


def test_what_decides_is_what_the_list_of_the_page_has_first(az: Az) -> None:
    """From the last one to the first: each takes precedence over those before."""
    directory = az.config_dir / "directory"
    directory.mkdir()

    def shown(*options: str, **env: str) -> str:
        return str(az.run("account", "show", *options, cwd=directory, env=env).ok().json()["name"])

    assert shown() == _DEVELOPMENT
    az.run("account", "context", "pin", "--name", "prod", cwd=directory).ok()
    assert shown() == _PRODUCTION
    assert shown(**{CONTEXT: "shared"}) == _SHARED
    assert shown(**{CONTEXT: "shared", "AZURE_LOGIN_SUBSCRIPTION": _PRODUCTION}) == _PRODUCTION
    assert shown(**{CONTEXT: "shared", "AZURE_LOGIN_ACCOUNT": ALICE}) == _DEVELOPMENT
    options = ("--subscription", _SHARED)
    assert shown(*options, **{CONTEXT: "dev", "AZURE_LOGIN_SUBSCRIPTION": _PRODUCTION}) == _SHARED


# Shells

_SHELLS = {"bash": ("bash", "--norc", "-c"), "zsh": ("zsh", "-f", "-c"), "fish": ("fish", "--no-config", "-c")}


@pytest.mark.parametrize("shell", _SHELLS)
def test_a_shell_switches_between_contexts(az: Az, shell: str) -> None:
    installed(shell)
    begins = CODE[shell][0]
    lines = [code(shell, begins), *block(_SWITCH), 'echo "[$AZURE_LOGIN_CONTEXT]"']
    output = _run(az, *_SHELLS[shell], "\n".join(lines))
    assert output == f"{_PRODUCTION}\n{_SHARED}\n  dev\n* prod\n  shared\n[]\n"


def test_powershell_switches_between_contexts(az: Az) -> None:
    pwsh = installed("pwsh")
    program = "\n".join([code("powershell", CODE["powershell"][0]), *block(_SWITCH), '"[$env:AZURE_LOGIN_CONTEXT]"'])
    output = _run(az, pwsh, "-NoProfile", "-Command", program)
    assert output == f"{_PRODUCTION}\n{_SHARED}\n  dev\n* prod\n  shared\n[]\n"


def test_the_prompt_shows_the_context_of_the_shell(az: Az) -> None:
    program = [code("bash", _HOOK), code("bash", _PROMPT)]
    program += ['echo "${PS1@P}"', "azctx prod", 'echo "${PS1@P}"', "azctx -", 'echo "${PS1@P}"']
    without, with_context, without_again = bash(az, program).splitlines()
    assert with_context == f"[prod] {without}"
    assert without == without_again


# Directories


def test_a_pinned_directory_chooses_for_itself_and_below(az: Az) -> None:
    (az.config_dir / "infrastructure" / "network").mkdir(parents=True)
    output = bash(az, [*block(_PIN), "cd network", _SHOW, "cd ../..", _SHOW])
    assert output == f"{_PRODUCTION}\n{_PRODUCTION}\n{_DEVELOPMENT}\n"
    assert (az.config_dir / "infrastructure" / ".azure-context").read_text(encoding="ascii") == "prod\n"


def test_a_cloned_repository_chooses_only_after_it_is_allowed(az: Az) -> None:
    repository = az.config_dir / "cloned-repository"
    repository.mkdir()
    file = repository / ".azure-context"
    file.write_text("prod\n", encoding="ascii")
    warned = az.run("account", "show", cwd=repository).ok()
    assert warned.json()["name"] == _DEVELOPMENT
    assert warned.stderr.count("WARNING") == 1
    assert "az account context allow" in warned.stderr
    assert bash(az, [*block(_ALLOW), _SHOW]) == f"{_PRODUCTION}\n"
    # Another name, and another directory, have to be allowed again.
    file.write_text("shared\n", encoding="ascii")
    assert az.run("account", "show", cwd=repository).ok().json()["name"] == _DEVELOPMENT
    file.write_text("prod\n", encoding="ascii")
    moved = repository.rename(az.config_dir / "moved")
    assert az.run("account", "show", cwd=moved).ok().json()["name"] == _DEVELOPMENT
    moved.rename(repository)
    assert az.run("account", "show", cwd=repository).ok().json()["name"] == _PRODUCTION
    off = az.run("account", "show", cwd=repository, env={"AZURE_LOGIN_DIRECTORY_CONTEXTS": "off"}).ok()
    assert (off.json()["name"], off.stderr) == (_DEVELOPMENT, "")
    az.run("account", "context", "allow", "--revoke", cwd=repository).ok()
    assert file.exists()
    assert az.run("account", "show", cwd=repository).ok().json()["name"] == _DEVELOPMENT


# Commands and jobs


def test_a_command_runs_in_a_context(az: Az) -> None:
    az.run("account", "set", "--subscription", _SHARED).ok()
    output = bash(az, block(_RUN))
    assert "ResourceGroup" in output or "Location" in output
    assert output.endswith(f"\n{_PRODUCTION}\n")
    assert bash(az, [_SHOW]) == f"{_SHARED}\n"


def test_a_command_runs_in_a_directory_of_its_own(az: Az) -> None:
    before = az.profile_path.read_bytes()
    assert bash(az, block(_ISOLATED)) == f"[]\n{_PRODUCTION}\n"
    assert az.profile_path.read_bytes() == before


def test_a_context_survives_the_sign_out_of_its_account(az: Az, cloud: LocalCloud) -> None:
    signed_out = az.run("logout", "--username", BOB).ok()
    assert "shared" in signed_out.stderr
    env = {CONTEXT: "shared"}
    for command in (("account", "show"), ("group", "list"), ("account", "get-access-token")):
        assert "az login" in az.run(*command, env=env).failed().stderr
    sign_in(az, cloud, BOB).ok()
    assert az.run("account", "show", env=env).ok().json()["user"]["name"] == BOB


def test_a_renamed_or_deleted_context_is_an_error_where_its_name_is_left(az: Az) -> None:
    directory = az.config_dir / "infrastructure"
    directory.mkdir()
    bash(az, block(_PIN))
    renamed = az.run("account", "context", "rename", "--name", "prod", "--new-name", "production").ok()
    assert str(directory) in renamed.stderr
    assert "'prod'" in az.run("account", "show", cwd=directory).failed().stderr
    assert "'prod'" in az.run("account", "show", env={CONTEXT: "prod"}).failed().stderr
    az.run("account", "context", "pin", "--name", "production", cwd=directory).ok()
    az.run("account", "context", "delete", "--name", "production", "--yes").ok()
    assert "'production'" in az.run("account", "show", cwd=directory).failed().stderr
    assert _PRODUCTION in {row["name"] for row in az.run("account", "list").ok().json()}


# direnv


def test_direnv_chooses_for_a_directory(az: Az) -> None:
    installed("direnv")
    directory = az.config_dir / "project"
    directory.mkdir()
    # What the line of direnv in ~/.bashrc runs before each prompt.
    enter, leave = ['cd project; eval "$(direnv export bash)"'], ['cd ..; eval "$(direnv export bash)"']
    lines = ["cd project", *block(_DIRENV), "cd ..", *enter, _SHOW, *leave, _SHOW]
    assert bash(az, lines) == f"{_PRODUCTION}\n{_DEVELOPMENT}\n"


# tmux


@pytest.fixture
def tmux(az: Az, tmp_path: Path) -> Iterator[Az]:
    """`az` with a tmux whose sockets are in a directory of its own. Its windows read no profile of a shell."""
    program = installed("tmux")
    sockets = tmp_path / "tmux"
    sockets.mkdir(mode=0o700)
    home = az.config_dir / "home"
    home.mkdir(exist_ok=True)
    (home / ".tmux.conf").write_text("set-option -g default-command '/bin/bash --norc'\n", encoding="utf-8")
    made = az.with_env(TMUX_TMPDIR=sockets, TERM="xterm", SHELL="/bin/bash")
    yield made
    subprocess.run([program, "kill-server"], env=made.environment(), capture_output=True, check=False)


def test_every_window_of_a_tmux_session_is_in_its_context(tmux: Az) -> None:
    create, attach = block(_TMUX)
    bash(tmux, [create])
    terminal = pexpect.spawn(
        "/bin/bash",
        ["--norc", "-c", attach],
        env=tmux.environment(),
        cwd=str(tmux.config_dir),
        dimensions=(24, 100),
        encoding="utf-8",
        timeout=60,
    )
    for window in (1, 2):
        # The quotes keep the line itself from being what is expected.
        terminal.sendline(f"echo window '{window}:'; {_SHOW}; echo 'done' {window}")
        terminal.expect(f"window {window}:")
        terminal.expect_exact(_PRODUCTION)
        terminal.expect(f"done {window}")
        bash(tmux, ["tmux new-window -t production"])
    bash(tmux, ["tmux kill-server"])
    terminal.expect(pexpect.EOF)
    terminal.close()


def _contexts_of_sessions(tmux: Az) -> list[str]:
    """Start the server in the context dev, then sessions in prod and in none. Return what is in their windows."""
    found = []
    for name in ("dev", "prod", ""):
        file = tmux.config_dir / f"in-{name}"
        script = f'echo "[${CONTEXT}]" > {shlex.quote(str(file))}; tmux wait-for -S done-{name}; sleep 60'
        # The server ends with its last session.
        create = ["tmux", "new-session", "-d", "-s", f"session-{name}", script]
        subprocess.run(create, env=tmux.environment({CONTEXT: name or None}), check=True, timeout=60)
        subprocess.run(["tmux", "wait-for", f"done-{name}"], env=tmux.environment(), check=True, timeout=60)
        found.append(file.read_text(encoding="utf-8").strip())
    return found


def test_tmux_gives_sessions_the_context_of_its_server_without_the_line(tmux: Az) -> None:
    assert _contexts_of_sessions(tmux) == ["[dev]", "[dev]", "[dev]"]


def test_tmux_gives_a_session_the_context_of_its_shell_with_the_line(tmux: Az) -> None:
    bash(tmux, block(_TMUX_CONF))
    assert _contexts_of_sessions(tmux) == ["[dev]", "[prod]", "[]"]


# GitHub self-hosted runners


def _start_step(az: Az, step: Mapping[str, str], env: Mapping[str, str], folder: Path) -> subprocess.Popen[str]:
    """Start a step as the runner does: a file with the script, in place of `{0}` in the words of the shell."""
    script = folder / "script.sh"
    script.write_text(step["run"], encoding="utf-8")
    words = [word.replace("{0}", str(script)) for word in step.get("shell", "bash -e {0}").split()]
    return subprocess.Popen(
        words,
        env=az.environment(env),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_jobs_of_self_hosted_runners_run_at_once_on_one_host(
    make_az: Callable[..., Az], own_cloud: LocalCloud, tmp_path: Path
) -> None:
    own_cloud.admin.add_federated_credential("ci-app", "github", GITHUB_SUBJECT)
    az = _with_programs(make_az(cloud=own_cloud))
    sign_in(az, own_cloud, ALICE).ok()
    create = ("account", "context", "create", "--name", "dev", "--subscription")
    az.run(*create, _DEVELOPMENT).ok()
    before = az.profile()
    (text,) = [found for found in code_blocks("yaml") if "self-hosted" in found]
    jobs = yaml.safe_load(text)["jobs"]
    assert {job["runs-on"] for job in jobs.values()} == {"self-hosted"}
    variables = {"AZURE_CLIENT_ID": CI_APP, "AZURE_TENANT_ID": own_cloud.directory.tenant("contoso.example").id}
    started = {}
    for name, job in jobs.items():
        folder = tmp_path / name
        folder.mkdir()
        env = {key: _EXPRESSION.sub(lambda found: variables[found[1]], value) for key, value in job["env"].items()}
        if job.get("permissions", {}).get("id-token") == "write":
            env.update(own_cloud.github_environment())
        (step,) = job["steps"]
        # Which identity it is. The files tell when both are in the middle of their jobs.
        both = "[ -e ../plan/here ] && [ -e ../deploy/here ]"
        meet = f"touch here; timeout 60 bash -c 'until {both}; do sleep 0.05; done'"
        who = "az account show --query user.name --output tsv"
        prepare = _know_the_local_cloud(az) if "shell" in step else ""
        step = {**step, "run": f"{prepare}{step['run'].rstrip()}\n{meet}\n{who}\n"}
        started[name] = _start_step(az, step, env, folder)
    done = {name: (*process.communicate(timeout=120), process.returncode) for name, process in started.items()}
    assert [exit_code for _, _, exit_code in done.values()] == [0, 0], done
    outputs = {name: stdout.splitlines() for name, (stdout, _, _) in done.items()}
    assert outputs["plan"][-1] == ALICE
    assert outputs["deploy"][-1] == CI_APP
    for lines in outputs.values():
        assert any("network" in line for line in lines)
    assert az.profile()["subscriptions"] == before["subscriptions"]
    assert not any((az.config_dir / "login_runs").rglob("azureProfile.json"))


def _know_the_local_cloud(az: Az) -> str:
    """Return a line that registers the local cloud in an empty config directory: it is no cloud of the CLI."""
    files = " ".join(shlex.quote(str(az.config_dir / name)) for name in ("clouds.config", "config"))
    return f'cp {files} "$AZURE_CONFIG_DIR"\n'


# Terraform

# What Terraform does about workspaces, and what its provider azurerm asks `az` for.
_STAND_IN = r"""#!/bin/bash
set -euo pipefail
current=${TF_WORKSPACE:-$(cat .terraform/environment 2>/dev/null || echo default)}
case "$1 ${2-}" in
'workspace show') echo "$current" ;;
'workspace select') mkdir -p .terraform && printf %s "$3" > .terraform/environment ;;
'plan ')
    [ "$(az account show --query id --output tsv)" = "$ARM_SUBSCRIPTION_ID" ]
    az account get-access-token --output json --scope https://management.localcloud.example/.default \
        --subscription "$ARM_SUBSCRIPTION_ID" > /dev/null
    echo "$current: $(az account show --query '[name, user.name]' --output tsv | paste -sd' ')"
    ;;
*) exit 2 ;;
esac
"""

# A provisioner of Terraform's own, in place of a provider that would have to be downloaded.
_MAIN = """
resource "terraform_data" "who" {
  provisioner "local-exec" {
    command = "echo who: $(az account show --query '[name, user.name]' --output tsv | paste -sd' ')"
  }
}
"""


@pytest.fixture
def project(az: Az) -> Path:
    """A directory for Terraform."""
    directory = az.config_dir / "project"
    directory.mkdir()
    return directory


def test_a_terraform_workspace_has_its_context(az: Az, project: Path, tmp_path: Path) -> None:
    """With a program in place of Terraform, which Debian does not have."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "terraform").write_text(_STAND_IN, encoding="utf-8")
    (programs / "terraform").chmod(0o755)
    az = az.with_env(PATH=f"{programs}:{az.environment()['PATH']}")
    lines = ["cd project", code("bash", _TF), *block(_TERRAFORM), "terraform workspace select shared", "tf plan"]
    # A shell can be in a workspace of its own.
    lines += ["TF_WORKSPACE=dev tf plan", f'echo "[${{{CONTEXT}-}}]"']
    assert bash(az, lines).splitlines() == [
        f"prod: {_PRODUCTION} {ALICE}",
        f"shared: {_SHARED} {BOB}",
        f"dev: {_DEVELOPMENT} {ALICE}",
        "[]",
    ]
    refused = _refused(az, project, f"{code('bash', _TF)}\nterraform workspace select nowhere\ntf plan")
    assert "no context of this name" in refused


def _refused(az: Az, directory: Path, script: str) -> str:
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        env=az.environment(),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_terraform_itself_runs_az_in_the_context_of_its_workspace(az: Az, project: Path) -> None:
    terraform = installed("terraform")
    (project / "main.tf").write_text(_MAIN, encoding="utf-8")
    path = f"{az.environment()['PATH']}:{os.path.dirname(terraform)}"
    az = az.with_env(PATH=path, CHECKPOINT_DISABLE="1", TF_INPUT="0")
    select, plan = block(_TERRAFORM)
    assert plan == "tf plan"
    prepare = ["terraform init", "terraform workspace new prod", "terraform workspace new shared"]
    apply = "tf apply -auto-approve -no-color | grep --only-matching ' who: [^$]*$'"
    lines = ["cd project", *[f"{line} > /dev/null" for line in prepare], code("bash", _TF), apply]
    lines += [f"{line} > /dev/null" for line in (select, plan)] + [apply]
    assert bash(az, lines) == f" who: {_SHARED} {BOB}\n who: {_PRODUCTION} {ALICE}\n"
