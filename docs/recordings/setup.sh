#!/bin/sh
# Writes setup.txt: a project with settings of its own learns of kahu.
#   docs/recordings/setup.sh [PROGRAM [OUTPUT]]
set -eu
. "$(dirname "$0")/place.sh"
mkdir "$place/.vscode"

cat >"$place/.vscode/settings.json" <<'JSON'
{
  // Ours is a wide screen.
  "editor.rulers": [100],
  "files.exclude": { "**/out": true } // and nothing else
}
JSON

{
    cd "$place"
    show "kahu setup --editor vscode --dry-run"
    show "kahu setup --editor vscode"
    show "cat .vscode/settings.json"
    show "kahu setup --editor vscode"
} >"$output"
