# bash completion for kahu                                 -*- shell-script -*-
# SPDX-License-Identifier: MIT

_kahu_commands="run compile setup"
_kahu_run_options="-e -O0 -O1 -O2 -g0 -g1 -g2 --codegen --virtual-time --precise
    --min-wait --strict-wakes --preload --max-defer-depth --strict-defer-depth
    --gc-pace --stats --version -h --help"
_kahu_compile_options="-o --output --include -v --verbose"
_kahu_setup_options="--editor --update --dry-run -h --help"

# Directories, and files that hold Luau.
_kahu_scripts() {
    local name
    while IFS= read -r name; do
        if [[ -d $name || $name == *.luau || $name == *.lua ]]; then
            COMPREPLY+=("$name")
        fi
    done < <(compgen -f -- "$1")
}

# The place of the script among the words, or nothing while there is none.
_kahu_script_at() {
    local i=$1
    for ((; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --min-wait | --max-defer-depth | --gc-pace | -o | --output | --include)
            ((i++)) ;;
        -e)
            echo "$i"
            return ;;
        -?*) ;;
        *)
            echo "$i"
            return ;;
        esac
    done
}

_kahu_words() {
    local IFS=$' \n'
    # shellcheck disable=SC2207
    COMPREPLY=($(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"))
}

_kahu() {
    local current=${COMP_WORDS[COMP_CWORD]}
    local before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=run first=1 options
    COMPREPLY=()

    if ((COMP_CWORD > 1)) && [[ " $_kahu_commands " == *" ${COMP_WORDS[1]} "* ]]; then
        command=${COMP_WORDS[1]}
        first=2
    fi
    case $command in
    run) options=$_kahu_run_options ;;
    compile) options="$_kahu_compile_options $_kahu_run_options" ;;
    setup) options=$_kahu_setup_options ;;
    esac

    case $before in
    --editor) _kahu_words "vscode neovim zed" && return ;;
    --min-wait | --max-defer-depth | --gc-pace | -e) return ;;
    --include) _kahu_scripts "$current" && return ;;
    esac
    # What follows the script is the script's: any file.
    if [[ $command == run && -n $(_kahu_script_at "$first") ]]; then
        return
    fi
    case $current in
    -*) _kahu_words "$options" ;;
    *)
        case $command in
        setup) ;;
        *)
            if ((COMP_CWORD == 1)); then
                _kahu_words "$_kahu_commands"
            fi
            [[ $before == -o || $before == --output ]] ||
                _kahu_scripts "$current"
            ;;
        esac
        ;;
    esac
}

complete -o filenames -o default -F _kahu kahu
