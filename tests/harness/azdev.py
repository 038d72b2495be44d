"""Run the rules of azdev's linter, which Azure CLI extensions are held to, over the installed wheel.

`make azdev-lint`, in an environment of its own: azdev brings a hundred packages, and versions that clash with
ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.harness import wheel
from tests.harness.environments import HOSTS, newest_version
from tests.harness.hosts import Host

# azdev fetches this file from the network unless a checkout of azure-cli has it. It serves the one rule that
# we leave out: test coverage, which knows azure-cli's own way to write tests and no other.
_COVERAGE_PATTERNS = "\n".join(
    f"{name}: ''"
    for name in (
        *("CMD_PATTERN", "QUO_PATTERN", "END_PATTERN"),
        *("DOCS_END_PATTERN", "NOT_END_PATTERN", "NUMBER_SIGN_PATTERN"),
    )
)


def main() -> int:
    """Lint, print azdev's report, and return 1 if a rule of medium or high severity is broken."""
    environment = HOSTS / "azdev"
    host = Host("azdev", newest_version(), environment / "bin" / "az")
    with tempfile.TemporaryDirectory(prefix="login-azdev-") as folder:
        home = Path(folder)
        extensions = home / "extensions"
        extensions.mkdir()
        wheel.install(wheel.build(home / "dist"), host, extensions, home / "scratch")
        patterns = home / "cli" / "scripts" / "ci" / "cmdcov.yml"
        patterns.parent.mkdir(parents=True)
        patterns.write_text(_COVERAGE_PATTERNS, encoding="utf-8")
        done = subprocess.run(
            [
                *(str(host.bin / "azdev"), "linter", "login", "--include-whl-extensions"),
                *("--min-severity", "medium"),
                *("--rule-types", "params", "commands", "command_groups", "help_entries"),
            ],
            env={
                "PATH": f"{host.bin}{os.pathsep}{os.environ['PATH']}",
                "VIRTUAL_ENV": str(environment),
                "HOME": folder,
                "LANG": "C.UTF-8",
                "PYTHONUNBUFFERED": "1",  # its results and its progress go to two streams, read in order here
                "AZDEV_CONFIG_DIR": str(home / "azdev"),
                "AZDEV_CLI_REPO_PATH": str(home / "cli"),
                "AZDEV_EXT_REPO_PATHS": str(home / "cli"),
                "AZURE_CONFIG_DIR": str(home / "azure"),
                "AZURE_EXTENSION_DIR": str(extensions),
                "AZURE_CORE_COLLECT_TELEMETRY": "no",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    # After its own rules azdev runs pylint with a configuration that only `azdev setup` writes, and fails
    # without it. ruff is our linter for Python, so the verdict is that of the rules.
    rules = done.stdout.partition("Run custom pylint rules")[0]
    print(rules.rstrip())
    return 0 if "No violations found" in rules else 1


if __name__ == "__main__":
    sys.exit(main())
