#!/bin/sh
# Records a run of `kahu test`: test.sh [PROGRAM [OUTPUT]]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "${1:-$here/../../build/release/kahu}")
output=${2:-$here/test.txt}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

cat >"$place/queue.luau" <<'LUAU'
local Queue = {}
Queue.__index = Queue

function Queue.new()
    return setmetatable({ values = {}, waiting = {} }, Queue)
end

function Queue:put(value)
    local thread = table.remove(self.waiting, 1)
    if thread then
        task.spawn(thread, value)
    else
        table.insert(self.values, value)
    end
end

function Queue:take()
    if #self.values > 0 then
        return table.remove(self.values, 1)
    end
    table.insert(self.waiting, coroutine.running())
    return coroutine.yield()
end

return Queue
LUAU

cat >"$place/queue.test.luau" <<'LUAU'
local Queue = require("./queue")

describe("a queue", function()
    local queue

    beforeEach(function()
        queue = Queue.new()
    end)

    it("gives back what was put", function()
        queue:put("a")
        expect(queue:take()).to.equal("a")
    end)

    it("waits for a value", function()
        task.delay(3600, queue.put, queue, "late")
        expect(queue:take()).to.equal("late")
    end, { timeout = 7200 })

    it("keeps the order", function()
        for _, value in { "a", "b", "c" } do
            queue:put(value)
        end
        expect(queue.values).to.equal({ "a", "c", "b" })
    end)

    it("waits for what never comes", function()
        task.delay(60, print, "a minute later")
        queue:take()
    end)
end)
LUAU

show() {
    printf '$ %s\n' "$*"
    shift
    (cd "$place" && "$program" "$@") || printf '(exit status %d)\n' $?
}

{
    printf '$ cat queue.test.luau\n'
    cat "$place/queue.test.luau"
    echo
    show kahu test
    echo
    show kahu test --filter value --reporter tap
} >"$output"
