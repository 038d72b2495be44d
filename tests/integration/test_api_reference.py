"""docs/api-reference.rst is what the docstrings have, and each example in it runs in a real command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from azext_login import api, testing
from tests import reference
from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.integration.plugins import with_extensions_folder
from tests.integration.workloads import guarded
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE

EXAMPLES = list(reference.examples())
IN_TESTS = [example for example in EXAMPLES if example[0].startswith("azext_login.testing.")]
IN_COMMANDS = [example for example in EXAMPLES if example not in IN_TESTS]

# An extension with one command, which runs the file that a variable names.
_EXTENSION = """
import logging, os
from azure.cli.core import AzCommandsLoader

class Loader(AzCommandsLoader):
    def load_command_table(self, args):
        from azure.cli.core.commands import CliCommandType
        with self.command_group("example", CliCommandType(operations_tmpl="azext_example#{}")) as group:
            group.command("run", "run")
        return self.command_table

COMMAND_LOADER_CLS = Loader

def run(cmd):
    from azext_login import api
    names = dict(cmd=cmd, api=api, logger=logging.getLogger("example"))
    with open(os.environ["EXAMPLE"]) as file:
        exec(compile(file.read(), "example", "exec"), names)
    return sorted(names)
"""


@pytest.fixture
def az(make_az: Callable[..., Az], workload_cloud: LocalCloud) -> Az:
    """An `az` with alice signed in, beside an extension that runs examples."""
    made = with_extensions_folder(guarded(make_az(cloud=workload_cloud)))
    assert made.extension_dir is not None
    package = made.extension_dir / "example" / "azext_example"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_EXTENSION, encoding="utf-8")
    (package / "azext_metadata.json").write_text(json.dumps({}), encoding="utf-8")
    info = package.parent / "example-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0.0\n", encoding="utf-8")
    sign_in(made, workload_cloud, ALICE).ok()
    return made


def test_the_page_is_what_the_docstrings_have() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run: python -m tests.reference"


def test_the_page_has_every_public_name_and_each_is_explained() -> None:
    page = reference.page()
    for module in reference.MODULES:
        for name in module.__all__:
            assert f"\n{name}\n{'~' * len(name)}\n" in page, name


def test_the_main_functions_have_examples() -> None:
    about = {name.rpartition(".")[2] for name, _ in EXAMPLES}
    assert about >= {"get_credential", "get_token", "current", "accounts", "select", "sign_in", "sign_out"}


@pytest.mark.parametrize("about, code", IN_TESTS, ids=[name for name, _ in IN_TESTS])
def test_an_example_for_tests_runs(about: str, code: str) -> None:
    exec(compile(code, about, "exec"), {**vars(testing), "api": api})


@pytest.mark.parametrize("about, code", IN_COMMANDS, ids=[name for name, _ in IN_COMMANDS])
def test_an_example_runs(az: Az, tmp_path: Path, workload_cloud: LocalCloud, about: str, code: str) -> None:
    example = tmp_path / "example.py"
    example.write_text(code.replace("contoso.com", "contoso.example"), encoding="utf-8")
    tenant = workload_cloud.directory.tenant("contoso.example").id
    env = {"EXAMPLE": str(example), "APP_ID": CI_APP, "APP_SECRET": CI_SECRET, "TENANT_ID": tenant}
    az.run("example", "run", env=env, timeout=180).ok()
