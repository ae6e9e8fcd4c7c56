#!/bin/sh
# Writes what docs/program/trace.md shows: docs/recordings/trace.txt, or the
# file that is named. $KAHU is the program.
#
# A trace of real time is never the same twice, so the summary is that of one
# recorded once: kahu --trace trace.json trace.luau. The other is made here, on
# a clock that is the same, without what is real in it: times, memory, and where
# a resume stood that took long.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kahu=${KAHU:-$here/../../build/release/kahu}
out=${1:-$here/trace.txt}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

cd "$here"
{
    echo '$ kahu --trace trace.json trace.luau'
    echo '$ kahu trace summary --top 5 trace.json'
    "$kahu" trace summary --top 5 trace.json
    echo
    echo "\$ kahu --virtual-time --trace out.json -e 'task.wait(60)'"
    "$kahu" --virtual-time --trace "$room/out.json" -e 'task.wait(60)'
    echo '$ cat out.json'
    sed -E -e '/"name":"memory"/d' -e 's/,"at":"[^"]*"//' \
        -e 's/("real_us":)[0-9.]+/\1.../' "$room/out.json"
} > "$room/trace.txt"
mv "$room/trace.txt" "$out"
