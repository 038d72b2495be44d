"""The help texts of our commands.

`helps` is one dictionary for the whole CLI. Only our commands are set: the entry of the group `account` also describes
subgroups of other modules. The help of an option is part of its declaration (`azext_login.cli.options`).
"""

from __future__ import annotations

from knack.help_files import helps

helps["login"] = """
type: command
short-summary: Log in to Azure.
long-summary: >-
    Without arguments, users sign in with a web browser: Web Account Manager on Windows, the default browser on Linux
    and macOS. If no browser can be opened, the command shows a code to enter in a browser on any device.


    If the browser shows "The connection for this site is not secure" after the sign-in, a site once told it to use
    https for localhost. The command detects this, explains how to fix it in Edge and Chrome, and accepts the address
    that the browser ends up on instead: copy it from the address bar, paste it into the terminal and press Enter.


    All tenants are asked for their subscriptions at the same time. A table lists the tenants that do not answer, or
    that require another sign-in, with the command to run for each. To exclude tenants once, name them with
    --exclude-tenant. To exclude them every time, run `az config set login.exclude_tenants="TENANT TENANT"`.


    The default subscription is the first of these that exists: the one that --subscription names; the one that was
    active before; the one that you last chose in that tenant; the one that the setting login.default_subscription
    names; the first enabled one. To change the setting, run
    `az config set login.default_subscription="SUBSCRIPTION"`.


    To keep a password or a secret off the command line and out of the shell's history, let az read it from standard
    input with `--password=@-`, or from a file with `--password=@FILE`.


    [WARNING] Authentication with a user name and a password is strongly discouraged. It does not work with
    Microsoft accounts, nor with accounts that need a second factor.


    To log in with a service principal, specify --service-principal. To log in with a managed identity, specify
    --identity. To log in with a credential from environment variables, as the Azure SDKs do, specify
    --from-env.


    A federated token expires within minutes. With --federated-token-file or --federated-token-source, every az command
    fetches a new one when it needs it. Built-in commands do so with the help of this extension, unless the setting
    login.every_command is off.
examples:
    - name: Log in with a web browser.
      text: az login
    - name: Log in to one tenant, by its domain name or its ID.
      text: az login --tenant contoso.onmicrosoft.com
    - name: Print the address to open, if no browser can be started from this terminal.
      text: az login --no-browser
    - name: Log in with a code that you enter in a browser on any device.
      text: az login --use-device-code
    - name: Log in with a user name. The command asks for the password.
      text: az login --username johndoe@contoso.com
    - name: >-
        Log in with a password from standard input, so that no history and no list of processes shows it. If you specify
        a password that begins with '-', write --password=VALUE.
      text: az login --username johndoe@contoso.com --password=@-
    - name: >-
        Log in with a service principal and a client secret from standard input. If you specify a secret that begins
        with '-', write --password=VALUE.
      text: az login --service-principal --username APP_ID --password=@- --tenant TENANT_ID
    - name: Log in with a service principal and a certificate.
      text: az login --service-principal --username APP_ID --certificate /path/to/cert.pem --tenant TENANT_ID
    - name: Log in with a service principal and a PFX certificate, with its passphrase from a file.
      text: az login --service-principal --username APP_ID --certificate cert.pfx --password=@FILE --tenant TENANT_ID
    - name: "Log in from a job of GitHub Actions that has the permission 'id-token: write'."
      text: az login --service-principal --username APP_ID --tenant TENANT_ID --federated-token-source github
    - name: Log in from a step of Azure Pipelines with SYSTEM_ACCESSTOKEN in its environment.
      text: >-
        az login --service-principal --username APP_ID --tenant TENANT_ID --federated-token-source azure-pipelines
        --service-connection-id CONNECTION_ID
    - name: Log in with a federated token from a file that another program keeps up to date.
      text: az login --service-principal --username APP_ID --tenant TENANT_ID --federated-token-file /path/to/token
    - name: Log in with a credential that a program prints. Every command that needs a new one runs the program.
      text: >-
        az login --service-principal --username APP_ID --tenant TENANT_ID --credential-source command
        --source-arg "command=/usr/local/bin/get-credential --for deploy"
    - name: Log in with an application that trusts the managed identity of this computer.
      text: >-
        az login --service-principal --username APP_ID --tenant TENANT_ID --credential-source managed-identity
        --source-arg client_id=00000000-0000-0000-0000-000000000000
    - name: Log in with an access token from standard input. Commands work until it expires.
      text: az login --access-token=@-
    - name: Log in with a credential from environment variables, for example in a pod of AKS.
      text: az login --from-env
    - name: Log in to an application of your own, to get its tokens. The Azure CLI stays logged in as before.
      text: az login --app-client-id 00000000-0000-0000-0000-000000000000 --scope https://vault.azure.net/.default
    - name: Log in with the system-assigned managed identity of this computer.
      text: az login --identity
    - name: Log in with a user-assigned managed identity.
      text: az login --identity --client-id 00000000-0000-0000-0000-000000000000
    - name: Log in and make a subscription the default.
      text: az login --subscription "My Subscription"
    - name: Log in and exclude a tenant from the search for subscriptions.
      text: az login --exclude-tenant fabrikam.com
    - name: Log in and read only one subscription, which is the fastest way if you have many.
      text: az login --tenant TENANT_ID --skip-subscription-discovery --subscription SUBSCRIPTION_ID
    - name: Log in to a tenant without a subscription, for example for 'az ad'.
      text: az login --tenant TENANT_ID --allow-no-subscriptions
"""

