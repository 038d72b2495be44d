"""What a case is: where it starts, what is typed, who answers the sign-in pages; and how it is written down."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.localcloud import azurestack, seed
from tests.localcloud.directory import Subscription, Tenant
from tests.parity.surroundings import PASSPHRASE, changes_the_cloud, is_known_at_runtime
from tests.users import ADAM, ALICE, BOB, CAROL, DAVE, ERIN, MIA, NINA

_PLACE = re.compile(r"<([a-z][\w.-]*)(?:\|(upper|lower))?>")
_THEN = " && "
#: Before a command that runs without the extension on both sides.
_BUILT_IN = "builtin "


def _places() -> dict[str, str]:
    """Return what may stand in angle brackets in a command line."""
    tenants: dict[str, Tenant] = {
        "contoso": seed.CONTOSO,
        "fabrikam": seed.FABRIKAM,
        "woodgrove": seed.WOODGROVE,
        "tailspin": seed.TAILSPIN,
    }
    subscriptions: dict[str, Subscription] = {
        "production": seed.PRODUCTION,
        "development": seed.DEVELOPMENT,
        "unicode": seed.UNICODE,
        "shared": seed.SHARED,
        "retired": seed.RETIRED,
        "fabrikam-main": seed.FABRIKAM_MAIN,
        "long": seed.LONG,
        "vault": seed.VAULT,
    }
    found = {"alice": ALICE, "bob": BOB, "carol": CAROL, "erin": ERIN, "mia": MIA, "nina": NINA, "dave": DAVE}
    found |= {"ci-app": seed.CI_APP, "ci-secret": seed.CI_SECRET, "passphrase": PASSPHRASE}
    found |= {"stack-app": azurestack.STACK_APP, "stack-secret": azurestack.STACK_SECRET, "adam": ADAM}
    found |= {"stack": azurestack.TENANT.id, "stack.domain": azurestack.TENANT.domains[0]}
    directory = seed.default_directory()
    for application in directory.applications:
        if application.resource_id:
            found[application.name] = application.app_id
            found[f"{application.name}.object"] = application.principals[0].oid
            found[f"{application.name}.resource"] = application.resource_id
    for user in (*directory.users, *azurestack.stack_directory().users):
        found[user.username.partition("@")[0] + ".password"] = user.password
    for key, tenant in tenants.items():
        found |= {key: tenant.id, f"{key}.domain": tenant.domains[0], f"{key}.second-domain": tenant.domains[1]}
    for key, subscription in subscriptions.items():
        found |= {key: subscription.id, f"{key}.name": subscription.name}
    return found


PLACES = _places()


@dataclass(frozen=True)
class Step:
    """One command. `builtin`: without the extension, also on our side."""

    args: tuple[str, ...]
    builtin: bool = False

    @property
    def is_sign_in(self) -> bool:
        """Whether a user may be asked to sign in, in a browser or with a device code."""
        return self.args[:1] == ("login",)

    @property
    def is_help(self) -> bool:
        """Whether the command prints its help."""
        return bool({"-h", "--help"} & set(self.args))


@dataclass(frozen=True)
class Fault:
    """What goes wrong in the cloud while the case runs: arguments of `Admin.fail_next`."""

    path: str
    kind: str
    count: int | None = None
    status: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}{f' {self.status}' if self.status else ''} at {self.path}"


@dataclass(frozen=True)
class Case:
    """One row of the table.

    line: command lines without `az`, joined by ` && `. `<name>` stands for something of the local cloud (see `PLACES`);
        `<name|upper>` for the same in upper case, `<url>` and others for what is known at run time only (see
        `surroundings.Surroundings.fill`). `builtin ` before a command: without the extension on both sides.
    state: where it starts, a key of `states.STATES`.
    builtin_line: what the built-in side runs instead, where it cannot run the same.
    user: who answers the sign-in pages. None: no user does.
    declines: whether that user presses Cancel.
    browser: whether there is a browser. Without one, a sign-in falls back to the device code.
    stdin: what comes in on standard input.
    env: more environment variables.
    files: name to content, created in the working directory. What is in angle brackets is filled in there, too.
    machine: where the commands run, a key of `surroundings.MACHINES`.
    fault: what goes wrong in the cloud meanwhile.
    fast: whether the case is in the part of the suite that every test run includes.
    hosts: which azure-cli it makes sense on, "newest" and "oldest".
    """

    line: str
    state: str = "alice"
    builtin_line: str = ""
    user: str | None = ALICE
    declines: bool = False
    browser: bool = False
    stdin: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    fault: Fault | None = None
    fast: bool = False
    hosts: tuple[str, ...] = ("newest", "oldest")
    note: str = ""

    @property
    def id(self) -> str:
        """The case in one line: unique, and what -k looks at."""
        extras = []
        if self.user != ALICE and any(step.is_sign_in for step in self.steps()):
            extras.append(f"by {self.user.partition('@')[0]}" if self.user else "by no user")
        extras += [word for word, is_so in (("browser", self.browser), ("cancelled", self.declines)) if is_so]
        if self.machine:
            extras.append(f"on {self.machine}")
        extras += [f"{name}={value}" for name, value in self.env.items()]
        if self.fault:
            extras.append(str(self.fault))
        if self.note:
            extras.append(self.note)
        return f"{self.state}: {self.line}" + (f" ({', '.join(extras)})" if extras else "")

    @property
    def has_the_cloud_to_itself(self) -> bool:
        """Whether it changes the cloud, which tests of the fast part share with others."""
        return bool(self.fault) or changes_the_cloud("\n".join((self.line, *self.files.values())))

    def steps(self, *, builtin_side: bool = False) -> tuple[Step, ...]:
        """Return the commands, with everything filled in."""
        return parse(self.builtin_line if builtin_side and self.builtin_line else self.line)


class Quick(str):
    """A command line that belongs to the fast part too."""


def group(*cases: str | Case, **common: object) -> tuple[Case, ...]:
    """Return cases that have something in common: plain lines get `common`, whole cases stay what they are."""
    found = []
    for case in cases:
        if not isinstance(case, Case):
            case = replace(Case(str(case), fast=isinstance(case, Quick)), **common)  # type: ignore[arg-type]
        found.append(case)
    return tuple(found)


def parse(line: str) -> tuple[Step, ...]:
    """Return the commands that a line stands for.

    Words are split before anything is filled in: a name may hold blanks and quotes.

    Raises:
        KeyError: something in angle brackets isn't known.
    """
    steps = []
    for command in line.split(_THEN):
        builtin = command.startswith(_BUILT_IN)
        words = shlex.split(command.removeprefix(_BUILT_IN))
        steps.append(Step(tuple(_PLACE.sub(_fill, word) for word in words), builtin))
    return tuple(steps)


def _fill(match: re.Match[str]) -> str:
    value = match[0] if is_known_at_runtime(match[1]) else PLACES[match[1]]
    return {"upper": value.upper(), "lower": value.lower(), None: value}[match[2]]
