#!/bin/sh
# Writes messages.txt: errors of a script as the program shows them.
#   docs/recordings/messages.sh [PROGRAM [OUTPUT]]
set -eu
. "$(dirname "$0")/place.sh"

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

# Under virtual time, which changes nothing of what is said.
kahu() {
    "$program" --virtual-time "$@"
}

{
    cd "$place"
    show "kahu --origins shop.luau"
    show "kahu sorted.luau"
    show "kahu broken.luau"
} >"$output"