helps["logout"] = """
type: command
short-summary: Log out to remove access to Azure subscriptions.
long-summary: >-
    Removes the account's tokens, secrets and subscriptions from this computer, in every cloud. Needs no network.
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


    With --refresh, the tenants of every signed-in account are read again. If a tenant does not answer, or is excluded
    with --exclude-tenant or the setting login.exclude_tenants, its subscriptions stay as they are. --show-refresh
    shows when and why the last refresh of a subscription's tenant failed.
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
    - name: List the subscriptions whose tenant could not be read in the last refresh.
      text: az account list --show-refresh --query "[?refreshFailure]"
    - name: List a subscription once for each account and tenant that can use it.
      text: az account list --all-identities --output table
    - name: Print the ID of a subscription.
      text: az account list --query "[?name=='My Subscription'].id" --output tsv
"""

helps["account set"] = """
type: command
short-summary: Set a subscription to be the current active subscription.
long-summary: >-
    On a terminal, `az account set` without arguments lets you choose from a list. To search the list, type a part of
    the name, the ID, the tenant or the account.


    The choice is stored for every shell. To choose for one shell only, set the environment variables
    AZURE_LOGIN_ACCOUNT (a user name or an application ID) and AZURE_LOGIN_SUBSCRIPTION (a name or an ID) instead.
    Every az command in that shell follows them, unless the setting login.every_command is off. To give such a choice a
    name, for a shell or a directory, see `az account context --help`.
examples:
    - name: Choose a subscription by name.
      text: az account set --subscription "My Subscription"
    - name: Go back to the subscription that was active before.
      text: az account set --subscription -
    - name: Use a subscription as another signed-in account.
      text: az account set --subscription "My Subscription" --username johndoe@contoso.com
    - name: Choose a subscription by ID.
      text: az account set --subscription 00000000-0000-0000-0000-000000000000
"""

helps["account show"] = """
type: command
short-summary: Get the details of a subscription.
long-summary: >-
    If the subscription isn't specified, shows the details of the default subscription. The environment variables
    AZURE_LOGIN_ACCOUNT and AZURE_LOGIN_SUBSCRIPTION choose another default for one shell, and so does a context. If
    they do, a line on standard error reports that.
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
    Removes every account with its tokens and secrets from this computer. Needs no network. To log out one account,
    use 'az logout'.
examples:
    - name: Remove all accounts.
      text: az account clear
"""

