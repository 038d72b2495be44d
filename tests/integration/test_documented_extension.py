"""docs/extension-authors.rst, followed literally: from an empty directory to an extension that signs in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.environments import in_ci
from tests.harness.stage import Stage
from tests.harness.vault import KEY, Vault, running_vault
from tests.harness.wheel import VAULTLOGIN, install, without_package_index
from tests.integration.documentation import ROOT, block
from tests.integration.workloads import POD, guarded
from tests.localcloud import CI_APP, LocalCloud

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are written for bash")

_PAGE = (ROOT / "docs" / "extension-authors.rst").read_text(encoding="utf-8")
_STEP = re.compile(
    r"^(?P<before>.*(?:\n.+)*)\n\n\.\. code-block:: (?P<language>\w+)\n\n(?P<text>(?:   .*\n|\n)+)", re.MULTILINE
)
_FILE = re.compile(r"this into\s+``([\w./]+)``:\Z")

_SET_UP = "mkdir -p vaultlogin/azext_vaultlogin && cd vaultlogin"
_LOCAL_CLOUD = "python -m tests.localcloud --ready-file cloud.json &"

#: First lines of the blocks of commands that are tested here.
TESTED = {
    _SET_UP,
    'PYTHONPATH="$(az extension show --name login --query path --output tsv)" python -m pytest',
    "python -m build --wheel --no-isolation",
    'az login --service-principal --username "$APP_ID" --tenant "$TENANT_ID" --credential-source vault '
    '--source-arg address="$VAULT_ADDR" role=deploy',
    'az account list --query "[].name" --output tsv',
    _LOCAL_CLOUD,
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A block of the page: a file to write, or commands to run."""

    file: str | None
    text: str


def _steps() -> list[Step]:
    steps = []
    for found in _STEP.finditer(_PAGE):
        lines = [line[3:] for line in found["text"].rstrip("\n").split("\n")]
        file = _FILE.search(found["before"])
        if found["language"] == "console":
            assert file is None
            steps.append(Step(None, "\n".join(line.removeprefix("$ ") for line in lines)))
        else:
            assert file, f"The page does not tell which file this is: {lines[0]}"
            steps.append(Step(file[1], "\n".join(lines) + "\n"))
    assert len(steps) == _PAGE.count(".. code-block::")
    return steps


def test_the_files_of_the_page_are_those_of_the_sample() -> None:
    shown = {step.file: step.text for step in _steps() if step.file}
    sample = {
        str(path.relative_to(VAULTLOGIN)): path.read_text(encoding="utf-8")
        for path in VAULTLOGIN.rglob("*")
        if path.is_file() and path.suffix in (".py", ".json")
    }
    assert shown == sample


@pytest.fixture
def vault(tmp_path: Path, workload_cloud: LocalCloud) -> Iterator[Vault]:
    """A Vault whose identity tokens ci-app trusts."""
    with running_vault(tmp_path, lambda: workload_cloud.admin.issue_assertion(POD)) as running:
        yield running


@pytest.fixture
def author(make_az: Callable[..., Az], stage: Stage, workload_cloud: LocalCloud, vault: Vault, tmp_path: Path) -> Az:
    """The `az` of an author who has installed the `login` extension, beside the Python of this test."""
    az = guarded(make_az(cloud=workload_cloud, warm=False)).real()
    az = replace(az, extension_dir=tmp_path / "extensions", secrets=(*az.secrets, KEY))
    install(stage.wheel(), az.host, tmp_path / "extensions", tmp_path / "scratch")
    # The Python of this test has an `az` beside it that is not complete.
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o700)
    (az.config_dir / "home").mkdir()
    (az.config_dir / "home" / ".vault-token").write_text(KEY, encoding="utf-8")
    return az.with_env(
        PATH=f"{python.parent}:{az.host.bin}:/usr/bin:/bin",
        SSL_CERT_FILE=vault.ca_file,
        VAULT_ADDR=vault.address,
        APP_ID=CI_APP,
        TENANT_ID=workload_cloud.directory.tenant("contoso.example").id,
        PYTHONDONTWRITEBYTECODE="1",
    )


def _run(script: str, folder: Path, env: Mapping[str, str]) -> str:
    """Run commands in a shell that begins in `folder`, and return their output."""
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_page_leads_from_an_empty_directory_to_a_working_source(author: Az, vault: Vault, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    folder, outputs = empty, {}
    env = author.environment(without_package_index())
    for step in _steps():
        first_line = step.text.split("\n")[0]
        if step.file:
            (folder / step.file).write_text(step.text, encoding="utf-8")
        elif first_line != _LOCAL_CLOUD:
            *lines, place = _run(f"{step.text}\npwd", folder, env).splitlines()
            folder, outputs[first_line] = Path(place), "\n".join(lines)
    tested, signed_in, changed = (
        next(output for line, output in outputs.items() if line.startswith(words))
        for words in ("PYTHONPATH=", "az login", "az account list")
    )
    assert re.search(r"\b1[5-9] passed", tested)
    assert "failed" not in tested
    assert "skipped" not in tested
    assert vault.roles == ["deploy"]
    assert json.loads(signed_in[signed_in.rindex('[\n  "app') :]) == ["app", "network"]
    assert json.loads(changed[changed.index("[") :])[-1] == {
        "event": "azext_login.SubscriptionChanged",
        "account": CI_APP,
    }


def test_the_recipe_for_the_local_cloud(author: Az, tmp_path: Path) -> None:
    for name in ("curl", "jq"):
        if subprocess.run(["which", name], capture_output=True, check=False).returncode:
            if in_ci():
                pytest.fail(f"{name} is not installed")
            pytest.skip(f"{name} is not installed")
    output = _run("\n".join(block(_LOCAL_CLOUD)), tmp_path, author.environment({"PYTHONPATH": str(ROOT)}))
    assert "az cloud register" in output
    issued = json.loads(output[output.rindex('{"result"') :])["result"]
    assert issued.count(".") == 2
