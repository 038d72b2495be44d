"""Where we differ from the built-in commands on purpose: what covers it, how far, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.parity.case import Case


@dataclass(frozen=True)
class Difference:
    """One deliberate difference.

    builtin, here: what either side does, as reStructuredText for docs/differences.rst.
    reason: why ours is not the same.
    cases: regular expressions; the difference covers a case if one of them is found in its id.
    aspects: what may differ (see `compare.Finding.aspect`). Without any, only the messages on standard error differ.
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
        builtin="The last sign-in takes over the subscriptions that another account also has, in every cloud.",
        here="Accounts are separate. Both keep their rows, and one of the two rows is active.",
        reason="a second sign-in is no reason to forget the first",
        cases=("^two_clouds: cloud set -n OtherCloud && login",),
        aspects=frozenset({"rows"}),
    ),
    Difference(
        "refresh-other-clouds",
        builtin="``az account list --refresh`` deletes the subscriptions of all other clouds.",
        here="Only the active cloud is read again. Everything else stays.",
        reason="reading one cloud again is no reason to forget another",
        cases=("^two_clouds(_other_active)?: account list --refresh",),
        aspects=frozenset({"rows"}),
    ),
    Difference(
        "refresh-tenant-level",
        builtin="``az account list --refresh`` drops the tenant-level rows of a user who has subscriptions in other "
        "tenants.",
        here="A tenant-level row stays until its tenant shows real subscriptions.",
        reason="the user asked for it with --allow-no-subscriptions, and nothing about it has changed",
        cases=("^alice_(everywhere|tenant_level): account list --refresh",),
        aspects=frozenset({*_LIST, "access tokens"}),
    ),
    Difference(
        "refresh-service-principals",
        builtin="``az account list --refresh`` reads only the first tenant of a service principal that is signed in "
        "to two tenants, and loses the subscriptions of the other one.",
        here="Every tenant of every account is read.",
        reason="the subscriptions still exist",
        cases=("^sp_in_two_tenants: account list --refresh",),
        aspects=frozenset({*_LIST, "access tokens"}),
    ),
    Difference(
        "refresh-subject-name",
        builtin="``az account list --refresh`` forgets that a service principal signed in with "
        "``--use-cert-sn-issuer`` (``useCertSNIssuerAuth`` in the list).",
        here="The key stays in the list.",
        reason="nothing about it has changed",
        cases=("^sp_by_subject_name: account list --refresh",),
        aspects=frozenset({"rows", "stdout"}),
    ),
    Difference(
        "refresh-tenant-name",
        builtin="``az account list --refresh`` does not read the name of the tenant of a service principal of an AD "
        "FS server.",
        here="The name is read and kept.",
        reason="the server has one tenant, and returns its name",
        cases=("^stack_app: account list --refresh",),
        aspects=frozenset({"rows", "stdout"}),
    ),
    Difference(
        "refresh-managed-identity",
        builtin="If a user and a managed identity have the same subscription, ``az account list --refresh`` gives it "
        "to the user. If the managed identity was active, no subscription is active afterwards.",
        here="The active account stays active. Managed identities are read again as well.",
        reason="the next command would run as another identity, or fail",
        cases=("^alice_and_identity: account list --refresh",),
        aspects=frozenset(_LIST),
    ),
    Difference(
        "refresh-active",
        builtin="If two accounts have the active subscription, no subscription is active after ``az account list "
        "--refresh``.",
        here="The active subscription stays active.",
        reason="the next command would fail",
        cases=("^alice_and_bob: account list --refresh",),
        aspects=frozenset(_LIST),
    ),
    Difference(
        "tenant-level-row-replaced",
        builtin='After a full sign-in, an old "N/A(tenant level account)" row stays beside the real subscriptions of '
        "that tenant.",
        here="The tenant-level row is removed when the tenant shows real subscriptions.",
        reason="the row stands for a tenant without subscriptions, and this tenant has subscriptions now",
        cases=("^alice_with_old_tenant_row: login",),
        aspects=frozenset({"rows", "stdout"}),
    ),
    Difference(
        "one-table",
        builtin="A sign-in prints a warning of several lines for each tenant that asks for a second factor or refuses.",
        here="One table has a line for each of these tenants: the tenant, what happened, and what to run.",
        reason="a guest of many tenants gets pages of warnings",
        cases=("^empty: login --use-device-code( -o (table|none)| --query \\[\\]\\.name)?$",),
        here_says="tenants did not show subscriptions:\n(.|\n)*Woodgrove Bank +asks for more",
    ),
    Difference(
        "default-named",
        builtin="The first enabled subscription becomes the default, without a message.",
        here="The same, unless ``login.default_subscription`` is set. A line names the default subscription.",
        reason="users have deleted things in a subscription that they did not choose",
        cases=("^empty: login --use-device-code( -o (table|none)| --query \\[\\]\\.name)?$",),
        here_says="is the default subscription now",
    ),
    Difference(
        "choice-of-process",
        builtin="``AZURE_LOGIN_ACCOUNT``, ``AZURE_LOGIN_SUBSCRIPTION``, ``AZURE_LOGIN_CONTEXT`` and the files "
        "``.azure-context`` have no effect.",
        here="They choose the account and the subscription of every command. One that names nothing is an error. A "
        "file that is not allowed causes a warning.",
        reason="two shells work with two accounts, and no command acts on another one than the variable names",
        cases=(" \\(AZURE_LOGIN_(ACCOUNT|SUBSCRIPTION)=",),
        aspects=frozenset({"exit code", "stdout", "advice"}),
    ),
    # Signing in.
    Difference(
        "failed-sign-in-leaves-nothing",
        builtin='A sign-in that fails with "No subscriptions found" leaves a working refresh token behind, or the '
        "secret of the service principal.",
        here="A failed sign-in stores nothing new.",
        reason="a user does not expect a token after an error, and ``az account list`` does not show it",
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
        builtin="``az login --subscription NAME`` with an unknown name fails, and does not report that the sign-in "
        "was kept.",
        here="The same, but the error reports that the sign-in was kept, and which ``az account set`` to run.",
        reason="the user does not have to sign in again",
        cases=("^empty: login --use-device-code (-t <contoso> )?-s (nonsense|<fabrikam-main>)$",),
        here_says="sign-in of .* was kept(.|\\n)*az account set --subscription",
        hosts=("newest",),
    ),
    Difference(
        "account-of-tenant",
        builtin="``get-access-token --tenant`` fails if the active account is not in the tenant, also if another "
        "account is signed in to it.",
        here="If the tenant does not know the active account, the one account that is signed in to the tenant gets the "
        "token, and a line on standard error names it.",
        reason="the user is signed in already, and a program cannot choose the account",
        cases=("^(bob_and_carol|alice_and_identity): account get-access-token --tenant <fabrikam>",),
        aspects=frozenset({"exit code", "stdout", "advice", "access tokens"}),
        here_says="using '.*', which is signed in to it",
    ),
    Difference(
        "login-same-name",
        builtin="If several subscriptions have the name of ``az login --subscription``, the first of them becomes the "
        "default.",
        here="The sign-in is kept, and the command fails with the commands that choose one of them, as ``az account "
        "set`` does. On a terminal, the list opens.",
        reason="a name that exists twice chooses the wrong subscription half of the time",
        cases=("^empty: login --use-device-code -s 'Same Name'",),
        aspects=frozenset({"exit code", "stdout", "rows", "clouds"}),
        here_says="Multiple subscriptions with the name",
        hosts=("newest",),
    ),
    Difference(
        "empty-scope",
        builtin='With ``get-access-token --scope ""``, a user gets a token for Microsoft Graph. For a managed '
        "identity, the command fails and advises to sign in again.",
        here="A warning names the empty value, and a user gets a token for Azure Resource Manager, as without "
        "``--scope``. For a workload, it is a usage error.",
        reason="the value comes from a variable that is not set, and signing in again does not set it",
        cases=("account get-access-token --scope ''",),
        aspects=frozenset({"stdout", "access tokens", "advice"}),
        here_says="--scope'? is empty",
    ),
    Difference(
        "empty-tenant",
        builtin='``--tenant ""`` looks for a tenant with an empty name.',
        here="It is a usage error.",
        reason="the value comes from a variable that is not set, and no tenant has an empty name",
        cases=("^empty: login .*(--tenant|-t) ' ?'( \\(on |$)",),
        aspects=frozenset({"exit code"}),
    ),
    Difference(
        "unreachable-tenant",
        builtin="If a domain as ``--tenant`` cannot be looked up because the sign-in service does not answer, it is "
        "a usage error (exit code 2).",
        here="It is an error like every failed connection (exit code 1).",
        reason="the command line was right",
        cases=("-t <contoso.domain> \\(drop at openid-configuration",),
        aspects=frozenset({"exit code"}),
    ),
    Difference(
        "service-principal-without-tenant",
        builtin="``az login --service-principal`` without ``--tenant`` sends the credential to an endpoint that has "
        "no applications, and reports its answer. At an AD FS server, which has no tenants, the command fails with a "
        "traceback.",
        here="It is a usage error. At an AD FS server, it works.",
        reason="the answer does not explain what is missing",
        cases=("^azure_stack: login --service-principal -u <stack-app> -p <stack-secret>$",),
        aspects=frozenset({"exit code", *_LIST, "profile", "service principals", "crash"}),
    ),
    Difference(
        "advice-that-was-followed",
        builtin="``az login --allow-no-subscriptions`` advises ``az login --allow-no-subscriptions`` if a tenant has "
        "no subscriptions.",
        here="A command does not advise the option that it was given.",
        reason="the advice has been followed",
        cases=("^empty: login (--use-device-code|-u .*) --allow-no-subscriptions \\(by carol\\)",),
        aspects=frozenset({"advice"}),
    ),
    Difference(
        "checked-before-sending",
        builtin="A certificate that has expired or does not belong to the key is sent, and so is a federated token "
        "that is not a token. The answer of the service is about signatures and assertions.",
        here="Nothing is sent. The error names the file and explains what is wrong with it.",
        reason="the command can check this itself",
        cases=("--certificate <file.(mismatched|expired).pem>", "^empty: login .* -u <ci-app> --fed\\S* not-a-token"),
        aspects=frozenset({"advice"}),
        here_says="Nothing was sent",
    ),
    Difference(
        "certificate-beside-password",
        builtin="If ``--password`` is given as well, ``--certificate`` is ignored. The password is sent as a client "
        "secret, even if it is the passphrase of the certificate.",
        here="If the certificate has a passphrase, the password is the passphrase. A certificate that cannot be used "
        "is refused, and nothing is sent. The password is used as a client secret only if the certificate is one "
        "that built-in commands could use as it is; a line reports this.",
        reason="the sign-in service must not see a passphrase",
        cases=("^empty: login .* -p=<ci-secret> --certificate nowhere.pem",),
        aspects=frozenset({"exit code", *_LIST, *_TOKENS, "profile", "modes", "service principals", "advice"}),
        here_says="Nothing was sent",
    ),
    Difference(
        "certificate-order",
        builtin="In the file of ``--certificate``, the certificate of the key must be the first one.",
        here="The order makes no difference. A warning explains what built-in commands cannot read.",
        reason="certificate authorities and conversion tools write them in any order",
        cases=("--certificate <file.issuer-first.pem>",),
        aspects=frozenset({"exit code", *_LIST, *_TOKENS, "profile", "modes", "service principals", "advice"}),
        here_says="Built-in commands cannot read",
    ),
    Difference(
        "certificate-path",
        builtin="A relative path of ``--certificate`` is stored as it is, and commands fail in every other directory.",
        here="The absolute path is stored.",
        reason="a sign-in is for all directories",
        cases=("--certificate (\\./)?ci.pem",),
        aspects=frozenset({"service principals"}),
    ),
    Difference(
        "wrong-secret-found-out",
        builtin="``az login --service-principal`` with a wrong secret succeeds while a token of the last sign-in is "
        "cached, and replaces the right secret.",
        here="The new secret is checked. If it is wrong, the stored secret stays.",
        reason="the error would come an hour later, in another command",
        cases=("^service_principal: login --service-principal -u <ci-app> -p wrong -t <contoso>$",),
        aspects=frozenset({"exit code", "stdout", "service principals"}),
    ),
    Difference(
        "identity-of-service-fabric",
        builtin="On Service Fabric, ``az login --identity`` with an ID signs in with the only identity of the "
        "service, and lists it under that ID.",
        here="It is an error: the service gives tokens of one identity only.",
        reason="commands would run as another identity than the list shows",
        cases=("login --identity --client-id \\S+ \\(on Service Fabric\\)",),
        aspects=frozenset({"exit code", *_LIST, "profile", "modes"}),
        here_says="issues tokens for one identity only",
    ),
    Difference(
        "certificate-of-service-fabric",
        builtin="On Service Fabric, ``az login --identity`` of older Azure CLIs never accepts the certificate of the "
        "cluster's service.",
        here="``IDENTITY_SERVER_THUMBPRINT`` identifies the certificate, on every supported Azure CLI.",
        reason="only the cluster has signed that certificate",
        cases=("login --identity \\(on Service Fabric\\)",),
        aspects=frozenset({"exit code", *_LIST, "profile", "modes"}),
        hosts=("oldest",),
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
        builtin="``az account get-access-token --subscription A --name B`` uses B.",
        here="It uses A. A warning reports that ``--name`` was ignored.",
        reason="--name is taken for the name of something else, as it is in most commands",
        cases=("get-access-token .*--(subscription|name) .*--(name|subscription) (?!<development>$)",),
        aspects=frozenset({"exit code", "stdout", "access tokens"}),
        here_says="--name '.*' was ignored",
    ),
    Difference(
        "tenant-of-identity-any-case",
        builtin="``az account get-access-token --tenant`` of a managed identity takes the ID of the tenant in upper "
        "case for another tenant.",
        here="Case makes no difference.",
        reason="it makes no difference anywhere else",
        cases=("^managed_identity: account get-access-token --tenant <contoso\\|upper>",),
        aspects=frozenset({"exit code", "stdout"}),
    ),
    Difference(
        "tenant-and-subscription",
        builtin="``az account get-access-token`` refuses ``--tenant`` together with ``--subscription``.",
        here="The token is for the account of the subscription, in the tenant.",
        reason="a guest of another tenant has one account and needs tokens of both",
        cases=("get-access-token --tenant <[^>]*> --subscription",),
        aspects=frozenset({"exit code", "stdout", "access tokens"}),
    ),
    Difference(
        "exact-end",
        builtin="``expires_on`` of a cached token is up to a second early, and not always the same.",
        here="It is the moment at which the token expires.",
        reason="the moment is stored, and does not have to be computed from the remaining lifetime",
        cases=(r"get-access-token --query '\{t:tenant,e:expires_on\}'",),
        aspects=frozenset({"stdout"}),
    ),
    Difference(
        "retries",
        builtin="After one 503 of the sign-in service, or one failure of the service for managed identities, the "
        "command fails. The next attempts fail from a cache.",
        here="A request that may be repeated is repeated a few times. A failure is never answered from a cache.",
        reason="the service itself reports that it needs some seconds",
        cases=("unavailable at /token", "error \\d+ at /metadata/identity"),
        aspects=frozenset(
            {"exit code", *_LIST, "access tokens", "refresh tokens", "service principals", "modes", "advice", "crash"}
        ),
    ),
    Difference(
        "one-tenant-refuses",
        builtin="If one tenant answers 403, a sign-in to all tenants fails.",
        here="That tenant is left out, and a table names it.",
        reason="the other tenants have nothing to do with it",
        cases=("error 403 at",),
        aspects=frozenset({"exit code", *_LIST, *_TOKENS, "profile", "modes", "advice", "crash"}),
        here_says="did not show subscriptions",
    ),
    Difference(
        "errors-not-tracebacks",
        builtin="These cases fail with a traceback: an unknown tenant; scopes without a resource; a claims challenge "
        "that is not base64; a certificate file that is missing, encrypted or without a key; HTML instead of JSON; a "
        "service that cannot be reached, also the one for managed identities.",
        here="There is one clear error with the next step.",
        reason="a traceback does not explain what to do",
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
        builtin="With a damaged ``msal_token_cache.json``, every command fails with a traceback, also ``az logout`` "
        "and ``az account clear``, until the user deletes the file.",
        here="The file is quarantined, and a message reports it. Signing in and out works again.",
        reason="the way out of a damaged file must not lead through it",
        cases=("^damaged_tokens: ",),
        aspects=frozenset(("exit code", *_LIST, "profile", *_TOKENS, "modes", "crash")),
    ),
    # Signing out.
    Difference(
        "sign-out-any-case",
        builtin="``az logout --username`` with an application ID in upper case empties the list, but leaves the "
        "secret and the token.",
        here="Case makes no difference, and everything of the identity is removed.",
        reason="a user who signs out wants the secret removed",
        cases=("^(service_principal|sp_federated): logout --username <ci-app\\|upper>",),
        aspects=frozenset({"service principals", "access tokens", "modes"}),
    ),
    Difference(
        "sign-out-unknown",
        builtin="``az logout`` of an account that is not signed in succeeds without a message.",
        here="It succeeds, and a line on standard error reports that there was nothing to do.",
        reason="a mistyped name looks like success",
        cases=(
            "^(alice|two_clouds): logout --username (<bob>|nonsense)",
            "^empty: logout --username",
        ),
        here_says="is not signed in",
    ),
    Difference(
        "sign-out-none-active",
        builtin="After ``az logout`` of the active account, with other accounts left, no subscription is active. "
        "There is no message.",
        here="The same, but standard error reports it, with the command to choose a subscription.",
        reason="the next command would fail with an error that is hard to understand",
        cases=("^alice_and_bob: logout($| &&| --username <bob>)", "^bob_and_sp: logout --username <ci-app>"),
        here_says="No subscription is active now",
    ),
    Difference(
        "sign-out-choice",
        builtin="``az logout`` and ``az account clear`` leave the ID of the chosen subscription in ``clouds.config``.",
        here="It is removed with the last account that has the subscription.",
        reason="a sign-out leaves nothing behind, and the next az cloud set would look for a subscription that is "
        "not in the list",
        cases=(r"\blogout\b", "account clear"),
        aspects=frozenset({"clouds"}),
    ),
    Difference(
        "clear-http-cache",
        builtin="``az account clear`` leaves the names of tenants in ``msal_http_cache.bin``, readable by everyone.",
        here="Nothing is left, and every file is readable by its owner alone.",
        reason="clear means clear",
        cases=("account clear",),
        aspects=frozenset({"leftovers"}),
    ),
)