helps["account get-access-token"] = """
type: command
short-summary: Get a token for utilities to access Azure.
long-summary: >-
    The token is valid for at least 5 minutes, or for the time of --min-validity. Without a subscription, a tenant or a
    user name, it is a token of the current account.


    In the output, `expires_on` is a POSIX timestamp (UTC) and `expiresOn` is a local date and time. Programs should
    use `expires_on`: the local time is ambiguous when daylight saving time ends.


    A cached token that is valid for that long is returned without a request. If the sign-in service cannot be reached,
    a token that expires in less than 5 minutes is returned too, with a warning. When several programs need a new token
    at the same time, one of them requests it for all.


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
    - name: Get an access token that is valid for at least half an hour.
      text: az account get-access-token --min-validity 30m
    - name: Get a new access token after a role was assigned.
      text: az account get-access-token --force-refresh
    - name: Get an access token of another account that is signed in.
      text: az account get-access-token --username johndoe@contoso.com
    - name: Get an access token of an application of your own, to which you have logged in.
      text: >-
        az account get-access-token --app-client-id 00000000-0000-0000-0000-000000000000
        --scope https://vault.azure.net/.default
"""

helps["account export-token"] = """
type: command
short-summary: Write an access token in the form that a program reads.
long-summary: >-
    Takes the same options as 'az account get-access-token'. --output and --query have no effect, except for
    `--output none`, which writes nothing. On a terminal, the token is written only with --yes.


    bash, fish, powershell and dotenv set AZURE_ACCESS_TOKEN and AZURE_ACCESS_TOKEN_EXPIRES_ON (POSIX time in seconds).
    exec-credential writes the version that kubectl requests in KUBERNETES_EXEC_INFO. With git and no resource, the
    token is for Azure DevOps. git's request on standard input is answered if it is for https and a host of Azure
    DevOps, or one of --allow-host; otherwise nothing is written.
examples:
    - name: Set environment variables in bash, zsh and other POSIX shells.
      text: eval "$(az account export-token --format bash)"
    - name: Set environment variables in fish.
      text: az account export-token --format fish | source
    - name: Set environment variables in PowerShell.
      text: az account export-token --format powershell | Out-String | Invoke-Expression
    - name: Give kubectl a token for AKS. Put this command into the kubeconfig.
      text: az account export-token --format exec-credential --resource 6dae42f8-4368-4678-94ff-3960e28e3630
    - name: Give curl the header to send.
      text: >-
        az account export-token --format header | curl --header @-
        "https://management.azure.com/subscriptions?api-version=2022-12-01"
    - name: Serve git as a credential helper, with a token for Azure DevOps that is valid for at least 10 minutes.
      text: az account export-token --format git --min-validity 10m
    - name: Serve git with a token for a host of your own too.
      text: az account export-token --format git --resource API_ID --allow-host git.contoso.com
"""

helps["account token-helper"] = """
type: group
short-summary: Install az-token, which gives programs a token without starting az.
"""

helps["account token-helper install"] = """
type: command
short-summary: Write a launcher of az-token into a directory on the PATH.
long-summary: >-
    The extension contains the program `az-token`. It has the options and the output of `az account export-token`, and
    with `--format json` those of `az account get-access-token`. It takes a token from the cache without starting az,
    within a fraction of the time: `az-token --format header`. Whatever else is needed, such as a new token, it leaves
    to az.


    The launcher is a small script that names the Python that az runs with, and the installed extension. It stays valid
    when the extension is updated. Run the command again when the Azure CLI was moved, or installed in another way. A
    program of this name that the extension did not write is never replaced.


    The command needs no account and no network.
examples:
    - name: Install az-token into ~/.local/bin.
      text: az account token-helper install
    - name: Install it into another directory, for example for every user of a container image.
      text: az account token-helper install --to /usr/local/bin
"""

helps["account token-helper uninstall"] = """
type: command
short-summary: Remove the launcher of az-token.
long-summary: >-
    Only a launcher that the extension wrote is removed. Do this before you remove the extension: a launcher that is
    left then fails with an error.
examples:
    - name: Remove the launcher from ~/.local/bin.
      text: az account token-helper uninstall
    - name: Remove it from another directory.
      text: az account token-helper uninstall --to /usr/local/bin
"""

