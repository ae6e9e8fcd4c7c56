# SPDX-License-Identifier: MIT
"""Random programs: made, written as Luau, made smaller.

A program is plain data:
  {"fuel": calls that do something, "functions": [block...], "main": block}
A block is a list of statements:
  ["args", key]                               log the arguments
  ["call", key, name, arguments, slot, safe]  call, keep the result, log it
  ["pcall", key, block]                       log how the block ended
  ["loop", count, block]
  ["return", values]
A value is a number, a string, None, or ["slot", n] ["function", n] ["self"]
["dot"]. Every statement that logs has a key, so traces are easy to read.
"""

import random

SLOTS = 4
FUNCTIONS = 4
NAMES = ("a", "b", "c")
DURATIONS = (0, 0, 0.25, 0.25, 0.5, 1, 1, 2, -1, float("inf"))

CALLS = ("spawn", "defer", "delay", "wait", "yield", "cancel", "close",
         "create", "status", "resume", "wrap", "wrapped", "op", "finish",
         "fail", "abandon", "error", "count")
WEIGHTS = (10, 9, 9, 12, 7, 5, 3, 3, 2, 7, 2, 3, 8, 8, 3, 2, 2, 1)
MAIN_WEIGHTS = (12, 9, 9, 12, 0.3, 6, 3, 3, 2, 8, 2, 3, 0.5, 9, 4, 3, 0.3, 1)

LUAU = {
    "spawn": "task.spawn", "defer": "task.defer", "delay": "task.delay",
    "wait": "task.wait", "cancel": "task.cancel", "yield": "coroutine.yield",
    "close": "coroutine.close", "create": "coroutine.create",
    "status": "coroutine.status", "resume": "coroutine.resume",
    "error": "raise", "wrap": "wrap", "wrapped": "wrapped", "op": "op",
    "finish": "finish", "fail": "fail", "abandon": "abandon", "count": "count",
}

PRELUDE = """\
local slots, wraps, functions, fuel = {}, {}, {}, %d
local function raise(value) error(value, 0) end
local function wrap(n, f) wraps[n] = coroutine.wrap(f) end
local function wrapped(n, ...)
if wraps[n] == nil then error("attempt to call a nil value", 0) end
return wraps[n](...)
end
local function count() return task.count("sdw") end
local function close(thread) return (coroutine.close(thread)) end
local function keep(slot, ...) slots[slot] = ... return ... end
local function keepsafe(slot, ok, ...)
if ok then slots[slot] = ... end
return ok, ...
end
"""


