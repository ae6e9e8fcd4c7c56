# fish completion for kahu
# SPDX-License-Identifier: MIT

function __kahu_scripts
    __fish_complete_suffix .luau
    __fish_complete_suffix .lua
end

set -l commands run compile setup
set -l runs "not __fish_seen_subcommand_from setup"
set -l compiles "__fish_seen_subcommand_from compile"
set -l setups "__fish_seen_subcommand_from setup"

complete -c kahu -n "__fish_is_nth_token 1" -a run -d "Run a script"
complete -c kahu -n "__fish_is_nth_token 1" -a compile -d "Make a program of a script"
complete -c kahu -n "__fish_is_nth_token 1" -a setup -d "Tell editors of kahu"
complete -c kahu -n "$runs" -k -a "(__kahu_scripts)"

complete -c kahu -n "$runs; and not $compiles" -s e -x -d "Run code"
complete -c kahu -n $runs -o O0 -d "Do not optimize"
complete -c kahu -n $runs -o O1 -d "Optimize"
complete -c kahu -n $runs -o O2 -d "Optimize more"
complete -c kahu -n $runs -o g0 -d "No debug information"
complete -c kahu -n $runs -o g1 -d "Line numbers"
complete -c kahu -n $runs -o g2 -d "All debug information"
complete -c kahu -n $runs -l codegen -d "Compile to native code where supported"
complete -c kahu -n $runs -l virtual-time -d "Do not wait: jump from deadline to deadline"
complete -c kahu -n $runs -l precise -d "Deadlines to the microsecond"
complete -c kahu -n $runs -l min-wait -x -d "Least time of task.wait and task.delay"
complete -c kahu -n $runs -l strict-wakes -d "Drop a wait that was resumed early"
complete -c kahu -n $runs -l preload -d "Put values on a thread when it is scheduled"
complete -c kahu -n $runs -l max-defer-depth -x -d "Generations of task.defer in a row"
complete -c kahu -n $runs -l strict-defer-depth -d "A task.defer beyond them is an error"
complete -c kahu -n $runs -l gc-pace -x -d "Pace of the garbage collector"
complete -c kahu -n $runs -l stats -d "Say at the end what was done"
complete -c kahu -n "not __fish_seen_subcommand_from $commands" -l version -d "Versions of kahu, Luau and libuv"
complete -c kahu -s h -l help -d "Help"

complete -c kahu -n $compiles -s o -l output -r -F -d "The program to write"
complete -c kahu -n $compiles -l include -r -F -d "A module, or a directory of modules"
complete -c kahu -n $compiles -s v -l verbose -d "List the files that are in it"

complete -c kahu -n $setups -l editor -x -a "vscode neovim zed" -d "For this editor only"
complete -c kahu -n $setups -l update -d "Replace definitions that another kahu wrote"
complete -c kahu -n $setups -l dry-run -d "Say what would be done, and do nothing"