helps["account token-helper status"] = """
type: command
short-summary: List the programs called az-token, what they start, and which of them the name starts.
long-summary: >-
    The command looks in ~/.local/bin, in every directory on the PATH, and in the one that --to names. The state is
    `ready`; `broken`, if the launcher names a file that is missing; `other installation`, if it starts another Azure
    CLI or another extension than those that run this command; or `other program`, if the extension did not write it.
examples:
    - name: List them.
      text: az account token-helper status --output table
    - name: Look in another directory too.
      text: az account token-helper status --to /opt/tools/bin
"""

helps["account serve-tokens"] = """
type: command
short-summary: Serve access tokens to a command or a container, which finds them as those of a managed identity.
long-summary: >-
    The endpoint speaks the managed identity protocol of App Service. ManagedIdentityCredential and
    DefaultAzureCredential of the Azure SDKs, and `az login --identity`, use it without any change. Write the command
    after --. It runs with IDENTITY_ENDPOINT and IDENTITY_HEADER, a secret that is new in each run, and without the
    variables of other credentials. The endpoint ends with the command; the exit code is that of the command.


    Without a command, both variables are printed on standard output, as `docker run --env-file` reads them, and tokens
    are served until Ctrl-C or SIGTERM. Every program that has the secret gets tokens: keep it out of command lines,
    images and logs.


    The account is the active one when the command starts, or the one that the options name. It stays the same in the
    run. Once it signs out, no more tokens are served. Tokens are for the resources in --allow-resource, and for nothing
    else. Without the option, these are the resources in the settings of the cloud, such as Azure Resource Manager,
    Microsoft Graph, Key Vault, SQL and Storage. Requests are reported on standard error, tokens never are. --output has
    no effect.
examples:
    - name: Run a program with the Azure SDK for Python.
      text: PYTHONUNBUFFERED=1 az account serve-tokens -- python3 job.py
    - name: Serve Key Vault tokens alone, of another account.
      text: >-
        ENV=dev az account serve-tokens --username bob@contoso.com --allow-resource https://vault.azure.net -- ./job.sh
    - name: Serve tokens to containers on the bridge of Docker that run with `--env-file endpoint.env`.
      text: umask 077; az account serve-tokens --bind 172.17.0.1 > endpoint.env
"""

helps["account renew"] = """
type: command
short-summary: Renew the federated token and the access tokens of an account before they expire.
long-summary: >-
    For programs that read the token cache without starting az, in jobs that take longer than the lifetime of their
    tokens. Every az command renews by itself what it needs, unless the setting login.every_command is off.


    The federated token is fetched again from the file or service that the sign-in used (--federated-token-file or
    --federated-token-source), and stored for these programs. The access tokens that were used within the last hour are
    replaced by new ones. The exit code is 10 if an access token could not be renewed.
examples:
    - name: Renew the tokens of the active account once.
      text: az account renew
    - name: Renew the tokens of a long job until the command is stopped. In a shell, start it in the background.
      text: az account renew --watch --output none
    - name: Renew the tokens of one service principal in one tenant.
      text: az account renew --username APP_ID --tenant TENANT_ID
"""

helps["account status"] = """
type: command
short-summary: Check whether the accounts work now, and show what to run if they do not.
long-summary: >-
    Requests a new token for every account in each of its tenants, at the same time, and checks what a request depends
    on: the files and locks of the config directory, the network, the clock of this computer, and whether built-in
    commands can use the accounts. Nothing that is stored changes, except that a new token is stored as usual. The
    output contains no token and no secret, so it can be pasted into an issue.


    The exit code is that of the worst finding: 0 everything works, 10 not signed in, 11 expired or revoked, 12 the user
    has to act (second factor, password, conditional access), 13 consent is missing, 14 the account is disabled or
    locked, 15 offline, 16 the clock is wrong, 17 the stored tokens cannot be read or are locked, 18 built-in commands
    would fail, 19 refused for another reason. The result is printed in any case.
examples:
    - name: Check everything, and show a table.
      text: az account status --output table
    - name: Check in a script whether tokens can be obtained.
      text: az account status --check token --output none
    - name: Check one account in one tenant for Microsoft Graph.
      text: az account status --username alice@contoso.com --tenant contoso.com --scope https://graph.microsoft.com/.default
    - name: Fix access modes, damaged files and lock files that were left, without a question.
      text: az account status --fix --yes
    - name: Check without the network whether valid tokens are cached.
      text: az account status --check token --offline
"""

