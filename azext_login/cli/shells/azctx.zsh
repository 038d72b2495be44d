# azctx: choose the context of the Azure CLI for this shell, without starting az. Written by
#   az account context hook --shell zsh
# Builtins only: starting a process takes longer than all the rest. The backslashes keep the user's aliases out, and
# `emulate -L zsh` the user's options when it runs. When it is read, they count: so patterns with parentheses are in
# strings, for SH_GLOB. LC_ALL=C lets ranges and upper case be those of ASCII in every locale.

# Set the caller's `names` to the names in the file.
function _azctx_names {
    \emulate -L zsh
    \setopt extended_glob
    \local LC_ALL=C file="${AZURE_CONFIG_DIR:-${HOME-}/.azure}/login_contexts"
    # Dots only, and names of devices on Windows, are no names.
    \local name='[A-Za-z0-9._][A-Za-z0-9._-](#c0,63)' refused='(.##|(#i)(con|prn|aux|nul|(com|lpt)[0-9])(|.*))'
    names=()
    # A regular file only: a pipe would keep the shell waiting.
    if [[ ! -f $file || ! -r $file ]]; then \return 0; fi
    names=(${${(f)"$(<$file)"}%$'\r'})
    names=(${${(M)names:#${~name}}:#${~refused}})
}

function _azctx_refuse {
    \print -r -- "azctx: $1 To list the contexts, run: az account context list" >&2
}

function azctx {
    \emulate -L zsh
    \setopt extended_glob
    \local LC_ALL=C active="${AZURE_LOGIN_CONTEXT-}" wanted same name
    \local usage='usage: azctx [NAME | - | -u | --unset | -h | --help]'
    \local -a names
    if (( $# > 1 )); then \print -r -- "$usage" >&2; \return 2; fi
    _azctx_names
    if (( $# == 0 )); then
        if (( ! $#names )); then
            \print -r -- 'azctx: There is no context. To create one, run: az account context create --name NAME' >&2
            \return 0
        fi
        for name in $names; do
            if [[ ${(L)name} == "${(L)active}" ]]; then \print -r -- "* $name"; else \print -r -- "  $name"; fi
        done
        \return 0
    fi
    case $1 in
    (-h|--help) \print -r -- "$usage"; \return 0 ;;
    (-u|--unset) wanted='' ;;
    (-)
        if (( ! ${+_azctx_previous} )); then _azctx_refuse 'This shell has no previous context.'; \return 1; fi
        wanted=$_azctx_previous
        ;;
    (*) wanted=${1:-?} ;; # The empty word is not a name, and not a way to leave the context either.
    esac
    if [[ -n $wanted ]]; then
        # The word is not repeated: a terminal would obey control characters.
        if [[ $wanted == -* || $wanted == *[^A-Za-z0-9._-]* || $#wanted -gt 64 ]]; then
            _azctx_refuse 'That is not a name of a context.'
            \return 1
        fi
        same="(#i)$wanted"
        names=(${(M)names:#${~same}})
        if (( ! $#names )); then _azctx_refuse "There is no context '$wanted'."; \return 1; fi
        wanted=$names[1]
    fi
    # Not exported, also with `setopt all_export`: another shell has a previous context of its own.
    if [[ $wanted != "$active" ]]; then \typeset -g +x _azctx_previous="$active"; fi
    if [[ -n $wanted ]]; then \export AZURE_LOGIN_CONTEXT="$wanted"; else \unset AZURE_LOGIN_CONTEXT; fi
}

function _azctx {
    \emulate -L zsh
    \local -a names
    if (( CURRENT != 2 )); then \return 0; fi
    _azctx_names
    \compadd -M 'm:{a-zA-Z}={A-Za-z}' -- $names
}

# Without compinit, Tab completes nothing here.
if (( ${+functions[compdef]} )); then compdef _azctx azctx; fi
