#!/bin/sh
# Writes messages.txt: errors of a script as the program shows them.
#   docs/recordings/messages.sh [PROGRAM]
set -eu
cd "$(dirname "$0")"
program=$(realpath "${1:-../../build/release/kahu}")
place=$(mktemp -d)
trap 'rm -r "$place"' EXIT

cat >"$place/shop.luau" <<'LUAU'
local customers = { { name = "Ada", address = { city = "London" } }, { name = "Bo" } }

local function ship(customer)
	print("to", customer.address.city)
end

local function work(customer)
	task.wait(1)
	task.defer(ship, customer)
end

for _, customer in customers do
	task.spawn(work, customer)
end
task.delay(function() end, 5)
LUAU
cat >"$place/sorted.luau" <<'LUAU'
local function slower(a, b)
	wait(a / 10)
	return a < b
end
task.spawn(function()
	table.sort({ 3, 1, 2 }, slower)
end)
table.sort({ 3, 1, 2 }, function(a, b)
	task.wait(a / 10)
	return a < b
end)
LUAU
cat >"$place/broken.luau" <<'LUAU'
local total = 0
for i = 1 10 do
	total += i
end
LUAU

# Runs the program as it would be typed there.
show() {
    echo "\$ kahu $*"
    (cd "$place" && "$program" --virtual-time "$@" 2>&1) || true
    echo
}
{
    show --origins shop.luau
    show sorted.luau
    show broken.luau
} >messages.txt
