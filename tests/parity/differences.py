"""Where we differ from the built-in commands on purpose: what covers it, how far, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.parity.case import Case
from tests.parity.compare import Finding
from tests.parity.observe import Observation


@dataclass(frozen=True)
class Difference:
    """One deliberate difference.

    builtin, here: what either side does, as reStructuredText for the README.
    reason: why ours is not the same.
    cases: regular expressions; the difference covers a case if one of them is found in its id.
    aspects: what may differ (see `compare.Finding.aspect`). None: only what is said on standard error does.
    here_says: regular expression that our standard error has to contain in every case that is covered.
    hosts: where it applies, "newest" and "oldest".
    """

    id: str
    builtin: str
    here: str
    reason: str
    cases: tuple[str, ...]
    aspects: frozenset[str] = frozenset()
    here_says: str = ""
    hosts: tuple[str, ...] = ("newest", "oldest")

    def covers(self, case: Case, host: str) -> bool:
        """Tell whether this is about `case` on that host."""
        return host in self.hosts and any(re.search(pattern, case.id) for pattern in self.cases)


_TOKENS = ("accounts", "access tokens", "refresh tokens")
_LIST = ("stdout", "rows", "clouds")

DIFFERENCES: tuple[Difference, ...] = (
    # The list of subscriptions.
    Difference(
        "accounts-by-identity",
        builtin="Whoever signs in last takes over the subscriptions that somebody else has signed in to as well, in "
        "every cloud.",
        here="Accounts are told apart by who they are. Both keep their rows, and one of them is in use.",
        reason="a second sign-in is no reason to forget the first",
        cases=("^two_clouds: cloud set -n OtherCloud && login",),
        aspects=frozenset({"rows"}),
    ),
    Difference(
        "refresh-other-clouds",
        builtin="``az account list --refresh`` deletes the subscriptions of all other clouds.",
        here="Only the active cloud is read again; everything else stays.",
        reason="reading one cloud again is no reason to forget another",
        cases=("^two_clouds(_other_active)?: account list --refresh",),
        aspects=frozenset({"rows"}),
    ),
    Difference(
        "refresh-tenant-level",
        builtin="``az account list --refresh`` drops the tenant-level rows of a person with subscriptions elsewhere.",
        here="A tenant-level row stays until its tenant shows real subscriptions.",
        reason="somebody asked for it with --allow-no-subscriptions, and nothing about it has changed",
        cases=("^alice_(everywhere|tenant_level): account list --refresh",),
        aspects=frozenset({*_LIST, "access tokens"}),
    ),
    Difference(
        "refresh-service-principals",
        builtin="``az account list --refresh`` reads only the first tenant of a service principal that is signed in to "
        "two, and loses the subscriptions of the other one.",
        here="Every tenant of every account is read.",
        reason="the subscriptions are still there",
        cases=("^sp_in_two_tenants: account list --refresh",),
        aspects=frozenset({*_LIST, "access tokens"}),
    ),
    Difference(
        "refresh-active",
        builtin="``az account list --refresh`` leaves no subscription active when the active one is shared by two "
        "accounts.",
        here="The active subscription stays active.",
        reason="the next command would fail",
        cases=("^alice_and_bob: account list --refresh",),
        aspects=frozenset(_LIST),
    ),
    Difference(
        "tenant-level-row-replaced",
        builtin='A full sign-in leaves an old "N/A(tenant level account)" row beside the real subscriptions of that '
        "tenant.",
        here="The tenant-level row goes when real ones come.",
        reason="it stands for a tenant without subscriptions, which this one no longer is",
        cases=("^alice_with_old_tenant_row: login",),
        aspects=frozenset({"rows", "stdout"}),
    ),
    Difference(
        "one-table",
        builtin="A sign-in prints a warning of several lines for each tenant that asks for a second factor or refuses.",
        here="One table with a line for each: the tenant, what happened, and what to run.",
        reason="a guest of many tenants gets pages of them",
        cases=("^empty: login --use-device-code( -o (table|none)| --query \\[\\]\\.name)?$",),
        here_says="tenants did not show subscriptions:\n(.|\n)*Woodgrove Bank +asks for more",
    ),
    Difference(
        "default-named",
        builtin="The first enabled subscription becomes the default one without a word.",
        here="The same, unless ``login.default_subscription`` is set, and a line says which one that is.",
        reason="people have deleted things in a subscription that they did not choose",
        cases=("^empty: login --use-device-code( -o (table|none)| --query \\[\\]\\.name)?$",),
        here_says="is the default subscription now",
    ),
    # Signing in.
    Difference(
        "failed-sign-in-leaves-nothing",
        builtin='A sign-in that ends in "No subscriptions found" leaves a working refresh token behind.',
        here="A failed sign-in leaves nothing new behind.",
        reason="nobody looks for a token after an error, and ``az account list`` does not show it",
        cases=(
            "^(empty|alice): login --use-device-code \\(by carol\\)",
            "^empty: login .*<tailspin>( \\(browser\\))?$",
            "^empty: login .*--skip-sub -s [0-9-]+$",
            "^(alice|empty): login --use-device-code \\((html|drop) at ",
        ),
        aspects=frozenset(_TOKENS),
    ),
    Difference(
        "unknown-subscription",
        builtin="``az login --subscription NAME`` with an unknown name fails, without a word about the sign-in having "
        "been kept.",
        here="The same, and the error says that the sign-in was kept, and which ``az account set`` to run.",
        reason="who signed in need not do so again",
        cases=("^empty: login --use-device-code (-t <contoso> )?-s (nonsense|<fabrikam-main>)$",),
        here_says="sign-in of .* was kept(.|\\n)*az account set --subscription",
        hosts=("newest",),
    ),
    Difference(
        "empty-tenant",
        builtin='``--tenant ""`` looks for a tenant with an empty name.',
        here="It is a usage error.",
        reason="it comes from a variable that is not set, and no tenant is called that",
        cases=("^empty: login --use-device-code --tenant ' ?'$",),
        aspects=frozenset({"exit code"}),
    ),
    Difference(
        "unreachable-tenant",
        builtin="A domain as ``--tenant`` that cannot be looked up, because the sign-in service does not answer, is a "
        "usage error (exit code 2).",
        here="It is an error like every failed connection (exit code 1).",
        reason="the command line was right",
        cases=("-t <contoso.domain> \\(drop at openid-configuration",),
        aspects=frozenset({"exit code"}),
    ),
    Difference(
        "login-options-of-newer-hosts",
        builtin="``--subscription`` and ``--skip-subscription-discovery`` of ``az login`` need a recent Azure CLI.",
        here="They work on every supported Azure CLI.",
        reason="the extension brings its own sign-in",
        cases=("login [^&]*(--skip-sub|-s |--subscription )",),
        aspects=frozenset({"exit code", *_LIST, *_TOKENS, "profile", "modes", "service principals", "advice"}),
        hosts=("oldest",),
    ),
    # Tokens.
    Difference(
        "subscription-over-name",
        builtin="``az account get-access-token --subscription A --name B`` means B.",
        here="It means A, and a warning says that ``--name`` was ignored.",
        reason="--name is taken for the name of something else, as it is in most commands",
        cases=("get-access-token .*--(subscription|name) .*--(name|subscription) (?!<development>$)",),
        aspects=frozenset({"exit code", "stdout", "access tokens"}),
        here_says="--name '.*' was ignored",
    ),
    Difference(
        "retries",
        builtin="One 503 of the sign-in service ends the command, and the next tries fail from a cache.",
        here="Requests that may be repeated are, a few times; a failure is never answered from a cache.",
        reason="the service says itself that it is a matter of seconds",
        cases=("unavailable at /token",),
        aspects=frozenset({"exit code", "stdout", "access tokens", "refresh tokens", "advice", "crash"}),
    ),
    Difference(
        "one-tenant-refuses",
        builtin="One tenant that answers 403 ends a sign-in to all tenants.",
        here="That tenant is left out and named.",
        reason="the other tenants have nothing to do with it",
        cases=("error 403 at",),
        aspects=frozenset({"exit code", *_LIST, *_TOKENS, "profile", "modes", "advice", "crash"}),
        here_says="did not show subscriptions",
    ),
    Difference(
        "errors-not-tracebacks",
        builtin="A traceback: an unknown tenant, scopes without a resource, a claims challenge that is not base64, "
        "HTML where JSON was due, a service that cannot be reached.",
        here="One clear error with the next step.",
        reason="a traceback tells nobody what to do",
        cases=(
            "--claims-challenge not-base64!",
            "--scope openid$",
            "--scope https://nowhere.example/.default$",
            "--tenant (<contoso>|nobody|0000|common)",
            "(drop|html) at ",
            "unavailable at /devicecode",
        ),
        aspects=frozenset({"crash"}),
    ),
    Difference(
        "damaged-token-cache",
        builtin="A damaged ``msal_token_cache.json`` ends every command in a traceback, ``az logout`` and "
        "``az account clear`` included, until somebody deletes the file.",
        here="The file is set aside, with a word about it, and signing in and out works again.",
        reason="the way out of a damaged file must not lead through it",
        cases=("^damaged_tokens: ",),
        aspects=frozenset(("exit code", *_LIST, "profile", *_TOKENS, "modes", "crash")),
    ),
    # Signing out.
    Difference(
        "sign-out-any-case",
        builtin="``az logout --username`` with an application ID in upper case empties the list, but leaves the secret "
        "and the token.",
        here="Case does not matter, and everything of the identity goes.",
        reason="who signs out wants the secret gone",
        cases=("^service_principal: logout --username <ci-app\\|upper>",),
        aspects=frozenset({"service principals", "access tokens", "modes"}),
    ),
    Difference(
        "sign-out-unknown",
        builtin="``az logout`` of somebody who is not signed in succeeds in silence.",
        here="It succeeds, and a line on standard error says that there was nothing to do.",
        reason="a mistyped name looks like success",
        cases=(
            "^(alice|two_clouds): logout --username (<bob>|nonsense)",
            "^empty: logout --username",
        ),
        here_says="is not signed in",
    ),
    Difference(
        "sign-out-none-active",
        builtin="``az logout`` of the active account, with others left, leaves no subscription active, without a word.",
        here="The same, and standard error says so, with the command to choose one.",
        reason="the next command would fail with a riddle",
        cases=("^alice_and_bob: logout($| &&| --username <bob>)", "^bob_and_sp: logout --username <ci-app>"),
        here_says="No subscription is active now",
    ),
    Difference(
        "clear-http-cache",
        builtin="``az account clear`` leaves names of tenants in ``msal_http_cache.bin``, readable by everybody.",
        here="Nothing is left, and every file is readable by its owner alone.",
        reason="clear means clear",
        cases=("account clear",),
        aspects=frozenset({"leftovers"}),
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What is left to explain in a case, and which differences it has shown."""

    unexplained: list[Finding]
    shown: frozenset[str]


