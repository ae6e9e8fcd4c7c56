# fish completion for kahu
# SPDX-License-Identifier: MIT

function __kahu_scripts
    __fish_complete_suffix .luau
    __fish_complete_suffix .lua
end

# What stands behind a script is the script's, but for kahu compile and test.
function __kahu_runs_script
    set -l words (commandline -opc)
    not contains -- compile $words; and not contains -- test $words
    and string match -qr '\.luau?$' -- $words
end

set -l commands run compile setup test trace profile repl
set -l runs "not __kahu_runs_script; and not __fish_seen_subcommand_from setup test trace profile"
set -l runs_or_tests "not __kahu_runs_script; and not __fish_seen_subcommand_from setup trace profile"
set -l compiles "__fish_seen_subcommand_from compile"
set -l setups "__fish_seen_subcommand_from setup"
set -l tests "__fish_seen_subcommand_from test"

complete -c kahu -n "__fish_is_nth_token 1" -a run -d "Run a script"
complete -c kahu -n "__fish_is_nth_token 1" -a compile -d "Make a program of a script"
complete -c kahu -n "__fish_is_nth_token 1" -a setup -d "Tell editors of kahu"
complete -c kahu -n "__fish_is_nth_token 1" -a test -d "Run tests"
complete -c kahu -n "__fish_is_nth_token 1" -a trace -d "Say what is in a trace"
complete -c kahu -n "__fish_is_nth_token 1" -a profile -d "Draw a flame graph"
complete -c kahu -n "__fish_is_nth_token 1" -a repl -d "Begin a session"
complete -c kahu -n "$runs_or_tests; and not __fish_seen_subcommand_from repl" -k -a "(__kahu_scripts)"

complete -c kahu -n "$runs; and not __fish_seen_subcommand_from compile repl" -s e -x -d "Run code"
complete -c kahu -n $runs_or_tests -o O0 -d "Do not optimize"
complete -c kahu -n $runs_or_tests -o O1 -d "Optimize"
complete -c kahu -n $runs_or_tests -o O2 -d "Optimize more"
complete -c kahu -n $runs -o g0 -d "No debug information"
complete -c kahu -n $runs -o g1 -d "Line numbers"
complete -c kahu -n $runs -o g2 -d "All debug information"
complete -c kahu -n $runs -l codegen -d "Compile to native code where supported"
complete -c kahu -n $runs_or_tests -l virtual-time -d "Do not wait: jump from deadline to deadline"
complete -c kahu -n $runs -l precise -d "Deadlines to the microsecond"
complete -c kahu -n $runs -l min-wait -x -d "Least time of task.wait and task.delay"
complete -c kahu -n $runs -l strict-wakes -d "Drop a wait that was resumed early"
complete -c kahu -n $runs -l preload -d "Put values on a thread when it is scheduled"
complete -c kahu -n $runs -l max-defer-depth -x -d "Generations of task.defer in a row"
complete -c kahu -n $runs -l strict-defer-depth -d "A task.defer beyond them is an error"
complete -c kahu -n $runs -l timeout -x -d "Stop the script after so many seconds"
complete -c kahu -n $runs -l max-resume -x -d "Milliseconds a thread runs without a yield"
complete -c kahu -n $runs -l max-threads -x -d "Live threads"
complete -c kahu -n $runs -l max-memory -x -d "Memory of scripts, in MiB"
complete -c kahu -n $runs -l profile -r -F -d "Sample what runs"
complete -c kahu -n $runs -l profile-rate -x -d "Samples per second"
complete -c kahu -n $runs -l gc-pace -x -d "Pace of the garbage collector"
complete -c kahu -n $runs -l origins -d "Errors say where their thread was started"
complete -c kahu -n $runs_or_tests -l color -x -a "always never auto" -d "Colors of messages"
complete -c kahu -n $runs -l stats -d "Say at the end what was done"
complete -c kahu -n $runs -l trace -r -F -d "Record what runs when, for Perfetto"
complete -c kahu -n $runs -l explain -d "List live threads at SIGQUIT, SIGUSR1, and at the end"
complete -c kahu -n "not __kahu_runs_script; and not __fish_seen_subcommand_from $commands" -l version -d "Versions of kahu, Luau and libuv"
complete -c kahu -n "not __kahu_runs_script" -s h -l help -d "Help"

complete -c kahu -n $compiles -s o -l output -r -F -d "The program to write"
complete -c kahu -n $compiles -l include -r -F -d "A module, or a directory of modules"
complete -c kahu -n $compiles -l sources -d "Put the sources in, too"
complete -c kahu -n $compiles -s v -l verbose -d "List the files that are in it"

complete -c kahu -n $setups -l editor -x -a "vscode neovim zed" -d "For this editor only"
complete -c kahu -n $setups -l update -d "Replace definitions that another kahu wrote"
complete -c kahu -n $setups -l dry-run -d "Say what would be done, and do nothing"

complete -c kahu -n $tests -l filter -x -d "Only tests with it in their full names"
complete -c kahu -n $tests -l bail -d "End at the first failure"
complete -c kahu -n $tests -l jobs -x -d "Files at once"
complete -c kahu -n $tests -l timeout -x -d "Time of a test that says nothing else"
complete -c kahu -n $tests -l stall -x -d "Real time of a test that does not wait"
complete -c kahu -n $tests -l real-time -d "Wait for deadlines"
complete -c kahu -n $tests -l allow-leaks -d "Threads still waiting at the end are no failure"
complete -c kahu -n $tests -l reporter -x -a "pretty tap junit" -d "Form of the report"
complete -c kahu -n $tests -l output -r -F -d "Where to report to"
complete -c kahu -n $tests -l watch -d "Run again when a file changes"

complete -c kahu -n "__fish_seen_subcommand_from trace; and __fish_is_nth_token 2" -a summary -d "Where the time went"
complete -c kahu -n "__fish_seen_subcommand_from trace" -l top -x -d "Rows of each table"
complete -c kahu -n "__fish_seen_subcommand_from profile; and __fish_is_nth_token 2" -a flame -d "A flame graph as SVG"