class Maker:
    """Makes one program from a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.key = 0
        self.main = False  # what would end the whole early is rarer there

    def program(self):
        functions = [self.block(2) for _ in range(FUNCTIONS)]
        self.main = True
        return {"fuel": self.random.randint(10, 60), "functions": functions,
                "main": self.block(2, least=5, most=14), "strict": self.random.random() < 0.25}

    def next_key(self):
        self.key += 1
        return self.key

    def block(self, depth, least=1, most=6):
        count = self.random.randint(least, most)
        block = [self.statement(depth) for _ in range(count)]
        if not self.main and self.random.random() < 0.3:
            block.append(["return", self.values()])
        return block

    def statement(self, depth):
        dice = self.random.random()
        if depth > 0 and dice < 0.06:
            return ["pcall", self.next_key(), self.block(depth - 1)]
        if depth > 0 and dice < 0.09:
            return ["loop", self.random.randint(2, 4), self.block(depth - 1)]
        if dice < 0.15:
            return ["args", self.next_key()]
        return self.call()

    def call(self):
        weights = MAIN_WEIGHTS if self.main else WEIGHTS
        name = self.random.choices(CALLS, weights)[0]
        arguments = getattr(self, "arguments_" + name, self.arguments_none)()
        keeps = name in ("spawn", "defer", "delay", "create")
        slot = self.random.randrange(SLOTS) if keeps and self.random.random() < 0.8 else None
        safe = self.random.random() < (0.98 if self.main else 0.8)
        return ["call", self.next_key(), name, arguments, slot, safe]

    # --- Arguments -------------------------------------------------------

    def arguments_none(self):
        return []

    def values(self):
        pool = (1, 2, 3, None, 7, ["dot"])
        return [self.random.choice(pool) for _ in range(self.random.choice((0, 0, 1, 1, 2)))]

    def numbers(self):
        return [self.random.randint(1, 9) for _ in range(self.random.choice((0, 1, 1, 2)))]

    def function(self):
        return ["function", self.random.randrange(FUNCTIONS)]

    def thread(self):
        if self.random.random() < 0.12:
            return ["self"]
        return ["slot", self.random.randrange(SLOTS)]

    def target(self):
        return self.function() if self.random.random() < 0.6 else self.thread()

    def duration(self):
        return self.random.choice(DURATIONS)

    def name(self):
        return self.random.choice(NAMES)

    def arguments_spawn(self):
        return [self.target()] + self.values()

    arguments_defer = arguments_spawn

    def arguments_delay(self):
        return [self.duration(), self.target()] + self.values()

    def arguments_wait(self):
        return [self.duration()]

    def arguments_yield(self):
        return self.values()

    def arguments_cancel(self):
        return [self.thread()]

    arguments_close = arguments_status = arguments_cancel

    def arguments_create(self):
        return [self.function()]

    def arguments_resume(self):
        return [self.thread()] + self.values()

    def arguments_wrap(self):
        return [self.random.randint(1, 2), self.function()]

    def arguments_wrapped(self):
        return [self.random.randint(1, 2)] + self.values()

    def arguments_op(self):
        return [self.name()]

    arguments_abandon = arguments_op

    def arguments_finish(self):
        return [self.name()] + self.numbers()

    def arguments_fail(self):
        return [self.name(), self.random.randint(1, 9)]

    def arguments_error(self):
        return [self.random.choice(("oops", 5))]


# --- Luau ----------------------------------------------------------------


def write_value(v):
    if isinstance(v, list):
        return {"slot": "slots[{}]", "function": "functions[{}]",
                "self": "coroutine.running()", "dot": "(...)"}[v[0]].format(*v[1:])
    if v is None:
        return "nil"
    if v == float("inf"):
        return "math.huge"
    return f'"{v}"' if isinstance(v, str) else repr(v)


def write_call(key, name, arguments, slot, safe):
    function = "close" if name == "close" else LUAU[name]
    values = ", ".join(write_value(a) for a in arguments)
    if safe:
        call = f"pcall({function}{', ' if values else ''}{values})"
        keep = f"keepsafe({slot}, {call})"
    else:
        call = f"{function}({values})"
        keep = f"keep({slot}, {call})"
    return f"log({key}, {call if slot is None else keep})"


def write_statement(statement):
    kind, *rest = statement
    if kind == "args":
        return f"log({rest[0]}, ...)"
    if kind == "call":
        return write_call(*rest)
    if kind == "pcall":
        return f"log({rest[0]}, pcall(function(...)\n{write_block(rest[1])}\nend, ...))"
    if kind == "loop":
        return f"for _ = 1, {rest[0]} do\n{write_block(rest[1])}\nend"
    return f"do return {', '.join(write_value(v) for v in rest[0])} end"


def write_block(block):
    return "\n".join(write_statement(s) for s in block)


def write(program):
    """The program as Luau."""
    spend = "fuel -= 1 if fuel < 0 then return end\n"
    parts = [PRELUDE % program["fuel"]]
    for number, body in enumerate(program["functions"]):
        parts.append(f"functions[{number}] = function(...)\n{spend}{write_block(body)}\nend\n")
    parts.append(spend + write_block(program["main"]))
    return "".join(parts)


# --- Shrinking -----------------------------------------------------------


def smaller_blocks(block):
    """Blocks with a part of this one left out or opened up, big steps first."""
    size = len(block)
    step = size
    while step > 0:
        for start in range(0, size, step):
            yield block[:start] + block[start + step:]
        step //= 2
    for i, statement in enumerate(block):
        if statement[0] in ("pcall", "loop"):
            yield block[:i] + statement[-1] + block[i + 1:]
            for inner in smaller_blocks(statement[-1]):
                yield block[:i] + [statement[:-1] + [inner]] + block[i + 1:]


def smaller(program):
    """Programs that differ by one step towards nothing."""
    for inner in smaller_blocks(program["main"]):
        yield {**program, "main": inner}
    for i, body in enumerate(program["functions"]):
        for inner in smaller_blocks(body):
            functions = program["functions"][:i] + [inner] + program["functions"][i + 1:]
            yield {**program, "functions": functions}
    for fuel in (program["fuel"] // 2, program["fuel"] - 1):
        if fuel > 0:
            yield {**program, "fuel": fuel}
