#!/bin/sh
# Writes setup.txt: a project with settings of its own learns of kahu.
#   docs/recordings/setup.sh [PROGRAM]
set -eu
here=$(realpath "$(dirname "$0")")
program=$(realpath "${1:-$here/../../build/release/kahu}")
place=$(mktemp -d)
trap 'rm -r "$place"' EXIT
mkdir "$place/.vscode"

cat >"$place/.vscode/settings.json" <<'JSON'
{
  // Ours is a wide screen.
  "editor.rulers": [100],
  "files.exclude": { "**/out": true } // and nothing else
}
JSON

kahu() {
    "$program" "$@"
}
show() {
    echo "\$ $1"
    eval "$1" 2>&1 || echo "(exit status $?)"
    echo
}
{
    cd "$place"
    show "kahu setup --editor vscode --dry-run"
    show "kahu setup --editor vscode"
    show "cat .vscode/settings.json"
    show "kahu setup --editor vscode"
} >"$here/setup.txt"