helps["account context"] = """
type: group
short-summary: Manage contexts, which are names for an account and a subscription.
long-summary: >-
    A context chooses a cloud, an account, a tenant and a subscription by one name: in one shell, in one directory, or
    for one command. It contains no token and no secret. Every az command follows it, unless the setting
    login.every_command is off.


    The first of these decides: the options of the command; the environment variables AZURE_LOGIN_ACCOUNT and
    AZURE_LOGIN_SUBSCRIPTION; the context in the environment variable AZURE_LOGIN_CONTEXT; the context in the nearest
    file .azure-context, in the working directory or its parents up to the home directory, if it was allowed; what
    `az account set` or `az account context use` has stored.


    A context whose account is not signed in, or that does not exist, is an error. Another account never takes its
    place.
"""

helps["account context list"] = """
type: command
short-summary: List the contexts.
long-summary: >-
    isActive tells whether a context decides here, and reason why: variable (AZURE_LOGIN_CONTEXT), directory (a file
    .azure-context), or stored (it stands for the stored default). origin is the variable or the path of the file.
examples:
    - name: List the contexts, and which one is active and why.
      text: az account context list --output table
    - name: Print the names of the contexts whose account is not signed in.
      text: az account context list --query "[?!isSignedIn].name" --output tsv
"""

helps["account context show"] = """
type: command
short-summary: Show a context, or what is active here and why.
long-summary: >-
    Without a name, shows the context that decides here. If none does, name is null, and the account and the
    subscription are those that environment variables choose (reason is variables) or that are stored (reason is
    stored). The exit code is 3 if there is no context with the name.
examples:
    - name: Show what is active in this shell and this directory, and why.
      text: az account context show
    - name: Show a context.
      text: az account context show --name production
    - name: Print what decides here.
      text: az account context show --query reason --output tsv
"""

helps["account context create"] = """
type: command
short-summary: Create a context.
long-summary: >-
    Without options, the context stands for what is active now. The account has to be signed in.
examples:
    - name: Create a context for what is active now.
      text: az account context create --name development
    - name: Create a context for a subscription of another signed-in account.
      text: >-
        az account context create --name production --subscription "My Subscription"
        --username johndoe@contoso.com
"""

helps["account context update"] = """
type: command
short-summary: Let a context stand for another subscription, account or tenant.
long-summary: >-
    What is not given stays as it is. The cloud of a context cannot be changed.
examples:
    - name: Let a context stand for another subscription of its account.
      text: az account context update --name production --subscription "My Subscription"
    - name: Let a context use its subscription as another signed-in account.
      text: az account context update --name production --username johndoe@contoso.com
"""

helps["account context rename"] = """
type: command
short-summary: Rename a context.
examples:
    - name: Rename a context.
      text: az account context rename --name production --new-name live
"""

helps["account context delete"] = """
type: command
short-summary: Delete a context.
long-summary: >-
    Its account stays signed in, and the stored default stays as it is.
examples:
    - name: Delete a context without a question.
      text: az account context delete --name production --yes
"""

helps["account context use"] = """
type: command
short-summary: Make the subscription of a context the active one for every shell.
long-summary: >-
    The choice is stored, like that of `az account set`. If the context is for another cloud, that cloud becomes the
    active one, like with `az cloud set`. To choose a context for one shell only, use the function that
    `az account context hook` prints, or set the environment variable AZURE_LOGIN_CONTEXT to its name.


    On a terminal, the command without a name lets you choose from a list.
examples:
    - name: Use a context in every shell without a context of its own.
      text: az account context use --name production
"""

