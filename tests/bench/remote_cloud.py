"""A local cloud in a process of its own, so that it does not share a processor's time with what is measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.stage import Stage
from tests.localcloud.requestlog import LoggedRequest


class RemoteCloud:
    """A local cloud with generated tenants. Use as a context manager.

    folder: a new one, for its files.
    subscriptions: in each of the tenants.
    port: 0 for a free one.
    """

    def __init__(
        self, folder: Path, *, tenants: int, subscriptions: int, page_size: int | None = None, port: int = 0
    ) -> None:
        folder.mkdir(parents=True)
        ready = folder / "ready.json"
        command = [sys.executable, "-m", "tests.localcloud", "--quiet", "--ready-file", str(ready)]
        command += ["--tenants", str(tenants), "--subscriptions", str(subscriptions), "--port", str(port)]
        self._process = subprocess.Popen([*command, "--state-dir", str(folder / "state")])
        deadline = time.monotonic() + 120
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the local cloud did not start")
            time.sleep(0.1)
        self._ready: dict[str, Any] = json.loads(ready.read_text(encoding="utf-8"))
        self.url: str = self._ready["url"]
        self.ca_bundle = Path(self._ready["ca_bundle"])
        self.identity_url: str = self._ready["identity_url"]
        if page_size:
            self.call("page_size", size=page_size)

    def call(self, operation: str, **arguments: Any) -> Any:
        """Run an operation of the local cloud's administrator."""
        answer = requests.post(
            f"{self.url}/admin/{operation}",
            json=arguments,
            headers={"X-Admin-Key": self._ready["admin_key"]},
            verify=str(self.ca_bundle),
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()["result"]

    def requests(self) -> list[LoggedRequest]:
        """Return what was asked since the last `clear_requests`, oldest first."""
        return [LoggedRequest(**row) for row in self.call("requests")]

    def az(self, stage: Stage, config_dir: Path, *, extension: bool) -> Az:
        """Return the newest `az`, with a new config directory that knows this cloud and nothing else."""
        host = hosts.newest()
        shutil.copytree(stage.warm_config(host, extension), config_dir)
        extension_dir = stage.extension_dir(host) if extension else None
        az = Az(host, config_dir, extension_dir=extension_dir, ca_bundle=self.ca_bundle)
        az.run("cloud", "register", "-n", "LocalCloud", "--endpoint-resource-manager", self.url).ok()
        az.run("cloud", "set", "-n", "LocalCloud").ok()
        az.run("config", "set", "core.instance_discovery=false").ok()
        return az

    def __enter__(self) -> RemoteCloud:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