def judge(
    case: Case,
    host: str,
    findings: Sequence[Finding],
    ours: Observation,
    differences: Iterable[Difference] = DIFFERENCES,
) -> Verdict:
    """Explain the findings of a case by the differences that cover it."""
    left, shown = list(findings), set()
    said = "\n".join(step.stderr for step in ours.said)
    for difference in differences:
        if not difference.covers(case, host):
            continue
        if difference.here_says:
            if re.search(difference.here_says, said):
                shown.add(difference.id)
            else:
                left.append(Finding("announced difference", difference.id, difference.here_says, said))
                continue
        explained = [finding for finding in left if finding.aspect in difference.aspects]
        if explained:
            shown.add(difference.id)
            left = [finding for finding in left if finding not in explained]
    return Verdict(left, frozenset(shown))


def unshown(shown: Iterable[str], host: str) -> list[Difference]:
    """Return the differences that apply to `host` and that no case has shown: they are out of date."""
    seen = set(shown)
    return [each for each in DIFFERENCES if host in each.hosts and each.id not in seen]


def render() -> str:
    """Return the table for the README, as a reStructuredText list-table."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 50 50", "", "   * - built in", "     - here"]
    for difference in DIFFERENCES:
        for bullet, text in (("   * -", difference.builtin), ("     -", difference.here)):
            lines.append(f"{bullet} {' '.join(text.split())}")
    return "\n".join(lines) + "\n"
