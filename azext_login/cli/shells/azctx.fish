# azctx: choose the context of the Azure CLI for this shell, without starting az. Written by
#   az account context hook --shell fish
# Builtins only: starting a process takes longer than all the rest.

# Print those of the arguments that are names.
function _azctx_filter
    string match -r -- '\A(?!-)(?!\.+\z)(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\z))[A-Za-z0-9._-]{1,64}\z' $argv
end

function _azctx_names
    set -l IFS \n # If the user's is empty, (command) is one text with all lines.
    set -l file "$HOME/.azure/login_contexts"
    if test -n "$AZURE_CONFIG_DIR"
        set file "$AZURE_CONFIG_DIR/login_contexts"
    end
    # A regular file only: a pipe would keep the shell waiting.
    if test -f "$file" -a -r "$file"
        _azctx_filter (string replace -r '\r\z' '' <"$file")
    end
    return 0
end

function _azctx_refuse
    echo "azctx: $argv To list the contexts, run: az account context list" >&2
end

function azctx --description 'Choose the context of the Azure CLI for this shell'
    set -l IFS \n
    set -l usage 'usage: azctx [NAME | - | -u | --unset | -h | --help]'
    if test (count $argv) -gt 1
        echo $usage >&2
        return 2
    end
    set -l names (_azctx_names)
    if test (count $argv) -eq 0
        if test (count $names) -eq 0
            echo 'azctx: There is no context. To create one, run: az account context create --name NAME' >&2
            return 0
        end
        # Not `string lower`, which follows the locale: in Turkish, I and i are different letters.
        set -l active (_azctx_filter "$AZURE_LOGIN_CONTEXT" | string escape --style=regex)
        for name in $names
            if string match -qri -- "\A$active\z" $name
                echo "* $name"
            else
                echo "  $name"
            end
        end
        return 0
    end
    set -l wanted $argv[1]
    switch "$wanted"
        case -h --help
            echo $usage
            return 0
        case -u --unset
            set wanted
        case -
            if not set -q _azctx_previous
                _azctx_refuse 'This shell has no previous context.'
                return 1
            end
            set wanted $_azctx_previous
    end
    if set -q wanted[1]
        if not _azctx_filter "$wanted" >/dev/null
            # The word is not repeated: a terminal would obey control characters.
            _azctx_refuse 'That is not a name of a context.'
            return 1
        end
        set -l found (string match -ri -- '\A'(string escape --style=regex -- $wanted)'\z' $names)
        if not set -q found[1]
            _azctx_refuse "There is no context '$wanted'."
            return 1
        end
        set wanted $found[1]
    end
    # Not exported: another shell has a previous context of its own. Without a context, it is an empty list.
    if test "$wanted" != "$AZURE_LOGIN_CONTEXT"
        set -gu _azctx_previous
        test -n "$AZURE_LOGIN_CONTEXT"; and set -gu _azctx_previous $AZURE_LOGIN_CONTEXT
    end
    if set -q wanted[1]
        set -gx AZURE_LOGIN_CONTEXT $wanted
    else
        set -eg AZURE_LOGIN_CONTEXT
        # A universal variable is that of every shell. An empty one hides it, and counts as not set.
        test -n "$AZURE_LOGIN_CONTEXT"; and set -gx AZURE_LOGIN_CONTEXT ''
    end
    return 0
end

complete -c azctx -e
complete -c azctx -f
complete -c azctx -n 'test (count (commandline -opc)) -eq 1' -a '(_azctx_names)'
