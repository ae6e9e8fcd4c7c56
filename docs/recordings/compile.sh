#!/bin/sh
# Writes compile.txt: a script becomes a program and goes elsewhere.
#   docs/recordings/compile.sh [PROGRAM [OUTPUT]]
set -eu
. "$(dirname "$0")/place.sh"
mkdir -p "$place/src/lib" "$place/elsewhere"

cat >"$place/src/main.luau" <<'LUAU'
local count = require("@lib/count")

task.spawn(count, "up", 1, 3)
task.delay(2.5, error, "enough")
print("arguments:", ...)
LUAU
cat >"$place/src/lib/count.luau" <<'LUAU'
return function(name, from, to)
	for n = from, to do
		print(name, n, "after", task.wait(1))
	end
end
LUAU
echo '{ "aliases": { "lib": "./lib" } }' >"$place/src/.luaurc"

{
    cd "$place"
    show "kahu compile --virtual-time --verbose src/main.luau -o count"
    show "mv count elsewhere && rm -r src && cd elsewhere && ls"
    show "env -i ./count one --two"
} >"$output"
