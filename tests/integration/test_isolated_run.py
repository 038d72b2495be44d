"""`az account context run --isolated` gives a command a config directory of its own, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.launchers import Process
from tests.harness.other_user import NOBODY, require_superuser
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage
from tests.harness.waiting import until
from tests.integration.context_runs import GROUP, PYTHON, add_context, row_of
from tests.integration.workloads import PASSPHRASE, Certificates, SignIn, write_pem
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, OSCAR

if sys.platform == "win32":
    pytest.skip("files and signals of POSIX systems", allow_module_level=True)

_ACCOUNTS = {"alice": ALICE, "bob": BOB, "oscar": OSCAR, "ci": CI_APP}
_RUN = (*GROUP, "--isolated")
_UNTOUCHED = (
    "azureProfile.json", "clouds.config", "config", "msal_token_cache.json", "service_principal_entries.json",
    "login_last_good.json",
)  # fmt: skip

# Prints path -> mode and content (Latin-1, so any byte) of every file of the config directory, and the environment.
_DUMP = """
import json, os
folder = os.environ["AZURE_CONFIG_DIR"]
found = {"": [os.stat(folder).st_mode, ""]}
for base, folders, files in os.walk(folder):
    for name in folders + files:
        path = os.path.join(base, name)
        content = open(path, encoding="latin-1").read() if name in files else ""
        found[os.path.relpath(path, folder)] = [os.stat(path).st_mode, content]
