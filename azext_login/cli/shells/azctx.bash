# azctx: choose the context of the Azure CLI for this shell, without starting az. Written by
#   az account context hook --shell bash
# For bash 3.2, which macOS has, and later: no ${name,,}, no mapfile, no empty array in "${names[@]}" (set -u).
# Builtins only: starting a process takes longer than all the rest. The backslashes keep the user's aliases out.

\unalias azctx 2>/dev/null || \true

function _azctx_is_name {
    # The characters are listed because the locale decides which ones are in a range.
    case ${1-} in
    '' | -* | *[!aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ0123456789._-]*) \return 1 ;;
    *[!.]*) ;;
    *) \return 1 ;;
    esac
    case ${1%%.*} in
    [cC][oO][nN] | [pP][rR][nN] | [aA][uU][xX] | [nN][uU][lL]) \return 1 ;;
    [cC][oO][mM][0123456789] | [lL][pP][tT][0123456789]) \return 1 ;;
    esac
    ((${#1} <= 64))
}

# Set the caller's `pattern` to one for the name $1 in any case: [dD][eE][vV]. The option nocasematch would do the
# same, and would stay on after Ctrl-C.
function _azctx_pattern {
    \local letters=aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ letter before i
    pattern=
    for ((i = 0; i < ${#1}; i++)); do
        letter=${1:i:1} before=${letters%%"${1:i:1}"*}
        [[ $before == "$letters" ]] || letter="[${letters:${#before} / 2 * 2:2}]"
        pattern+=$letter
    done
}

# Set the caller's `names` to the names in the file that match the pattern $1.
function _azctx_names {
    \local file line
    names=()
    file=${AZURE_CONFIG_DIR:-${HOME-}/.azure}/login_contexts
    # A regular file only: a pipe would keep the shell waiting.
    [[ -f $file && -r $file ]] || \return 0
    while IFS= \read -r line || [[ -n $line ]]; do
        line=${line%$'\r'}
        if [[ $line == $1 ]] && _azctx_is_name "$line"; then names+=("$line"); fi
    done <"$file"
}

function _azctx_refuse {
    \printf 'azctx: %s To list the contexts, run: az account context list\n' "$1" >&2
}

function azctx {
    \local usage='usage: azctx [NAME | - | -u | --unset | -h | --help]'
    \local active="${AZURE_LOGIN_CONTEXT-}" wanted="${1-}" pattern='' names name mark
    if (($# > 1)); then \printf '%s\n' "$usage" >&2; \return 2; fi
    if (($# == 0)); then
        if _azctx_is_name "$active"; then _azctx_pattern "$active"; fi
        _azctx_names '*'
        if [[ -z ${names+x} ]]; then
            \printf '%s\n' 'azctx: There is no context. To create one, run: az account context create --name NAME' >&2
            \return 0
        fi
        for name in "${names[@]}"; do
            if [[ $name == $pattern ]]; then mark='*'; else mark=' '; fi
            \printf '%s %s\n' "$mark" "$name"
        done
        \return 0
    fi
    case $wanted in
    -h | --help) \printf '%s\n' "$usage"; \return 0 ;;
    -u | --unset) wanted= ;;
    -)
        if [[ -z ${_azctx_previous+x} ]]; then _azctx_refuse 'This shell has no previous context.'; \return 1; fi
        wanted=$_azctx_previous
        ;;
    '') wanted='?' ;; # Not a name, and not a way to leave the context either.
    esac
    if [[ -n $wanted ]]; then
        # The word is not repeated: a terminal would obey control characters.
        _azctx_is_name "$wanted" || { _azctx_refuse 'That is not a name of a context.'; \return 1; }
        _azctx_pattern "$wanted"
        _azctx_names "$pattern"
        [[ -n ${names+x} ]] || { _azctx_refuse "There is no context '$wanted'."; \return 1; }
        wanted=${names[0]}
    fi
    # Not exported, also with `set -a`: another shell has a previous context of its own.
    if [[ $wanted != "$active" ]]; then _azctx_previous=$active && \export -n _azctx_previous; fi
    if [[ -n $wanted ]]; then \export AZURE_LOGIN_CONTEXT="$wanted"; else \unset AZURE_LOGIN_CONTEXT; fi
}

function _azctx_complete {
    \local word="${COMP_WORDS[COMP_CWORD]-}" pattern names
    COMPREPLY=()
    if ((COMP_CWORD != 1)); then \return 0; fi
    if [[ -n $word ]] && ! _azctx_is_name "$word"; then \return 0; fi
    _azctx_pattern "$word"
    _azctx_names "$pattern*"
    if [[ -n ${names+x} ]]; then COMPREPLY=("${names[@]}"); fi
}

\complete -F _azctx_complete azctx 2>/dev/null || \true
