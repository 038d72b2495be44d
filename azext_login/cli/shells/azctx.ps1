# azctx: choose the context of the Azure CLI for this shell, without starting az. Written by
#   az account context hook --shell powershell
# For Windows PowerShell 5.1 and PowerShell 7, also with Set-StrictMode -Version Latest.

function _azctx_is_name([string] $Name) {
    # -cnotmatch: without case, U+212A would be a K. \z: $ would ignore a line end.
    if ($Name -cnotmatch '\A(?!-)(?!\.+\z)[A-Za-z0-9._-]{1,64}\z') { return $false }
    return $Name -cnotmatch '\A(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\z)'
}

function _azctx_names {
    $directory = if ($env:AZURE_CONFIG_DIR) { $env:AZURE_CONFIG_DIR } else { Join-Path $HOME '.azure' }
    $file = Join-Path $directory 'login_contexts'
    if (-not (Test-Path -LiteralPath $file -PathType Leaf)) { return }
    # -Raw: otherwise a carriage return inside a line would begin another one.
    $text = Get-Content -LiteralPath $file -Raw -Encoding UTF8 -ErrorAction SilentlyContinue
    foreach ($line in ([string] $text -split "`n")) {
        $line = $line -replace '\r\z', ''
        if (_azctx_is_name $line) { $line }
    }
}

function azctx {
    # A [string] keeps 007 and 1.0 as they were typed; in $args they would be numbers.
    [CmdletBinding()]
    param(
        [Parameter(Position = 0)] [AllowEmptyString()] [string] $Name,
        [Parameter(ValueFromRemainingArguments)] [string[]] $More,
        [Alias('u')] [switch] $Unset,
        [Alias('h')] [switch] $Help
    )
    $usage = 'usage: azctx [NAME | - | -u | --unset | -h | --help]'
    $advice = 'To list the contexts, run: az account context list'
    # An error of PowerShell: $ErrorActionPreference = 'Stop' stops the script, which would go on in the wrong context.
    $fail = {
        param([string] $Message, [int] $Code)
        $global:LASTEXITCODE = $Code
        $record = New-Object System.Management.Automation.ErrorRecord (
            (New-Object System.ArgumentException $Message), 'azctx', 'InvalidArgument', $null)
        $PSCmdlet.WriteError($record)
    }
    $isGiven = $PSBoundParameters.ContainsKey('Name')
    if ($isGiven -and $Name -ceq '--unset') { $Unset = $true; $isGiven = $false }
    if ($isGiven -and $Name -ceq '--help') { $Help = $true; $isGiven = $false }
    if ($More -or ([int] $isGiven + [int] [bool] $Unset + [int] [bool] $Help) -gt 1) { & $fail $usage 2; return }
    if ($Help) { $usage; return }
    $active = [string] $env:AZURE_LOGIN_CONTEXT
    $names = @(_azctx_names)
    if (-not $isGiven -and -not $Unset) {
        if (-not $names) {
            $message = 'azctx: There is no context. To create one, run: az account context create --name NAME'
            [Console]::Error.WriteLine($message)
        }
        foreach ($each in $names) {
            if ([string]::Equals($each, $active, 'OrdinalIgnoreCase')) { "* $each" } else { "  $each" }
        }
        return
    }
    $wanted = $Name
    if ($Name -ceq '-') {
        $previous = Get-Variable -Name AzctxPrevious -Scope Global -ErrorAction SilentlyContinue
        if (-not $previous) { & $fail "azctx: This shell has no previous context. $advice" 1; return }
        $wanted = [string] $previous.Value
    }
    $leaves = $Unset -or ($Name -ceq '-' -and -not $wanted)
    if (-not $leaves) {
        # It is not repeated: a terminal would obey control characters.
        if (-not (_azctx_is_name $wanted)) { & $fail "azctx: That is not a name of a context. $advice" 1; return }
        $found = @($names | Where-Object { [string]::Equals($_, $wanted, 'OrdinalIgnoreCase') })
        if (-not $found) { & $fail "azctx: There is no context '$wanted'. $advice" 1; return }
        $wanted = $found[0]
    }
    if ($wanted -cne $active) { $global:AzctxPrevious = $active }
    # $null removes the variable.
    $env:AZURE_LOGIN_CONTEXT = if ($leaves) { $null } else { $wanted }
}

Register-ArgumentCompleter -CommandName azctx -ParameterName Name -ScriptBlock {
    param($commandName, $parameterName, $wordToComplete)
    _azctx_names | Where-Object { $_.StartsWith($wordToComplete, [StringComparison]::OrdinalIgnoreCase) }
}
