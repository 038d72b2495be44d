"""Commands leave the same behind whether the executable runs or a forked stand-in: texts, exit codes and files."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tests.harness.hosts import Host
from tests.harness.launchers import REAL
from tests.harness.stage import Stage
from tests.localcloud import LocalCloud
from tests.parity.case import Case
from tests.parity.cases import CASES
from tests.parity.observe import Observation, normal_json
from tests.parity.run import Suite

#: Of every kind a few: sign-ins with and without a browser, reading, choosing, tokens, signing out, refusals, help.
_CASES = [case for case in CASES if case.fast][::3]
_CODE = re.compile(r"(?<=enter the code )\S+")


@pytest.fixture(scope="session")
def real_suite(newest: Host, shared_cloud: LocalCloud, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The newest host, whose executable runs for every command."""
    return Suite(newest, shared_cloud, stage, tmp_path_factory.mktemp("parity-real"), REAL)


def comparable(observation: Observation) -> Observation:
    """Return an observation without what two runs never have in common: seconds, tokens to the letter, device codes."""
    said = []
    for each in observation.said:
        stdout = each.stdout
        if stdout.lstrip()[:1] in ("{", "["):
            stdout = str(normal_json(json.loads(stdout)))
        said.append(replace(each, seconds=0, stdout=stdout, stderr=_CODE.sub("<device code>", each.stderr)))
    return replace(observation, said=tuple(said))


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in _CASES])
def test_the_stand_in_leaves_what_the_executable_leaves(case: Case, suite: Suite, real_suite: Suite) -> None:
    forked = comparable(suite.observe(case, extension=True))
    assert forked == comparable(real_suite.observe(case, extension=True))
