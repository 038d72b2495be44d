"""The help texts of our commands.

`helps` is one dictionary for the whole CLI. Only commands of ours are set: the entry of the group `account` also
describes subgroups that belong to other modules.
"""

from __future__ import annotations

from knack.help_files import helps

helps["login"] = """
type: command
short-summary: Log in to Azure.
long-summary: >-
    Without arguments, a person signs in in a web browser: Web Account Manager on Windows, the default browser on
    Linux and macOS. Where no browser can be opened, a code is shown to enter in a browser on any device.


    A browser that comes back with "The connection for this site is not secure" has once been told to use https for
    localhost. The command notices, says how to mend that in Edge and Chrome, and takes the address that the browser
    ends up on instead: copy it from the address bar, paste it into the terminal and press Enter.


    All tenants are asked for their subscriptions at the same time. Those that do not answer, or ask for more, are
    listed with the command to run. To leave tenants out, name them with --exclude-tenant, or for every time with
    `az config set login.exclude_tenants="TENANT TENANT"`.


    The default subscription is the one of --subscription; else the one that was active; else the one that you last
    chose in that tenant; else the one of `az config set login.default_subscription="SUBSCRIPTION"`; else the first
    enabled one.


    To keep a password or a secret off the command line and out of the shell's history, let az read it from standard
    input with `--password=@-`, or from a file with `--password=@FILE`.


    [WARNING] Authentication with a user name and a password is strongly discouraged. It does not work with
    Microsoft accounts, nor with accounts that need a second factor.


    To log in with a service principal, specify --service-principal. To log in with a managed identity, specify
    --identity. To log in with whatever the environment variables of the Azure SDKs describe, specify --from-env.


    A federated token ends after minutes. With --federated-token-file and --federated-token-source, the next one is
    fetched whenever it is needed; 'az account renew --watch' does so for built-in commands.
examples:
    - name: Log in in a web browser.
      text: az login
    - name: Log in to one tenant, by its domain name or its ID.
      text: az login --tenant contoso.onmicrosoft.com
    - name: Print the address to open, for a browser that cannot be started from here.
      text: az login --no-browser
    - name: Log in with a code that is entered in a browser on any device.
      text: az login --use-device-code
    - name: Log in with a user name, and be asked for the password.
      text: az login --username johndoe@contoso.com
    - name: Log in with a password from standard input, so that it is in no history and no process list.
      text: az login --username johndoe@contoso.com --password=@-
    - name: Log in with a service principal and a client secret from standard input.
      text: az login --service-principal --username APP_ID --password=@- --tenant TENANT_ID
    - name: Log in with a service principal and a certificate.
      text: az login --service-principal --username APP_ID --certificate /path/to/cert.pem --tenant TENANT_ID
    - name: Log in with a service principal and a PFX certificate, with its passphrase from a file.
      text: az login --service-principal --username APP_ID --certificate cert.pfx --password=@FILE --tenant TENANT_ID
    - name: Log in in a job of GitHub Actions that has the permission 'id-token - write'.
      text: az login --service-principal --username APP_ID --tenant TENANT_ID --federated-token-source github
    - name: Log in in a step of Azure Pipelines with SYSTEM_ACCESSTOKEN in its environment.
      text: >-
        az login --service-principal --username APP_ID --tenant TENANT_ID --federated-token-source azure-pipelines
        --service-connection-id CONNECTION_ID
    - name: Log in with a federated token from a file that something else keeps fresh.
      text: az login --service-principal --username APP_ID --tenant TENANT_ID --federated-token-file /path/to/token
    - name: Log in with what the environment variables describe, for example in a pod of AKS.
      text: az login --from-env
    - name: Log in with the system-assigned managed identity of this machine.
      text: az login --identity
    - name: Log in with a user-assigned managed identity.
      text: az login --identity --client-id 00000000-0000-0000-0000-000000000000
    - name: Log in and make a subscription the default.
      text: az login --subscription "My Subscription"
    - name: Log in and leave a tenant out of the search for subscriptions.
      text: az login --exclude-tenant fabrikam.com
    - name: Log in and read only one subscription, the fastest way where there are very many.
      text: az login --tenant TENANT_ID --skip-subscription-discovery --subscription SUBSCRIPTION_ID
    - name: Log in to a tenant without a subscription, for example for 'az ad'.
      text: az login --tenant TENANT_ID --allow-no-subscriptions
"""

helps["logout"] = """
type: command
short-summary: Log out to remove access to Azure subscriptions.
long-summary: >-
    Removes the account's tokens, secrets and subscriptions from this machine, in every cloud. Needs no network.
examples:
    - name: Log out the active account.
      text: az logout
    - name: Log out an account by its user name or application ID.
      text: az logout --username johndoe@contoso.com
"""

helps["account list"] = """
type: command
short-summary: Get a list of subscriptions for the logged in accounts.
long-summary: >-
    By default, only subscriptions of the current cloud that are 'Enabled' are shown.


    With --refresh, the tenants of every signed-in account are read again. Subscriptions of a tenant that does not
    answer, or is excluded with --exclude-tenant or the setting login.exclude_tenants, stay as they are;
    --show-refresh tells for each of them when and why its tenant could last not be read.
examples:
    - name: List the subscriptions of the current cloud.
      text: az account list --output table
    - name: List the subscriptions of every cloud, whatever their state.
      text: az account list --all
    - name: Read the subscriptions of every signed-in account from the server again.
      text: az account list --refresh
    - name: Read one tenant again.
      text: az account list --refresh --tenant contoso.onmicrosoft.com
    - name: Read all tenants again except one.
      text: az account list --refresh --exclude-tenant fabrikam.com
    - name: List the subscriptions whose tenant could last not be read again.
      text: az account list --show-refresh --query "[?refreshFailure]"
    - name: List a subscription once for every account and tenant that it can be used through.
      text: az account list --all-identities --output table
    - name: Print the ID of a subscription.
      text: az account list --query "[?name=='My Subscription'].id" --output tsv
"""

