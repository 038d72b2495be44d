"""Run a case on one side: prepare its start state once, copy it, run the commands, look at what is left."""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.launchers import Launcher
from tests.harness.stage import CloudStage, Stage
from tests.localcloud import LocalCloud
from tests.parity.case import Case, Step, parse
from tests.parity.observe import Observation, Said, look_at_files, normal_text
from tests.parity.states import STATES
from tests.parity.surroundings import Surroundings
from tests.parity.visitor import Visitor, browser_command, run, run_sign_in
from tests.users import ADAM

#: Without it, a mistyped command goes and looks for an extension on the network.
_NO_DYNAMIC_INSTALL = "\n[extension]\nuse_dynamic_install = no\n"


class Suite:
    """One host, one local cloud and a folder: everything that a case needs. Safe to use from many threads.

    launcher: what starts `az`, on both sides.
    """

    def __init__(self, host: Host, cloud: LocalCloud, stage: Stage, folder: Path, launcher: Launcher) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.host = host
        self.cloud = cloud
        self._stage = stage
        self._folder = folder
        self._cloud_stage = CloudStage(stage, cloud, host, folder / "cloud", launcher)
        self._surroundings = Surroundings(cloud, folder / "surroundings")
        self._states = {name: threading.Lock() for name in STATES}
        self._count = 0
        self._counting = threading.Lock()

    def observe(self, case: Case, *, extension: bool) -> Observation:
        """Run `case` on one side, in a new config directory that is removed afterwards."""
        with self._counting:
            self._count += 1
            folder = self._folder / f"run{self._count}"
        shutil.copytree(self.prepare(case.state), folder)
        try:
            steps = case.steps(builtin_side=not extension)
            said = self._run_steps(case, steps, folder, extension=extension)
            return Observation(tuple(said), look_at_files(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def prepare(self, name: str) -> Path:
        """Return the config directory of a start state, made by the built-in commands. Copy it, don't use it."""
        state = STATES[name]
        with self._states[name]:
            folder = self._folder / f"state-{name}"
            if folder.exists():
                return folder
            draft = self._folder / f"draft-{name}"
            if state.after:
                shutil.copytree(self.prepare(state.after), draft)
            else:
                az = self._cloud_stage.az(self.host, draft, extension=False)
                with open(az.config_dir / "config", "a", encoding="utf-8") as config:
                    config.write(_NO_DYNAMIC_INSTALL)
            if state.line:
                case = Case(state.line, user=state.user, machine=state.machine)
                for said in self._run_steps(case, parse(state.line), draft, extension=False):
                    assert said.exit_code == 0, f"the state '{name}' could not be prepared:\n{said}"
            if state.edit:
                state.edit(draft)
            if state.cloud:
                state.cloud(self.cloud.admin)
            return draft.rename(folder)

    def _run_steps(self, case: Case, steps: tuple[Step, ...], folder: Path, *, extension: bool) -> list[Said]:
        work = folder / "work"
        work.mkdir(exist_ok=True)
        for name, content in case.files.items():
            path = work / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(self._surroundings.fill(content), encoding="utf-8")
        said = []
        with self._surroundings.environment(case.machine) as machine:
            case = replace(case, env={**machine, **case.env})
            for step in steps:
                extended = extension and not step.builtin
                self._put_command_index(folder, extension=extended)
                said.append(self._run_step(case, step, folder, work, extension=extended))
        return said

    def _put_command_index(self, folder: Path, *, extension: bool) -> None:
        """Give the CLI the index of commands that fits: building it anew takes seconds."""
        for path in self._stage.warm_config(self.host, extension, every_command=extension).glob("*Index.json"):
            shutil.copy(path, folder / path.name)

    def _run_step(self, case: Case, step: Step, folder: Path, work: Path, *, extension: bool) -> Said:
        az = Az(
            self.host,
            folder,
            extension_dir=self._stage.extension_dir(self.host) if extension else None,
            ca_bundle=Path(self.cloud.ca_bundle),
            launcher=self._cloud_stage.launcher,
        )
        env, address = dict(case.env), None
        if case.browser:
            env["BROWSER"], address = browser_command(work)
        args = tuple(self._surroundings.fill(arg) for arg in step.args)
        began = time.monotonic()
        if step.is_sign_in:
            code, out, err = run_sign_in(
                az,
                args,
                visitor=self._visitor(case),
                cwd=work,
                env=env,
                address=address,
                stdin=case.stdin or "",
            )
            if address:
                address.unlink(missing_ok=True)
        else:
            code, out, err = run(az, args, cwd=work, env=env, stdin=case.stdin or "")
        seconds = time.monotonic() - began
        if args and os.fspath(folder) in " ".join(args):
            args = tuple(arg.replace(str(folder), "<config directory>") for arg in args)
        said = Said(args, code, out, err, seconds)
        return replace(said, stdout=normal_text_unless_json(out, folder), stderr=normal_text(err, folder))

    def _visitor(self, case: Case) -> Visitor | None:
        if case.user is None:
            return None
        cloud = self.cloud.azure_stack if case.user == ADAM else self.cloud
        user = cloud.directory.user(case.user)
        return Visitor(user.username, user.password, Path(self.cloud.ca_bundle), declines=case.declines)


def normal_text_unless_json(text: str, folder: Path) -> str:
    """Return standard output ready to compare. JSON keeps its tokens: it is compared by structure later."""
    if text.lstrip()[:1] in ("{", "["):
        return text.replace(str(folder), "<config directory>")
    return normal_text(text, folder)
