"""Set the stage once per session: the wheel, hosts with the extension, config directories to copy.

Everything on the stage is made under a file lock and marked when it is complete, so that the workers of a
parallel test run share one folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from tests.harness import wheel
from tests.harness.az import Az, secrets_of
from tests.harness.environments import ROOT
from tests.harness.hosts import Host
from tests.harness.launchers import REAL, Launcher
from tests.harness.wheel import SAMPLE

if TYPE_CHECKING:
    from tests.localcloud import LocalCloud

#: What the CLI calls the local cloud.
CLOUD_NAME = "LocalCloud"
#: The files that determine which cloud the CLI uses.
_CLOUD_FILES = ("config", "clouds.config")


class Stage:
    """What is shared by all tests of a session, in one folder.

    root: the sources that the wheel is built from.
    """

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self.folder = folder
        self._root = root
        folder.mkdir(parents=True, exist_ok=True)

    def wheel(self) -> Path:
        """Return the wheel, built from the sources as they are now."""
        (built,) = self._once("wheel", partial(wheel.build, root=self._root)).glob("*.whl")
        return built

    def sample_wheel(self, source: Path = SAMPLE) -> Path:
        """Return the wheel of another extension, whose setup.py is in `source`."""
        (built,) = self._once(f"{source.name}-wheel", lambda folder: wheel.build_sample(folder, source)).glob("*.whl")
        return built

    def extension_dir(self, host: Host) -> Path:
        """Return a folder with the extension in it, installed with `host`'s own `az extension add`."""

        def add(folder: Path) -> None:
            wheel.install(self.wheel(), host, folder, self._scratch(f"add-{host.name}"))

        return self._once(f"extension-{host.name}", add)

    def extension_dir_with_sample(self, host: Host, source: Path = SAMPLE, *, first: bool = False) -> Path:
        """Return a folder with the extension and another one in it, whose setup.py is in `source`.

        first: the other one is installed before ours.
        """

        def add_other(folder: Path) -> None:
            wheel.install(self.sample_wheel(source), host, folder, self._scratch(f"{source.name}-{host.name}"))

        def add(folder: Path) -> None:
            if first:
                add_other(folder)
                wheel.install(self.wheel(), host, folder, self._scratch(f"after-{source.name}-{host.name}"))
            else:
                shutil.copytree(self.extension_dir(host), folder, dirs_exist_ok=True)
                add_other(folder)

        order = "before" if first else "beside"
        return self._once(f"{source.name}-{order}-{host.name}", add)

    def warm_config(self, host: Host, extension: bool, *, every_command: bool = False) -> Path:
        """Return a config directory with nothing but the CLI's index of commands, which takes seconds.

        every_command: the index lists the extension for every command, as it does once an account is signed in.
        """
        env = {"AZURE_LOGIN_EVERY_COMMAND": "on"} if every_command else {}

        def warm(folder: Path) -> None:
            self._az(host, folder, extension).run("account", "list", env=env, timeout=180)
            shutil.rmtree(folder / "home", ignore_errors=True)

        kind = ("everywhere" if every_command else "extension") if extension else "stock"
        return self._once(f"config-{host.name}-{kind}", warm)

    def _az(self, host: Host, config_dir: Path, extension: bool) -> Az:
        return Az(host, config_dir, extension_dir=self.extension_dir(host) if extension else None)

    def _scratch(self, name: str) -> Path:
        folder = self.folder / f"scratch-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    def _once(self, name: str, make: Callable[[Path], object]) -> Path:
        folder, done = self.folder / name, self.folder / f"{name}.done"
        with FileLock(self.folder / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder


class CloudStage:
    """One local cloud, and `az` in config directories that know it.

    The CLI is told about the cloud with the commands that a user would run. That is done once, on `host`,
    in `folder`; every config directory after it is a copy.

    launcher: what starts every `az` that comes from here.
    """

    def __init__(self, stage: Stage, cloud: LocalCloud, host: Host, folder: Path, launcher: Launcher = REAL) -> None:
        self.stage = stage
        self.cloud = cloud
        self.launcher = launcher
        self._folder = folder
        shutil.copytree(stage.warm_config(host, extension=False), folder)
        az = Az(host, folder, ca_bundle=cloud.ca_bundle, launcher=launcher)
        az.run("cloud", "register", "-n", CLOUD_NAME, "--endpoint-resource-manager", cloud.url).ok()
        az.run("cloud", "set", "-n", CLOUD_NAME).ok()
        az.run("config", "set", "core.instance_discovery=false").ok()

    def az(
        self,
        host: Host,
        config_dir: Path,
        *,
        extension: bool = True,
        warm: bool = True,
        cloud: LocalCloud | None = None,
    ) -> Az:
        """Return an `az` on `host`, with a new config directory at `config_dir`.

        warm: start with the index of commands, so that the first command is as fast as the others. Otherwise
        the
            directory knows the cloud and nothing else, as on a new machine.
        cloud: another cloud than the one of this stage.
        """
        target = cloud or self.cloud
        if warm:
            shutil.copytree(self.stage.warm_config(host, extension), config_dir)
        else:
            config_dir.mkdir(parents=True)
        for name in _CLOUD_FILES:
            text = (self._folder / name).read_text(encoding="utf-8")
            (config_dir / name).write_text(text.replace(self.cloud.url, target.url), encoding="utf-8")
        return Az(
            host,
            config_dir,
            extension_dir=self.stage.extension_dir(host) if extension else None,
            ca_bundle=Path(target.ca_bundle),
            secrets=secrets_of(user.password for user in target.directory.users),
            launcher=self.launcher,
        )