helps["account set"] = """
type: command
short-summary: Set a subscription to be the current active subscription.
long-summary: >-
    On a terminal, `az account set` alone lets you choose from a list. Typing a part of the name, the
    ID, the tenant or the account searches the list.
examples:
    - name: Choose a subscription by name.
      text: az account set --subscription "My Subscription"
    - name: Go back to the subscription that was active before.
      text: az account set --subscription -
    - name: Work in a subscription as another account that is signed in.
      text: az account set --subscription "My Subscription" --username johndoe@contoso.com
    - name: Choose a subscription by ID.
      text: az account set --subscription 00000000-0000-0000-0000-000000000000
"""

helps["account show"] = """
type: command
short-summary: Get the details of a subscription.
long-summary: If the subscription isn't specified, shows the details of the default subscription.
examples:
    - name: Show the active subscription.
      text: az account show --output table
    - name: Print the tenant of a subscription.
      text: az account show --subscription "My Subscription" --query tenantId --output tsv
"""

helps["account clear"] = """
type: command
short-summary: Clear all subscriptions from the CLI's local cache.
long-summary: >-
    Removes every account with its tokens and secrets from this machine. Needs no network. To log out one account,
    use 'az logout'.
examples:
    - name: Remove all accounts.
      text: az account clear
"""

helps["account get-access-token"] = """
type: command
short-summary: Get a token for utilities to access Azure.
long-summary: >-
    The token is valid for at least 5 minutes, or for as long as --min-validity says. Without a subscription, a tenant
    or a user name, it is one of the current account.


    In the output, `expires_on` is a POSIX timestamp (UTC) and `expiresOn` is a local date and time. Programs should
    use `expires_on`: the local time is ambiguous when daylight saving time ends.


    A cached token is used if there is one. If the sign-in service cannot be reached, that goes for a token with less
    than 5 minutes left, too, with a warning. When several programs need a new token at once, one of them asks for it.


    --subscription takes precedence over --name.
examples:
    - name: Get an access token for the current account.
      text: az account get-access-token
    - name: Get an access token for a specific subscription.
      text: az account get-access-token --subscription 00000000-0000-0000-0000-000000000000
    - name: Get an access token for a specific tenant.
      text: az account get-access-token --tenant 00000000-0000-0000-0000-000000000000
    - name: Get an access token for Microsoft Graph.
      text: az account get-access-token --resource-type ms-graph
    - name: Get an access token for a scope.
      text: az account get-access-token --scope https://vault.azure.net/.default
    - name: Get an access token that lives for half an hour at least.
      text: az account get-access-token --min-validity 30m
    - name: Get a new access token after a role was assigned.
      text: az account get-access-token --force-refresh
    - name: Get an access token of another account that is signed in.
      text: az account get-access-token --username johndoe@contoso.com
"""

helps["account export-token"] = """
type: command
short-summary: Write an access token in the form that a program reads.
long-summary: >-
    Takes the same options as 'az account get-access-token'. --output and --query make no difference, except for
    `--output none`, which writes nothing. On a terminal, the token is written only with --yes.


    bash, fish, powershell and dotenv set AZURE_ACCESS_TOKEN and AZURE_ACCESS_TOKEN_EXPIRES_ON (POSIX time in seconds).
    exec-credential answers in the version that kubectl asks for in KUBERNETES_EXEC_INFO. With git and no resource, the
    token is for Azure DevOps.
examples:
    - name: Set environment variables in bash, zsh and other POSIX shells.
      text: eval "$(az account export-token --format bash)"
    - name: Set environment variables in fish.
      text: az account export-token --format fish | source
    - name: Set environment variables in PowerShell.
      text: az account export-token --format powershell | Out-String | Invoke-Expression
    - name: Answer kubectl, which has this command in its kubeconfig, with a token for AKS.
      text: az account export-token --format exec-credential --resource 6dae42f8-4368-4678-94ff-3960e28e3630
    - name: Give curl the header that it sends.
      text: >-
        az account export-token --format header | curl --header @-
        "https://management.azure.com/subscriptions?api-version=2022-12-01"
    - name: Answer git as a credential helper, with a token for Azure DevOps that lives for 10 minutes at least.
      text: az account export-token --format git --min-validity 10m
"""

helps["account renew"] = """
type: command
short-summary: Renew the federated token and the access tokens of an account before they end.
long-summary: >-
    For jobs that take longer than their tokens live. The federated token is fetched again from where the sign-in
    found it (--federated-token-file or --federated-token-source), and stored for built-in commands; the access tokens
    that are in use are replaced by new ones. Exits with 10 if an access token could not be renewed.
examples:
    - name: Renew the tokens of the active account once.
      text: az account renew
    - name: Keep the tokens of a long job fresh until stopped. In a shell, start it in the background.
      text: az account renew --watch --output none
    - name: Renew the tokens of one service principal in one tenant.
      text: az account renew --username APP_ID --tenant TENANT_ID
"""
