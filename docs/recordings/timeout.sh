#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes timeout.txt: what --timeout says of timeout.luau.
set -e
kahu=$(realpath "${1:-$(dirname "$0")/../../build/release/kahu}")
cd "$(dirname "$0")"
{
    echo '$ kahu --timeout 0.5 timeout.luau; echo $?'
    code=0
    "$kahu" --timeout 0.5 timeout.luau 2>&1 || code=$?
    echo "$code"
    echo '$ kahu --timeout 0.5 -e "task.wait(3600)"; echo $?'
    code=0
    "$kahu" --timeout 0.5 -e "task.wait(3600)" 2>&1 || code=$?
    echo "$code"
} >timeout.txt
