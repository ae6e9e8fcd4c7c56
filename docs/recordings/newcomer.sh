#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes newcomer.txt: from a build to a program of one's own.
#   docs/recordings/newcomer.sh [PROGRAM [OUTPUT]]
# PROGRAM is in the directory it was built in, which is installed.
set -eu
. "$(dirname "$0")/place.sh"
unset -f kahu # there will be one
export HOME="$place" NO_COLOR=1
PATH=$HOME/.local/bin:$PATH
mkdir -p "$place/work/build"
ln -s "$(dirname "$program")" "$place/work/build/release"

cat >"$place/work/fetch.luau" <<'LUAU'
-- Answers after a second.
return function(name)
    local me = coroutine.running()
    task.delay(1, function()
        if name == "" then
            return
        end
        task.spawn(me, "the page of " .. name)
    end)
    return coroutine.yield()
end
LUAU
cat >"$place/work/pages.luau" <<'LUAU'
local fetch = require("./fetch")

local function draw(page)
    local sum = 0
    for i = 1, 1e6 do
        sum += i % #page
    end
    print("drawn:", page)
end

for _, name in { "Ada", "", "Bo" } do
    task.spawn(function()
        draw(fetch(name))
    end)
end
LUAU
cat >"$place/work/fetch.test.luau" <<'LUAU'
local fetch = require("./fetch")

it("takes a second", function()
    local before = os.clock()
    expect(fetch("Ada")).to.equal("the page of Ada")
    expect(os.clock() - before).to.be.near(1)
end)

it("has no page for nobody", function()
    expect(fetch("")).to.be.nilValue()
end)
LUAU

# A session on a terminal: what is typed, and what is waited for.
session() {
    KAHU_PROGRAM=$HOME/.local/bin/kahu PYTHONPATH=$here python3 - <<'PYTHON'
import os

import repl

print(repl.record(os.environ["HOME"], (
    ("6 * 7\r", "42\r\n> "),
    ("do task.delay(0.2, print, 'a thread in the background') end\r", "end\r\n> "),
    ("task.wait(0.1) >= ", "background\r\n> task.wait(0.1) >= "),
    ("0.1\r", "true\r\n> "),
    ("\x04", "\n"),
)))
PYTHON
}

{
    cd "$place/work"
    show 'cmake --install build/release --prefix ~/.local >install.log && ls ~/.local/bin'
    session
    show "cat fetch.luau"
    show "cat pages.luau"
    show "kahu pages.luau"
    show "kahu --virtual-time --explain pages.luau"
    show "sed -i 's/            return$/            return task.spawn(me, nil)/' fetch.luau"
    show "cat fetch.test.luau"
    show "kahu test"
    show "kahu pages.luau"
    show "sed -i 's/draw(fetch(name))/draw(fetch(name) or \"nobody\")/' pages.luau"
    show "kahu --trace out.json pages.luau"
    show "kahu trace summary --top 1 out.json"
    show "kahu compile pages.luau && mkdir other && mv pages other && cd other && ls"
    show "env -i ./pages"
} >"$output"
