# azctx: choose the context of the Azure CLI for this shell, without starting az. Written by
#   az account context hook --shell bash
# For bash 3.2, which macOS has, and later: no ${name,,}, no mapfile, no empty array in "${names[@]}" (set -u).
# Builtins only: starting a process takes longer than all the rest. The backslashes keep the user's aliases out.
# `local` fails for a variable that the user has made readonly, so the names of ours have a prefix.

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

# Set the caller's `azctx_pattern` to one for the name $1 in any case: [dD][eE][vV]. The option nocasematch would do the
# same, and would stay on after Ctrl-C.
function _azctx_pattern {
    \local azctx_letters=aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ azctx_letter azctx_before azctx_i
    azctx_pattern=
    for ((azctx_i = 0; azctx_i < ${#1}; azctx_i++)); do
        azctx_letter=${1:azctx_i:1} azctx_before=${azctx_letters%%"${1:azctx_i:1}"*}
        [[ $azctx_before == "$azctx_letters" ]] || azctx_letter="[${azctx_letters:${#azctx_before} / 2 * 2:2}]"
        azctx_pattern+=$azctx_letter
    done
}

# Set the caller's `azctx_names` to the names in the file that match the pattern $1.
function _azctx_names {
    \local azctx_file azctx_line
    azctx_names=()
    azctx_file=${AZURE_CONFIG_DIR:-${HOME-}/.azure}/login_contexts
    # A regular file only: a pipe would keep the shell waiting.
    [[ -f $azctx_file && -r $azctx_file ]] || \return 0
    while IFS= \read -r azctx_line || [[ -n $azctx_line ]]; do
        azctx_line=${azctx_line%$'\r'}
        if [[ $azctx_line == $1 ]] && _azctx_is_name "$azctx_line"; then azctx_names+=("$azctx_line"); fi
    done <"$azctx_file"
}

function _azctx_refuse {
    \printf 'azctx: %s To list the contexts, run: az account context list\n' "$1" >&2
}

function azctx {
    \local azctx_usage='usage: azctx [NAME | - | -u | --unset | -h | --help]'
    \local azctx_active="${AZURE_LOGIN_CONTEXT-}" azctx_wanted="${1-}"
    \local azctx_pattern='' azctx_names azctx_name azctx_mark
    if (($# > 1)); then \printf '%s\n' "$azctx_usage" >&2; \return 2; fi
    if (($# == 0)); then
        if _azctx_is_name "$azctx_active"; then _azctx_pattern "$azctx_active"; fi
        _azctx_names '*'
        if [[ -z ${azctx_names+x} ]]; then
            \printf '%s\n' 'azctx: There is no context. To create one, run: az account context create --name NAME' >&2
            \return 0
        fi
        for azctx_name in "${azctx_names[@]}"; do
            if [[ $azctx_name == $azctx_pattern ]]; then azctx_mark='*'; else azctx_mark=' '; fi
            \printf '%s %s\n' "$azctx_mark" "$azctx_name"
        done
        \return 0
    fi
    case $azctx_wanted in
    -h | --help) \printf '%s\n' "$azctx_usage"; \return 0 ;;
    -u | --unset) azctx_wanted= ;;
    -)
        if [[ -z ${_azctx_previous+x} ]]; then _azctx_refuse 'This shell has no previous context.'; \return 1; fi
        azctx_wanted=$_azctx_previous
        ;;
    '') azctx_wanted='?' ;; # Not a name, and not a way to leave the context either.
    esac
    if [[ -n $azctx_wanted ]]; then
        # The word is not repeated: a terminal would obey control characters.
        _azctx_is_name "$azctx_wanted" || { _azctx_refuse 'That is not a name of a context.'; \return 1; }
        _azctx_pattern "$azctx_wanted"
        _azctx_names "$azctx_pattern"
        [[ -n ${azctx_names+x} ]] || { _azctx_refuse "There is no context '$azctx_wanted'."; \return 1; }
        azctx_wanted=${azctx_names[0]}
    fi
    # Not exported, also with `set -a`: another shell has a previous context of its own.
    if [[ $azctx_wanted != "$azctx_active" ]]; then _azctx_previous=$azctx_active && \export -n _azctx_previous; fi
    if [[ -n $azctx_wanted ]]; then \export AZURE_LOGIN_CONTEXT="$azctx_wanted"; else \unset AZURE_LOGIN_CONTEXT; fi
}

function _azctx_complete {
    \local azctx_word="${COMP_WORDS[COMP_CWORD]-}" azctx_pattern azctx_names
    COMPREPLY=()
    if ((COMP_CWORD != 1)); then \return 0; fi
    if [[ -n $azctx_word ]] && ! _azctx_is_name "$azctx_word"; then \return 0; fi
    _azctx_pattern "$azctx_word"
    _azctx_names "$azctx_pattern*"
    if [[ -n ${azctx_names+x} ]]; then COMPREPLY=("${azctx_names[@]}"); fi
}

\complete -F _azctx_complete azctx 2>/dev/null || \true
