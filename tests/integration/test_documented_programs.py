"""The code blocks of docs/programs.rst: `az-token`, and the programs that get their tokens from it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.az import Az
from tests.harness.environments import KUBECTL, in_ci
from tests.harness.kubernetes import AUDIENCE, POD, Cluster, running_cluster
from tests.integration.documentation import bash, block, code, installed, run_program
from tests.integration.token_cache_files import claims_of
from tests.localcloud import LocalCloud
from tests.users import ALICE

_INSTALL, _UNINSTALL = "az account token-helper install", "az account token-helper uninstall"
_GIT = 'git config --global credential.https://dev.azure.com.helper ""'
_DIRENV = "echo 'eval \"$(az-token --format bash --min-validity 30m)\"' > .envrc"
_CURL = (
    "az-token --format header | curl --silent --fail --header @- "
    '"https://management.azure.com/subscriptions?api-version=2022-12-01"'
)

#: First lines of the blocks of commands that are tested here.
TESTED = {_INSTALL, _UNINSTALL, _GIT, _DIRENV, _CURL}

_DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798"


@pytest.fixture
def az(signed_in: Az) -> Az:
    """`az` with alice signed in, the usual directory of programs on PATH, and the programs of the system."""
    path = f"{signed_in.config_dir}/home/.local/bin:{signed_in.host.bin}:/usr/bin:/bin"
    return signed_in.with_env(PATH=path, CURL_CA_BUNDLE=signed_in.ca_bundle)


@pytest.fixture
def with_helper(az: Az) -> Az:
    """The same, with `az-token` installed."""
    az.run("account", "token-helper", "install").ok()
    return az


def test_the_program_is_installed_used_and_removed(az: Az) -> None:
    shown = bash(az, block(_INSTALL))
    launcher = az.config_dir / "home" / ".local" / "bin" / "az-token"
    assert str(launcher) in shown
    assert "ready" in shown
    bash(az, block(_UNINSTALL))
    assert not launcher.exists()


# kubectl


@pytest.fixture
def cluster(cloud: LocalCloud, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose users are those of alice's home tenant."""
    tenant = cloud.directory.tenant("contoso.example").id
    with running_cluster(cloud, tenant, tmp_path) as running:
        yield running


def _users(version: str = "v1", *, resource: str = AUDIENCE) -> dict[str, Any]:
    """Return the users of the kubeconfig in the documentation."""
    text = code("yaml", "users:").replace("client.authentication.k8s.io/v1", f"client.authentication.k8s.io/{version}")
    users: dict[str, Any] = yaml.safe_load(text.replace(AUDIENCE, resource))
    return users


def _kubectls() -> list[Any]:
    """Return the versions of kubectl to test, each with a version of its question to credential plug-ins."""
    cases = [pytest.param(str(KUBECTL), "v1beta1", id="Debian 12")]
    other = shutil.which("kubectl")
    return [*cases, *(pytest.param(other, version, id=f"on PATH, {version}") for version in ("v1beta1", "v1") if other)]


def _get_pods(az: Az, kubectl: str, kubeconfig: str) -> subprocess.CompletedProcess[str]:
    if not Path(kubectl).is_file():
        missing = "Debian's kubectl is missing: python3 tests/harness/environments.py kubectl"
        if in_ci():
            pytest.fail(missing)
        pytest.skip(missing)
    file = az.config_dir / "kubeconfig"
    file.write_text(kubeconfig, encoding="utf-8")
    return run_program(az, kubectl, "--kubeconfig", str(file), "get", "pods")


@pytest.mark.parametrize("kubectl, version", _kubectls())
def test_kubectl_lists_pods(with_helper: Az, cluster: Cluster, kubectl: str, version: str) -> None:
    done = _get_pods(with_helper, kubectl, cluster.kubeconfig(_users(version)))
    assert done.returncode == 0, done.stderr
    header, pod = done.stdout.splitlines()
    assert header.split() == ["NAME", "READY", "STATUS"]
    assert pod.split() == [POD, "1/1", "Running"]
    assert cluster.requests
    assert {user for _, user in cluster.requests} == {ALICE}
    assert cluster.refusals == []


def test_the_cluster_refuses_a_token_for_another_service(with_helper: Az, cluster: Cluster) -> None:
    """What makes the test above mean something."""
    users = _users("v1beta1", resource="https://management.localcloud.example/")
    assert _get_pods(with_helper, str(KUBECTL), cluster.kubeconfig(users)).returncode != 0
    assert cluster.requests == []
    assert set(cluster.refusals) == {"Audience doesn't match"}


def test_kubectl_shows_why_there_is_no_token(with_helper: Az, cluster: Cluster) -> None:
    with_helper.run("logout").ok()
    done = _get_pods(with_helper, str(KUBECTL), cluster.kubeconfig(_users("v1beta1")))
    assert done.returncode != 0
    assert "az login" in done.stderr
    assert cluster.requests == []


# git


def test_git_signs_in_to_azure_devops(with_helper: Az) -> None:
    az = with_helper
    installed("git")
    # As on a computer that has one already.
    bash(az, ["git config --global credential.helper store"])
    bash(az, block(_GIT))
    asked = "protocol=https\nhost=dev.azure.com\nusername=azure-cli\n\n"
    answer = run_program(az, "git", "credential", "fill", stdin=asked, GIT_TERMINAL_PROMPT="0")
    assert answer.returncode == 0, answer.stderr
    credential = dict(line.split("=", 1) for line in answer.stdout.splitlines())
    assert claims_of(credential["password"])["aud"] == _DEVOPS
    # What git does after the sign-in has worked, or has not.
    for verb in ("approve", "reject"):
        assert run_program(az, "git", "credential", verb, stdin=answer.stdout).returncode == 0
    assert not (az.config_dir / "home" / ".git-credentials").exists()
    # The helper is not used for other hosts.
    other = "protocol=https\nhost=example.com\n\n"
    assert "password=" not in run_program(az, "git", "credential", "fill", stdin=other, GIT_TERMINAL_PROMPT="0").stdout


# direnv


def test_direnv_sets_a_token_for_a_directory(with_helper: Az) -> None:
    installed("direnv")
    (with_helper.config_dir / "project").mkdir()
    # What the line of direnv in ~/.bashrc runs before each prompt.
    enter, leave = ['cd project; eval "$(direnv export bash)"'], ['cd ..; eval "$(direnv export bash)"']
    show = 'echo "[${AZURE_ACCESS_TOKEN-none}]"'
    output = bash(with_helper, ["cd project", *block(_DIRENV), "cd ..", *enter, show, *leave, show])
    inside, outside = output.splitlines()
    assert claims_of(inside.strip("[]"))["unique_name"] == ALICE
    assert outside == "[none]"


# curl


def test_curl_sends_the_header(with_helper: Az, cloud: LocalCloud) -> None:
    installed("curl")
    # `management.azure.com` is where the public cloud's Resource Manager is.
    (line,) = [each.replace("https://management.localcloud.example", cloud.url) for each in block(_CURL)]
    rows = json.loads(bash(with_helper, [line]))["value"]
    assert "Contoso Production" in {row["displayName"] for row in rows}
