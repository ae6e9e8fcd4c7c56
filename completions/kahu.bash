# bash completion for kahu                                 -*- shell-script -*-
# SPDX-License-Identifier: MIT

_kahu_commands="run compile setup test trace profile repl"
_kahu_run_options="-O0 -O1 -O2 -g0 -g1 -g2 --codegen --virtual-time --precise
    --min-wait --strict-wakes --preload --max-defer-depth --strict-defer-depth
    --timeout --max-resume --max-threads --max-memory --profile --profile-rate
    --gc-pace --origins --color --stats --trace
    --explain --version -h --help"
_kahu_compile_options="-o --output --include --sources -v --verbose"
_kahu_setup_options="--editor --update --dry-run -h --help"
_kahu_test_options="--filter --bail --jobs --timeout --stall --real-time
    --virtual-time --allow-leaks --reporter --output --color --watch -O0 -O1 -O2
    -h --help"
_kahu_trace_options="--top -h --help"
_kahu_profile_options="-h --help"
# The options of all commands that the next word belongs to.
_kahu_valued=" --min-wait --max-defer-depth --timeout --max-resume --max-threads\
 --max-memory --profile --profile-rate --gc-pace --color --trace -o --output\
 --include --editor --filter --jobs --stall --reporter --top "

# Directories, and files that hold Luau.
_kahu_scripts() {
    local name
    while IFS= read -r name; do
        if [[ -d $name || $name == *.luau || $name == *.lua ]]; then
            COMPREPLY+=("$name")
        fi
    done < <(compgen -f -- "$1")
}

# The place of the script among the words, or nothing while there is none. What
# `--option=value` is to people is three words to bash.
_kahu_script_at() {
    local i=$1
    for ((; i < COMP_CWORD; i++)); do
        if [[ $_kahu_valued == *" ${COMP_WORDS[i]} "* ]]; then
            [[ ${COMP_WORDS[i + 1]} != = ]] || ((i++))
            ((i++))
        elif [[ ${COMP_WORDS[i]} != -?* || ${COMP_WORDS[i]} == -e ]]; then
            echo "$i"
            return
        fi
    done
}

_kahu_words() {
    local IFS=$' \n'
    # shellcheck disable=SC2207
    COMPREPLY=($(compgen -W "$1" -- "$current"))
}

# The value of the option before; not when it takes none. What leaves no words
# gets the names of files.
_kahu_value() {
    case $1 in
    --editor) _kahu_words "vscode neovim zed" ;;
    --color) _kahu_words "always never auto" ;;
    --reporter) _kahu_words "pretty tap junit" ;;
    --include) _kahu_scripts "$2" ;;
    *) [[ $_kahu_valued == *" $1 "* ]] ;;
    esac
}

# A word that is no option, of a command.
_kahu_operand() {
    case $1 in
    setup | repl) ;;
    trace) ((COMP_CWORD != 2)) || _kahu_words summary ;;
    profile) ((COMP_CWORD != 2)) || _kahu_words flame ;;
    *)
        if ((COMP_CWORD == 1)); then
            _kahu_words "$_kahu_commands"
        fi
        _kahu_scripts "$2"
        ;;
    esac
}

_kahu() {
    local current=${COMP_WORDS[COMP_CWORD]}
    local before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=run first=1 options
    COMPREPLY=()

    if [[ $current == = ]]; then
        current=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if ((COMP_CWORD > 1)) && [[ " $_kahu_commands " == *" ${COMP_WORDS[1]} "* ]]; then
        command=${COMP_WORDS[1]}
        first=2
    fi
    case $command in
    run) options="-e $_kahu_run_options" ;;
    compile) options="$_kahu_compile_options $_kahu_run_options" ;;
    setup) options=$_kahu_setup_options ;;
    test) options=$_kahu_test_options ;;
    trace) options=$_kahu_trace_options ;;
    profile) options=$_kahu_profile_options ;;
    repl) options=$_kahu_run_options ;;
    esac

    # What follows the script is the script's: any file.
    if [[ $command == run && -n $(_kahu_script_at "$first") ]]; then
        return
    fi
    if _kahu_value "$before" "$current"; then
        return
    fi
    case $current in
    -*) _kahu_words "$options" ;;
    *) _kahu_operand "$command" "$current" ;;
    esac
}

complete -o filenames -o default -F _kahu kahu
