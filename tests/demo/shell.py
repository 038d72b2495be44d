"""`make demo-shell`: the user's own shell, with the local cloud running and the extension installed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from tests.demo.setting import setting
from tests.harness.wheel import without_package_index

_LINES = """
Users in the local cloud (password in the second column):

{users}

Try:

  az login -u {first} -p {password}
  az login --use-device-code
  az account list --output table
  az account set --subscription 'Contoso Development'
  az account get-access-token --query expiresOn --output tsv
  az account status --output table
  az group list --output table
  az account context create --name prod --subscription 'Contoso Production'
  az account context run --context prod -- az account show --query name --output tsv
  az account token-helper install --to . && ./az-token --format header | cut -c 1-40
  az account serve-tokens -- env | grep IDENTITY_ENDPOINT
  az login --tenant fabrikam.example -u {first} -p {password}
  az logout

Before you run `az login` with a browser on this computer, let the browser trust {ca}
The shell is in an empty directory. Leave with `exit`: the cloud stops, and the directory and everything that `az` has
stored are removed.
"""


def shell() -> None:
    """Open the shell, and wait for it to end."""
    with (
        setting() as (cloud, terminal),
        tempfile.TemporaryDirectory(prefix="login-demo-", ignore_cleanup_errors=True) as folder,
    ):
        users = cloud.directory.users
        listed = "\n".join(f"  {p.username:<24} {p.password:<34} {p.note}" for p in users)
        print(
            _LINES.format(users=listed, first=users[0].username, password=users[0].password, ca=cloud.ca_bundle),
            flush=True,
        )
        bin_dir = terminal.az.host.bin
        wanted = terminal.az.environment()
        ours = ("AZURE_CONFIG_DIR", "AZURE_EXTENSION_DIR", "REQUESTS_CA_BUNDLE", "AZURE_CORE_COLLECT_TELEMETRY")
        environment = {**os.environ, **{name: wanted[name] for name in ours}}
        environment["PATH"] = f"{bin_dir}{os.pathsep}{environment.get('PATH', '')}"
        # The local cloud is on loopback: no proxy of the user's own environment leads there.
        environment["NO_PROXY"] = ",".join(filter(None, (os.environ.get("NO_PROXY"), wanted["NO_PROXY"])))
        # pip would look at the certificate of PyPI with the bundle of the local cloud.
        environment.update(without_package_index())
        # The exit code of the shell is that of the user's last command, and not a failure of ours.
        command = _command(os.environ.get("SHELL") or "/bin/sh", bin_dir, Path(folder))
        # Python looks for modules in the working directory first. In the clone, `az` would load what is there, and not
        # what is installed.
        work = Path(folder) / "work"
        work.mkdir()
        subprocess.run(command, env=environment, cwd=work)


def _command(program: str, bin_dir: Path, folder: Path) -> list[str]:
    """Return the command that starts `program`.

    A start-up file may put another `az` first in PATH again, so bash gets one of its own, which is read last.
    """
    if Path(program).name != "bash":
        return [program]
    rc = folder / "bashrc"
    rc.write_text(f'[ -r ~/.bashrc ] && . ~/.bashrc\nPATH="{bin_dir}:$PATH"\nPS1="(demo) $PS1"\n', encoding="utf-8")
    return [program, "--rcfile", str(rc)]
