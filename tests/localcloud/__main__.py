"""`python -m tests.localcloud`: run the local cloud in the foreground and tell the user how to use it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from tests.localcloud.azurestack import STACK_APP, STACK_SECRET
from tests.localcloud.seed import CI_APP, CI_SECRET
from tests.localcloud.server import LocalCloud


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.localcloud", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on loopback; 0 takes a free one (default)")
    parser.add_argument("--state-dir", type=Path, help="keep the generated CA here between runs")
    parser.add_argument("--tenants", type=int, default=0, metavar="N", help="generate N more tenants")
    parser.add_argument("--subscriptions", type=int, default=0, metavar="M", help="with M subscriptions each")
    parser.add_argument("--latency", type=int, default=0, metavar="MS", help="delay every request, milliseconds")
    parser.add_argument("--ready-file", type=Path, help="write url, port, ca_bundle, ... as JSON when ready")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    return parser.parse_args()


def _write_ready(path: Path, cloud: LocalCloud) -> None:
    """Atomically, and readable by the owner only: the admin key is in it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    data = {
        "url": cloud.url,
        "port": cloud.port,
        "ca_bundle": str(cloud.ca_bundle),
        "identity_url": cloud.identity_url,
        "admin_key": cloud.admin_key,
        "pid": os.getpid(),
    }
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(data, out)
    os.replace(draft, path)


def _introduction(cloud: LocalCloud) -> str:
    lines = [
        f"Local cloud at {cloud.url}",
        f"  CA certificate  {cloud.ca_bundle}",
        f"  admin key       {cloud.admin_key}",
        "",
        "Users (user name, password, what for):",
    ]
    for user in cloud.directory.users:
        lines.append(f"  {user.username:<24} {user.password}")
        lines.append(f"  {'':<24}   {user.note}")
    lines += [
        "",
        "Service principal ci-app (tenants contoso.example and fabrikam.example):",
        f"  client id {CI_APP}   secret {CI_SECRET}",
        "",
        "Use it with az, in a shell of its own:",
        "  export AZURE_CONFIG_DIR=$(mktemp -d)",
        f"  export REQUESTS_CA_BUNDLE={cloud.ca_bundle}",
        "  az config set core.instance_discovery=false",
        f"  az cloud register -n LocalCloud --endpoint-resource-manager {cloud.url}",
        "  az cloud set -n LocalCloud",
        "  az login                      # the browser has to accept the CA certificate above",
        "  az login --use-device-code",
        f"  az login --service-principal -u {CI_APP} \\",
        f'           "-p={CI_SECRET}" --tenant contoso.example',
        f"  export AZURE_POD_IDENTITY_AUTHORITY_HOST={cloud.identity_url}",
        "  az login --identity           # a managed identity, as that shell sees it",
        "",
        "Azure Stack with AD FS, on the same server:",
        f"  az cloud register -n AzureStack --endpoint-resource-manager {cloud.azure_stack.url}",
        "  az cloud set -n AzureStack",
    ]
    for user in cloud.azure_stack.directory.users:
        lines.append(f"  az login -u {user.username} -p {user.password}")
    lines += [
        f"  az login --service-principal -u {STACK_APP} -p {STACK_SECRET} \\",
        f"           --tenant {cloud.azure_stack.directory.tenants[0].id}",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    args = _arguments()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with LocalCloud(args.tenants, args.subscriptions, args.latency, args.port, args.state_dir) as cloud:
        if not args.quiet:
            print(_introduction(cloud), flush=True)
        if args.ready_file:
            _write_ready(args.ready_file, cloud)
        done.wait()
    if args.ready_file:
        args.ready_file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