print(json.dumps([found, dict(os.environ)]))
"""
_WAIT = "import os, sys; print(os.environ['AZURE_CONFIG_DIR'], os.getpid(), flush=True); sys.stdin.read()"


@pytest.fixture(scope="module")
def _config(cloud_stage: CloudStage, newest: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("several") / "azure")
    _sign_in_all(az, cloud_stage.cloud)
    return az.config_dir


def _sign_in_all(az: Az, cloud: LocalCloud) -> None:
    for name in (OSCAR, BOB, ALICE):
        sign_in(az, cloud, name).ok()
    az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example").ok()
    for context, account in _ACCOUNTS.items():
        add_context(az, context, account)


@pytest.fixture
def several(_config: Path, az: Az) -> Az:
    """`az` with three users and a service principal, and a context for each."""
    shutil.copytree(_config, az.config_dir, dirs_exist_ok=True)
    return az


@pytest.fixture(params=["newest", "oldest"])
def each(request: pytest.FixtureRequest, make_az: Callable[..., Az], _config: Path) -> Az:
    """The same on each host."""
    host: Host = request.getfixturevalue(request.param)
    az = make_az(host=host)
    shutil.copytree(_config, az.config_dir, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*Index.json"))
    return az


def _runs(az: Az) -> list[str]:
    folder = az.config_dir / "login_runs"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _files(az: Az) -> dict[str, bytes]:
    return {name: (az.config_dir / name).read_bytes() for name in _UNTOUCHED if (az.config_dir / name).exists()}


def _dump(az: Az, *options: str) -> tuple[dict[str, tuple[int, str]], dict[str, str]]:
    files, environ = az.run(*_RUN, *options, "--", *PYTHON, _DUMP).ok().json()
    return files, environ


def _shell(script: str) -> tuple[str, ...]:
    return ("--", "/bin/sh", "-c", script)


@pytest.mark.parametrize("context", _ACCOUNTS)
def test_the_directory_has_that_account_alone(several: Az, context: str) -> None:
    own = _ACCOUNTS[context]
    cache = json.loads((several.config_dir / "msal_token_cache.json").read_text(encoding="utf-8"))
    homes = {entry["home_account_id"] for entry in cache["Account"].values() if entry["username"] == own}
    foreign = {name for name in _ACCOUNTS.values() if name != own} | {"rows of another account"}
    kept: set[str] = set()
    for section in ("AccessToken", "RefreshToken", "IdToken", "Account"):
        for entry in cache[section].values():
            is_own = entry.get("home_account_id") in homes or (own == CI_APP and entry.get("client_id") == CI_APP)
            texts = {str(entry[key]) for key in ("secret", "home_account_id") if entry.get(key)}
            (kept if is_own else foreign).update(texts)
    if own != CI_APP:
        foreign.add(CI_SECRET)
    files, environ = _dump(several, "--from", context)
    everything = "\n".join(content for _, content in files.values())
    assert not [text for text in foreign - kept if text in everything]
    assert all(text in everything for text in kept)
    words = "\n".join(f"{name}={value}" for name, value in environ.items())
    assert not [text for text in (*kept, CI_SECRET) if text in words]


def test_only_this_user_can_read_the_directory(several: Az) -> None:
    for options in ((), ("--from", "ci")):
        files = _dump(several, *options)[0]
        for path, (mode, _) in files.items():
            assert stat.S_IMODE(mode) == (0o700 if stat.S_ISDIR(mode) else 0o600), path
    assert stat.S_IMODE((several.config_dir / "login_runs").stat().st_mode) == 0o700


def test_the_environment_leads_to_the_directory_and_to_no_choice(several: Az) -> None:
    az = several.with_env(AZURE_LOGIN_ACCOUNT=BOB, AZURE_LOGIN_SUBSCRIPTION="none", AZURE_LOGIN_CONTEXT="bob")
    environ = _dump(az, "--from", "alice")[1]
    assert Path(environ["AZURE_CONFIG_DIR"]).parent == several.config_dir / "login_runs"
    assert environ["AZURE_EXTENSION_DIR"] == str(several.extension_dir)
    assert environ["AZURE_CORE_ENCRYPT_TOKEN_CACHE"] == "false"
    assert environ["AZURE_CORE_COLLECT_TELEMETRY"] == "false"
    assert not [name for name in environ if name.startswith("AZURE_LOGIN_")]


@pytest.mark.parametrize("context", _ACCOUNTS)
def test_the_account_works_there_and_nothing_changes_elsewhere(each: Az, context: str) -> None:
    before = _files(each)
    row = row_of(each, _ACCOUNTS[context])
    script = (
        "az account show --query '[user.name, id]' -o tsv && az account list --query '[].user.name' -o tsv && "
        "az account get-access-token --query subscription -o tsv && az group list --query 'length(@)' && "
        "az account get-access-token --resource-type ms-graph --query tokenType -o tsv && az cloud show --query name"
    )
    done = each.run(*_RUN, "--from", context, *_shell(script), timeout=240).ok()
    lines = done.stdout.split()
    assert lines[:2] == [row["user"]["name"], row["id"]]
    assert set(lines[2:-4]) - {row["id"]} == {row["user"]["name"]}
    assert lines[-2:] == ["Bearer", '"LocalCloud"']
    assert _files(each) == before
    assert _runs(each) == []


def test_without_from_no_account_is_signed_in(each: Az) -> None:
    script = "az account list 2>/dev/null; az account show; echo $?"
    done = each.run(*_RUN, *_shell(script), timeout=240)
    assert done.stdout.split() == ["[]", "1"]
    assert "az login" in done.stderr
    files = "\n".join(content for _, content in _dump(each)[0].values())
    assert not [name for name in (*_ACCOUNTS.values(), "LocalCloud") if name in files]


def test_changes_are_lost(several: Az) -> None:
    before = _files(several)
    script = (
        "az logout && az config set core.output=table --only-show-errors && az cloud set -n AzureCloud && "
        "az account clear"
    )
    several.run(*_RUN, "--from", "alice", *_shell(script), timeout=180).ok()
    assert _files(several) == before
    assert several.run("account", "show").ok().json()["user"]["name"] == CI_APP


def test_a_file_of_the_directory_does_not_count(several: Az) -> None:
    project = several.config_dir / "home" / "project"
    project.mkdir(parents=True)
    (project / ".azure-context").write_text("bob\n", encoding="utf-8")
    for env in ({}, {"AZURE_LOGIN_DIRECTORY_CONTEXTS": "on"}):
        run = (*_RUN, "--from", "alice", *_shell("az account show"))
        shown = several.run(*run, cwd=project, env=env, timeout=120).ok()
        assert (shown.json()["user"]["name"], shown.stderr) == (ALICE, "")


def test_a_variable_for_another_cloud_does_not_hide_the_sign_in(several: Az) -> None:
    script = "az account show --query '[user.name, environmentName]' -o tsv"
    az = several.with_env(AZURE_CLOUD_NAME="AzureCloud")
    assert az.run(*_RUN, "--from", "alice", *_shell(script)).ok().stdout.split() == [ALICE, "LocalCloud"]
    # Without a sign-in, there is none to hide.
    assert az.run(*_RUN, *_shell("echo $AZURE_CLOUD_NAME")).ok().stdout == "AzureCloud\n"


def test_twenty_jobs_at_once_keep_to_their_accounts(several: Az) -> None:
    before = _files(several)
    script = (
        "az account show --query user.name -o tsv && az account list --query '[].user.name' -o tsv | sort -u && "
        "az account get-access-token --query accessToken -o tsv"
    )
    az = several.with_env(PATH=f"{several.host.search_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    contexts = [list(_ACCOUNTS)[number % len(_ACCOUNTS)] for number in range(20)]
    started = [az.start(*_RUN, "--from", context, *_shell(script)) for context in contexts]
    for context, process in zip(contexts, started, strict=True):
        done = az.result(process, "run", timeout=280).ok()
        own, others, token = done.stdout.split()
        assert (own, others) == (_ACCOUNTS[context], _ACCOUNTS[context])
        assert _subject_of(token) == _ACCOUNTS[context]
    assert _runs(several) == []
    assert _files(several) == before


def _subject_of(token: str) -> str:
    from tests.integration.token_cache_files import claims_of

    claims = claims_of(token)
    return str(claims.get("upn") or claims.get("unique_name") or claims["appid"]).rpartition("#")[2]


@pytest.mark.parametrize("code", [0, 1, 2, 3, 42, 255])
def test_the_exit_code_is_that_of_the_command(each: Az, code: int) -> None:
    done = each.run(*_RUN, *_shell(f"echo out; echo err >&2; exit {code}"))
    assert (done.exit_code, done.stdout, done.stderr) == (code, "out\n", "err\n")
    assert _runs(each) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_exit_code_names_the_signal_that_ended_the_command(each: Az, number: signal.Signals) -> None:
    done = each.run(*_RUN, *_shell(f"kill -{number.value} $$"))
    assert (done.exit_code, done.stderr) == (128 + number, "")
    assert _runs(each) == []


def test_a_program_that_is_missing_leaves_nothing(several: Az) -> None:
    assert (
        "'no-such-program' was not found"
        in several.run(*_RUN, "--from", "ci", "--", "no-such-program").failed(127).stderr
    )
    assert _runs(several) == []


def test_options_that_do_not_go_together_are_refused(several: Az) -> None:
    for options, text in (
        (("--isolated", "--context", "dev"), "write --from in place of --context"),
        (("--from", "dev"), "--from is only applicable with --isolated"),
        (("--isolated", "--from", "dev", "--context", "dev"), "write --from"),
    ):
        assert text in several.run(*GROUP, *options, "--", "true").failed(2).stderr
    assert "There is no context named 'prod'" in several.run(*_RUN, "--from", "prod", "--", "true").failed(3).stderr


def test_a_context_whose_account_is_signed_out_is_one_error(several: Az) -> None:
    several.run("logout", "--username", BOB).ok()
    refused = several.run(*_RUN, "--from", "bob", *_shell("echo no")).failed()
    assert BOB in refused.stderr
    assert "az login" in refused.stderr
    assert (refused.stdout, _runs(several)) == ("", [])


def _start(az: Az, *options: str) -> tuple[Process, Path, int]:
    """Start a command that waits for the end of its standard input; return its config directory and process ID too."""
    process = az.start(*_RUN, *options, "--", *PYTHON, _WAIT)
    assert process.stdout
    folder, _, number = process.stdout.readline().strip().rpartition(" ")
    return process, Path(folder), int(number)


def test_sigterm_is_passed_on_before_the_directory_is_removed(each: Az) -> None:
    process, folder, _ = _start(each, "--from", "ci")
    assert folder.is_dir()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert _runs(each) == []


def test_ctrl_c_is_for_the_command_and_the_directory_is_removed(several: Az) -> None:
    program = "import time\ntry:\n    print('ready', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: exit(7)"
    terminal = several.pty(*_RUN, "--from", "alice", "--", *PYTHON, program)
    terminal.expect("ready")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert (terminal.exitstatus, terminal.signalstatus) == (7, None)
    assert _runs(several) == []


def test_ctrl_c_after_the_command_does_not_keep_the_directory(several: Az) -> None:
    script = "trap '' INT; cd $AZURE_CONFIG_DIR; seq 30000 | xargs touch; echo re''ady; exit 5"
    az = several.with_env(PATH=f"{several.host.search_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    terminal = az.pty(*_RUN, "--from", "alice", *_shell(script))
    terminal.expect("ready")
    for _ in range(20):
        terminal.sendintr()
        terminal.expect([r"\^C", pexpect.EOF, pexpect.TIMEOUT], timeout=1)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert _runs(several) == []
    assert (terminal.exitstatus, terminal.signalstatus) == (5, None)


def test_after_kill_9_the_directory_stays_while_the_command_runs(several: Az) -> None:
    process, folder, number = _start(several.real(), "--from", "alice")
    try:
        process.kill()
        process.wait(30)
        several.run(*_RUN, *_shell("exit 0")).ok()
        several.run("account", "list").ok()
        assert (folder / "msal_token_cache.json").exists()
    finally:
        os.kill(number, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{number}").exists() or "Z" in Path(f"/proc/{number}/stat").read_text().split()[2])
    several.run(*_RUN, *_shell("exit 0")).ok()
    assert _runs(several) == []


def test_account_clear_removes_what_a_killed_run_has_left(several: Az) -> None:
    process, folder, number = _start(several.real(), "--from", "alice")
    os.kill(process.pid, signal.SIGKILL)
    os.kill(number, signal.SIGKILL)
    process.wait(30)
    assert folder.exists()
    until(lambda: several.run("account", "clear").ok() and not folder.exists())
    assert _runs(several) == []


def test_what_the_command_leaves_is_removed(several: Az) -> None:
    script = (
        "cd $AZURE_CONFIG_DIR && mkdir -p a/b/c && echo x > a/b/c/file && ln -s /etc a/b/link && "
        "ln -s missing broken && "
        "chmod 400 a/b/c/file && chmod 500 a/b/c && chmod 000 a/b && mkfifo pipe"
    )
    from tests.harness.restricted import without_privileges

    az = several.with_env(PATH=f"{several.host.search_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert without_privileges(az).run(*_RUN, *_shell(script)).ok().stderr == ""
    assert _runs(several) == []
    # The directory itself, and the file of its lock, may be gone already.
    az.run(*_RUN, *_shell("rm -r $AZURE_CONFIG_DIR $AZURE_CONFIG_DIR.lock")).ok()
    assert _runs(several) == []


def test_nothing_is_removed_from_a_file_system_that_the_command_has_mounted(several: Az, tmp_path: Path) -> None:
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only the superuser can mount")
    az = several.with_env(PATH=f"{several.host.search_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    (tmp_path / "mine" / "folder").mkdir(parents=True)
    file = tmp_path / "mine" / "folder" / "file"
    file.write_text("mine", encoding="utf-8")
    for place in ("a", "b/c/d", "."):
        script = (
            f"cd $AZURE_CONFIG_DIR && mkdir -p {place} && mount --bind {tmp_path / 'mine'} $PWD/{place} && pwd; exit 3"
        )
        done = az.run(*_RUN, "--from", "alice", *_shell(script))
        if not done.stdout:
            pytest.skip("a file system cannot be mounted here")
        folder = Path(done.stdout.strip())
        subprocess.run(["umount", folder / place], check=True)
        assert f"{folder} could not be removed completely: A file system is mounted in it" in done.stderr
        assert done.exit_code == 3
        assert file.read_text(encoding="utf-8") == "mine"
        # Everything else has been removed, above all the tokens.
        assert place == "." or not (folder / "msal_token_cache.json").exists()
        az.run(*_RUN, *_shell("exit 0")).ok()
        assert _runs(several) == []


def test_a_process_that_the_command_has_left_does_not_keep_the_directory(several: Az) -> None:
    az = several.with_env(PATH=f"{several.host.search_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    script = (
        "cd $AZURE_CONFIG_DIR; for n in 1 2 3; do "
        "(while echo > $n && mkdir -p d$n && echo > d$n/file; do rm -r $n d$n; done) > /dev/null 2>&1 & done; sleep 0.3"
    )
    for _ in range(5):
        assert az.run(*_RUN, "--from", "alice", *_shell(script)).ok().stderr == ""
        assert _runs(several) == []


def test_any_depth_of_directories_is_removed(several: Az) -> None:
    program = (
        "import os; os.chdir(os.environ['AZURE_CONFIG_DIR']); [(os.mkdir('d'), os.chdir('d')) for _ in range(3000)]"
    )
    try:
        assert several.run(*_RUN, "--", *PYTHON, program).ok().stderr == ""
        assert _runs(several) == []
    finally:
        # Python, and so pytest, cannot remove them.
        subprocess.run(["rm", "-rf", several.config_dir / "login_runs"], check=True)


def test_other_files_in_the_directory_of_the_runs_stay(several: Az) -> None:
    folder = several.config_dir / "login_runs"
    folder.mkdir()
    (folder / "notes").write_text("mine", encoding="utf-8")
    several.run(*_RUN, *_shell("exit 0")).ok()
    assert _runs(several) == ["notes"]


def test_a_link_in_place_of_the_directory_of_the_runs_is_refused(several: Az, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    old = target / ("0" * 16)
    old.mkdir(parents=True)
    (several.config_dir / "login_runs").symlink_to(target)
    refused = several.run(*_RUN, "--from", "alice", *_shell("echo no")).failed()
    assert "symbolic link" in refused.stderr
    assert refused.stdout == ""
    assert list(target.iterdir()) == [old]
    # That is no directory of a run, and does not stop the command.
    several.run("account", "clear")
    assert list(target.iterdir()) == [old]


def test_a_link_in_place_of_the_directory_of_one_run_is_removed_itself(several: Az, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "file").write_text("mine", encoding="utf-8")
    folder = several.config_dir / "login_runs"
    folder.mkdir()
    (folder / ("0" * 16)).symlink_to(target)
    assert several.run(*_RUN, *_shell("exit 0")).ok().stderr == ""
    assert (target / "file").read_text(encoding="utf-8") == "mine"
    assert _runs(several) == []


def test_a_directory_of_another_user_is_refused(several: Az) -> None:
    require_superuser()
    folder = several.config_dir / "login_runs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    refused = several.run(*_RUN, "--from", "alice", *_shell("echo no")).failed()
    assert "belongs to another user" in refused.stderr
    assert (refused.stdout, _runs(several)) == ("", [])


def test_a_config_directory_that_others_can_write_to_is_refused(several: Az) -> None:
    several.config_dir.chmod(0o777)
    refused = several.run(*_RUN, "--from", "alice", *_shell("echo no")).failed()
    assert "Other users can write to" in refused.stderr
    assert "chmod go-w" in refused.stderr
    assert refused.stdout == ""


def test_the_key_that_is_stored_for_a_certificate_is_copied(
    workload_az: Az, workload_cloud: LocalCloud, certificates: Certificates, tmp_path: Path
) -> None:
    file = write_pem(tmp_path / "c.pem", certificates.registered, passphrase=PASSPHRASE)
    words = ("--certificate", str(file), "--password=@-", "--store-decrypted-key")
    SignIn(words, PASSPHRASE).run(workload_az).ok()
    add_context(workload_az, "ci", CI_APP)
    files, environ = _dump(workload_az, "--from", "ci")
    (entry,) = json.loads(files["service_principal_entries.json"][1])
    copy = Path(entry["certificate"]).relative_to(environ["AZURE_CONFIG_DIR"])
    assert stat.S_IMODE(files[str(copy)][0]) == 0o600
    stored = workload_az.config_dir / "login_certificates"
    # The copy is used, and not the file that it was made from.
    script = f"mv {stored} {stored}.moved && az account get-access-token --force-refresh --query tokenType"
    az = workload_az.with_env(PATH=f"{workload_az.host.search_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert az.run(*_RUN, "--from", "ci", *_shell(script), timeout=120).ok().json() == "Bearer"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libsecret is the keyring of Linux")
def test_a_sign_in_whose_tokens_are_encrypted_is_copied_in_plain_files(
    make_az: Callable[..., Az], cloud: LocalCloud, keyring: dict[str, str]
) -> None:
    az = make_az().with_env(**{**keyring, "AZURE_CORE_ENCRYPT_TOKEN_CACHE": "true"})
    for name in (BOB, ALICE):
        sign_in(az, cloud, name).ok()
    add_context(az, "bob", BOB)
    script = "az account get-access-token --query accessToken -o tsv && az account show --query user.name -o tsv"
    token, name = az.run(*_RUN, "--from", "bob", *_shell(script), timeout=120).ok().stdout.split()
    assert (_subject_of(token), name) == (BOB, BOB)
    files = _dump(az, "--from", "bob")[0]
    assert BOB in files["msal_token_cache.json"][1]
    assert ALICE not in files["msal_token_cache.json"][1]
    # The keyring still has both.
    assert az.run("account", "get-access-token", "--username", ALICE).ok()