helps["account context allow"] = """
type: command
short-summary: Let the nearest file .azure-context choose a context.
long-summary: >-
    A file .azure-context in a directory contains the name of a context. It has no effect before you allow it, so that
    a repository that you clone cannot choose an account. What is allowed is this directory with this name: after the
    file has changed, it has no effect again. To ignore all these files, run
    `az config set login.directory_contexts=off`.
examples:
    - name: Allow the file of the working directory, or the nearest one in its parents.
      text: az account context allow
    - name: Do not let it choose a context any more.
      text: az account context allow --revoke
"""

helps["account context pin"] = """
type: command
short-summary: Let the working directory choose a context.
long-summary: >-
    Writes the file .azure-context with the name of the context, and allows it. It decides in the directory and in
    those below, where no variable does.
examples:
    - name: Use a context in the working directory.
      text: az account context pin --name production
"""

# azdev parses examples that begin with "az", and does not know that what follows -- is not for the Azure CLI. These
# begin with a variable for the command.
helps["account context run"] = """
type: command
short-summary: Run a command in a context, or in a config directory of its own.
long-summary: >-
    Write the command after --. With --context, every az that it starts uses the account and the subscription of the
    context, and nothing changes for other commands. The exit code is that of the command; 127 if it was not found, and
    126 if it cannot be run.


    With --isolated, the command has a new config directory (AZURE_CONFIG_DIR) with the installed extensions. No account
    is signed in there, or with --from the account of a context alone: its subscriptions in the cloud of the context,
    its tokens, and the credential of a service principal. Settings and clouds that the command changes are its own.
    Afterwards the directory is removed, and everything in it is lost: new sign-ins and renewed tokens too. If az is
    killed, the next isolated run removes the directory, but not while the command is still running.


    Tokens and secrets in that directory are not encrypted on Linux and macOS, where the Azure CLI has one keyring entry
    for all config directories. Only this user can read them.


    The command receives its words as they are. Before this extension is loaded, however, the Azure CLI opens what words
    such as @FILE name, writes its own debug log if one of them is --debug, and refuses --only-show-errors together
    with --debug or --verbose. If the command needs such words, write all of it as one word for a shell:
    `sh -c 'COMMAND'`.
examples:
    - name: Run a command in the context dev.
      text: TF_WORKSPACE=dev az account context run --context dev -- terraform plan
    - name: Run a command that cannot see other accounts, and leaves no sign-in behind.
      text: CI=true az account context run --isolated --from dev -- ./deploy.sh
    - name: Run a script that signs in by itself, without any account before and after it.
      text: CI=true az account context run --isolated -- ./job.sh
    - name: Run a command that reads standard input by a word that the Azure CLI would read too.
      text: LANG=C az account context run --context dev -- sh -c 'curl --data @- https://contoso.com'
"""

helps["account context hook"] = """
type: command
short-summary: Print a function for the profile of a shell, which chooses the context of that shell.
long-summary: >-
    The function `azctx` sets the environment variable AZURE_LOGIN_CONTEXT, and does not start az. `azctx NAME` chooses
    a context, `azctx -` returns to the previous one, `azctx --unset` leaves it, and `azctx` lists the contexts. Tab
    completes names. In zsh, evaluate the script after compinit.


    The command needs no account and no network. To save its time in every new shell, store the script in a file, and
    let the profile read that file. Store it again after an update of the extension. --output has no effect.
examples:
    - name: Define the function in bash. Add this line to ~/.bashrc.
      text: eval "$(az account context hook --shell bash)"
    - name: Define the function in zsh. Add this line to ~/.zshrc, after compinit.
      text: eval "$(az account context hook --shell zsh)"
    - name: Define the function in fish. Add this line to ~/.config/fish/config.fish.
      text: az account context hook --shell fish | source
    - name: Define the function in PowerShell. Add this line to the file that $PROFILE names.
      text: az account context hook --shell powershell | Out-String | Invoke-Expression
"""
