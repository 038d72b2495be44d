"""Where we differ from the built-in commands on purpose: what covers it, how far, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.parity.case import Case


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
        "refresh-subject-name",
        builtin="``az account list --refresh`` forgets that a service principal signed in with "
        "``--use-cert-sn-issuer`` (``useCertSNIssuerAuth`` in the list).",
        here="It stays in the list.",
        reason="nothing about it has changed",
        cases=("^sp_by_subject_name: account list --refresh",),
        aspects=frozenset({"rows", "stdout"}),
    ),
    Difference(
        "refresh-tenant-name",
        builtin="``az account list --refresh`` never knows the name of the tenant of a service principal of an AD FS "
        "server.",
        here="It is read and kept.",
        reason="the server has one tenant, and tells its name",
        cases=("^stack_app: account list --refresh",),
        aspects=frozenset({"rows", "stdout"}),
    ),
    Difference(
        "refresh-managed-identity",
        builtin="``az account list --refresh`` gives the subscriptions that a person and a managed identity share to "
        "the person, and leaves none active if the managed identity was in use.",
        here="Who is in use stays in use, and managed identities are read again as well.",
        reason="the next command would run as somebody else, or fail",
        cases=("^alice_and_identity: account list --refresh",),
        aspects=frozenset(_LIST),
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
        builtin='A sign-in that ends in "No subscriptions found" leaves a working refresh token behind, or the '
        "secret of the service principal.",
        here="A failed sign-in leaves nothing new behind.",
        reason="nobody looks for a token after an error, and ``az account list`` does not show it",
        cases=(
            "^(empty|alice): login --use-device-code \\(by carol\\)",
            "^empty: login .*<tailspin>( \\(browser\\))?$",
            "^empty: login .*--skip-sub -s [0-9-]+$",
            "^(alice|empty): login --use-device-code \\((html|drop) at ",
            "^empty: login --service-principal .* --skip-sub -s <vault>$",
            "^alice: login --service-principal .* \\(html at \\^/subscriptions",
        ),
        aspects=frozenset((*_TOKENS, "service principals")),
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
        cases=("^empty: login .*(--tenant|-t) ' ?'( \\(on |$)",),
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
        "service-principal-without-tenant",
        builtin="``az login --service-principal`` without ``--tenant`` sends the credential to a place where no "
        "application is, and reports what that answers; at an AD FS server, where there is no tenant to give, it "
        "ends in a traceback.",
        here="It is a usage error, and at an AD FS server it works.",
        reason="the answer does not say what is missing",
        cases=("^azure_stack: login --service-principal -u <stack-app> -p <stack-secret>$",),
        aspects=frozenset({"exit code", *_LIST, "profile", "service principals", "crash"}),
    ),
    Difference(
        "checked-before-sending",
        builtin="A certificate that has expired or is not that of the key, and a federated token that is not one, are "
        "sent, and the service's answer speaks of signatures and assertions.",
        here="Nothing is sent, and the error names the file and what is wrong with it.",
        reason="what is wrong can be seen here",
        cases=("--certificate <file.(mismatched|expired).pem>", "^empty: login .* -u <ci-app> --fed\\S* not-a-token"),
        aspects=frozenset({"advice"}),
        here_says="Nothing was sent",
    ),
    Difference(
        "certificate-order",
        builtin="In the file of ``--certificate``, the certificate of the key must be the first one.",
        here="The order makes no difference; a warning says what built-in commands cannot read.",
        reason="certificate authorities and conversion tools write them in any order",
        cases=("--certificate <file.issuer-first.pem>",),
        aspects=frozenset({"exit code", *_LIST, *_TOKENS, "profile", "modes", "service principals", "advice"}),
        here_says="Built-in commands cannot read",
    ),
    Difference(
        "certificate-path",
        builtin="A relative path given with ``--certificate`` is stored as it is, and commands fail in any other "
        "directory.",
        here="The absolute path is stored.",
        reason="a sign-in is for all directories",
        cases=("--certificate (\\./)?ci.pem",),
        aspects=frozenset({"service principals"}),
    ),
    Difference(
        "wrong-secret-found-out",
        builtin="``az login --service-principal`` with a wrong secret succeeds while a token of the last sign-in is "
        "cached, and replaces the right secret.",
        here="The secret that is given is the one that is checked. If it is wrong, the stored one stays.",
        reason="the error would come an hour later, in some other command",
        cases=("^service_principal: login --service-principal -u <ci-app> -p wrong -t <contoso>$",),
        aspects=frozenset({"exit code", "stdout", "service principals"}),
    ),
    Difference(
        "identity-of-service-fabric",
        builtin="On Service Fabric, ``az login --identity`` with an ID signs in with the one identity that there is, "
        "and lists it under that ID.",
        here="It is an error: the service gives tokens of one identity only.",
        reason="commands would run as somebody else than the list says",
        cases=("login --identity --client-id \\S+ \\(on Service Fabric\\)",),
        aspects=frozenset({"exit code", *_LIST, "profile", "modes"}),
        here_says="gives tokens of one identity only",
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
        "tenant-of-identity-any-case",
        builtin="``az account get-access-token --tenant`` of a managed identity takes the tenant's ID in upper case "
        "for another tenant.",
        here="Case does not matter.",
        reason="it does not matter anywhere else",
        cases=("^managed_identity: account get-access-token --tenant <contoso\\|upper>",),
        aspects=frozenset({"exit code", "stdout"}),
    ),
    Difference(
        "tenant-and-subscription",
        builtin="``az account get-access-token`` refuses ``--tenant`` together with ``--subscription``.",
        here="The account is that of the subscription, and the token is of the tenant.",
        reason="a guest of another tenant has one account and needs tokens of both",
        cases=("get-access-token --tenant <[^>]*> --subscription",),
        aspects=frozenset({"exit code", "stdout", "access tokens"}),
    ),
    Difference(
        "exact-end",
        builtin="``expires_on`` of a cached token is up to a second early, and not always the same.",
        here="It is the moment at which the token ends.",
        reason="the moment is stored, and need not be computed from what is left of it",
        cases=(r"get-access-token --query '\{t:tenant,e:expires_on\}'",),
        aspects=frozenset({"stdout"}),
    ),
    Difference(
        "retries",
        builtin="One 503 of the sign-in service, or one failure of the service for managed identities, ends the "
        "command, and the next tries fail from a cache.",
        here="Requests that may be repeated are, a few times; a failure is never answered from a cache.",
        reason="the service says itself that it is a matter of seconds",
        cases=("unavailable at /token", "error \\d+ at /metadata/identity"),
        aspects=frozenset(
            {"exit code", *_LIST, "access tokens", "refresh tokens", "service principals", "modes", "advice", "crash"}
        ),
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
        builtin="A traceback: an unknown tenant, scopes without a resource, a claims challenge that is not base64, a "
        "certificate file that is missing, encrypted or without a key, HTML where JSON was due, a service that cannot "
        "be reached, the one for managed identities too.",
        here="One clear error with the next step.",
        reason="a traceback tells nobody what to do",
        cases=(
            "--claims-challenge not-base64!",
            "--scope openid$",
            "--scope https://nowhere.example/.default$",
            "--tenant (<contoso>|nobody|0000|common)",
            "-t 0000",
            "--certificate (nowhere.pem|\\.|<file.(encrypted|certificate-only).pem>) ",
            "on machine without an identity service",
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
        cases=("^(service_principal|sp_federated): logout --username <ci-app\\|upper>",),
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
        "sign-out-choice",
        builtin="``az logout`` and ``az account clear`` leave the ID of the chosen subscription in ``clouds.config``.",
        here="It goes with the last account that has the subscription.",
        reason="whoever signs out leaves nothing behind, and the next az cloud set would look for it in vain",
        cases=(r"\blogout\b", "account clear"),
        aspects=frozenset({"clouds"}),
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
