# SPDX-License-Identifier: MIT
"""What docs/semantics.md says, as a program that runs: sections 2 to 6 and 8.

Naive on purpose: lists that are sorted when asked, threads that are Python
generators, nothing shared with the library. It runs the programs program.py
makes and answers with the trace that the library has to print.
"""

NEVER = float("inf")
MIN_WAIT = 1_000_000  # S5.5
MAX_GENERATIONS = 80  # M6


class LuauError(Exception):
    """An error with its value, on its way up."""

    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Thread:
    """state: fresh, yielded, running, normal, dead."""

    def __init__(self, body):
        self.body = body  # called with the first values: a generator
        self.generator = None
        self.state = "fresh"
        self.failed = False
        self.yields = 0  # names the yield it is in (M3)

    def suspended(self):
        return self.state in ("fresh", "yielded")

    def status(self):
        return "suspended" if self.suspended() else self.state


class Wake:
    """One promised resume (M1)."""

    def __init__(self, kind, thread, seq, values=(), deadline=None, op=None):
        self.kind = kind
        self.thread = thread
        self.seq = seq
        self.values = list(values)
        self.deadline = deadline
        self.op = op
        self.yield_id = thread.yields
        self.start = None


class Op:
    def __init__(self, name):
        self.name = name
        self.wake = None
        self.outcome = None  # ("values", [...]) or ("error", value) once ended


def show(value):
    if value is None:
        return "nil"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, Thread):
        return "thread"
    if callable(value):
        return "function"
    if isinstance(value, (int, float)):
        return f"{value:.9f}"
    return str(value)


def typename(value):
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Thread):
        return "thread"
    if isinstance(value, (int, float)):
        return "number"
    return "function" if callable(value) else "string"


class Model:
    def __init__(self, strict):
        self.strict = strict
        self.now = 0
        self.seq = 0
        self.timers = []
        self.deferred = []
        self.ended = []  # operations, in order of completion
        self.open = []  # wakes of operations not delivered, in order of begin
        self.names = {}  # the latest operation of each name
        self.stack = []  # threads running, outermost first
        self.errors = 0
        self.trace = []
        self.slots = {}
        self.wraps = {}
        self.fuel = 0

    # --- The trace -------------------------------------------------------

    def log(self, *values):
        self.trace.append(" ".join([str(self.now)] + [show(v) for v in values]))

    # --- Resuming --------------------------------------------------------

    def resume(self, thread, values=(), error=None):
        """("yield", values), ("return", values) or ("error", value)."""
        if self.stack:
            self.stack[-1].state = "normal"
        self.stack.append(thread)
        fresh = thread.state == "fresh"
        thread.state = "running"
        thread.yields += 1  # whatever yield it was in has ended
        try:
            if fresh:
                thread.generator = thread.body(list(values))
                result = ("yield", next(thread.generator))
            elif error is not None:
                result = ("yield", thread.generator.throw(error))
            else:
                result = ("yield", thread.generator.send(list(values)))
            thread.state = "yielded"
        except StopIteration as stop:
            thread.state = "dead"
            result = ("return", stop.value or [])
        except LuauError as raised:
            thread.state = "dead"
            thread.failed = True
            result = ("error", raised.value)
        self.stack.pop()
        if self.stack:
            self.stack[-1].state = "running"
        return result

    def resume_scheduled(self, thread, values=(), error=None):
        kind, value = self.resume(thread, values, error)
        if kind == "error":  # S9.1
            self.errors += 1
            thread.error = value
            self.log("error", "(error object is a nil value)" if value is None else
                     plain(value))

    # --- Wakes -----------------------------------------------------------

    def wake(self, kind, thread, **more):
        self.seq += 1
        return Wake(kind, thread, self.seq, **more)

    def wakes(self):
        return self.deferred + self.timers + self.open

    def unlink(self, thread):
        """S6.1, S6.2: all wakes of a thread, oldest first."""
        for wake in sorted(self.wakes(), key=lambda w: w.seq):
            if wake.thread is not thread:
                continue
            for where in (self.deferred, self.timers, self.open):
                if wake in where:
                    where.remove(wake)
            if wake.op is not None:
                self.discard(wake.op)

    def discard(self, op):
        if op in self.ended:
            self.ended.remove(op)
        elif op.outcome is None:
            op.outcome = "cancelled"
            self.log("cancelled", op.name)

    def deliver(self, wake):
        """M2, M3."""
        thread = wake.thread
        if thread.state == "dead":
            return
        waits = wake.kind in ("wait", "operation")
        if self.strict and waits and thread.yields != wake.yield_id:
            return
        if wake.kind == "wait":
            self.resume_scheduled(thread, [(self.now - wake.start) / 1e9])
        elif wake.kind == "operation":
            how, what = wake.op.outcome
            if how == "error":
                self.resume_scheduled(thread, error=LuauError(what))
            else:
                self.resume_scheduled(thread, what)
        else:
            self.resume_scheduled(thread, wake.values)

    # --- The cycle (M5, M6) ----------------------------------------------

    def flush(self):
        for _ in range(MAX_GENERATIONS):
            if not self.deferred:
                return
            last = self.seq
            while self.deferred and self.deferred[0].seq <= last:
                self.deliver(self.deferred.pop(0))

    def first_timer(self):
        return min(self.timers, key=lambda w: (w.deadline, w.seq), default=None)

    def purge(self):
        """rfc 0004: nobody waits for a first timer whose thread is dead."""
        while (first := self.first_timer()) and first.thread.state == "dead":
            self.timers.remove(first)

    def step(self):
        begun = self.seq
        self.flush()
        collected, self.ended = self.ended, []
        while collected:
            op = collected.pop(0)
            if op.wake in self.open:
                self.open.remove(op.wake)
                self.delivering = collected
                self.deliver(op.wake)
        self.flush()
        due = []
        while (first := self.first_timer()) and first.deadline <= self.now:
            if first.seq > begun:
                break  # S5.1, S5.5, S5.6
            self.timers.remove(first)
            due.append(first)
        self.due = due
        while due:
            self.deliver(due.pop(0))
        self.flush()
        self.purge()

    def ready(self):
        first = self.first_timer()
        return bool(self.deferred or self.ended or
                    (first and first.deadline <= self.now))

    def run(self, program):
        self.fuel = program["fuel"]
        self.functions = [self.function(body) for body in program["functions"]]
        self.resume_scheduled(Thread(self.function(program["main"])))
        self.purge()
        while True:
            while self.ready():
                self.step()
            first = self.first_timer()
            if first is None or first.deadline == NEVER:
                break
            self.now = first.deadline
        self.log_end()
        return self.trace

    def log_end(self):
        pending = len(self.wakes())
        self.trace.append(f"{self.now} end {1 if self.errors else 0} {pending}")
        for wake in list(self.open):
            self.open.remove(wake)
            self.discard(wake.op)
        self.trace.append(".")

    # --- Programs --------------------------------------------------------

    def function(self, body):
        def call(values):
            self.fuel -= 1
            if self.fuel < 0:
                return []
            return (yield from self.block(body, values))
        return call

    def block(self, statements, dots):
        """What a `return` gave, or None."""
        for statement in statements:
            result = yield from getattr(self, "do_" + statement[0])(dots, *statement[1:])
            if result is not None:
                return result
        return None

    def do_args(self, dots, key):
        self.log(key, *dots)
        yield from ()

    def do_return(self, dots, values):
        yield from ()
        return [self.value(v, dots) for v in values]

    def do_loop(self, dots, count, body):
        for _ in range(count):
            result = yield from self.block(body, dots)
            if result is not None:
                return result
        return None

    def do_pcall(self, dots, key, body):
        try:
            result = yield from self.block(body, dots)
            self.log(key, True, *(result or []))
        except LuauError as error:
            self.log(key, False, error.value)

    def do_call(self, dots, key, name, arguments, slot, safe):
        values = [self.value(a, dots) for a in arguments]
        try:
            results = yield from self.call(name, values)
        except LuauError as error:
            if not safe:
                raise
            self.log(key, False, error.value)
            return
        if slot is not None:
            self.slots[slot] = results[0] if results else None
        self.log(key, *([True] if safe else []), *results)

    def value(self, v, dots):
        if isinstance(v, list):
            kind = v[0]
            if kind == "slot":
                return self.slots.get(v[1])
            if kind == "function":
                return self.functions[v[1]]
            if kind == "self":
                return self.stack[-1]
            if kind == "dot":
                return dots[0] if dots else None
        return v

    # --- What programs call ----------------------------------------------

    def call(self, name, values):
        result = getattr(self, "call_" + name)(*values)
        if hasattr(result, "__next__"):
            result = yield from result
        return result

    def target(self, function, number, value):
        if isinstance(value, Thread):
            return value
        if callable(value):
            return Thread(value)
        raise LuauError(f"invalid argument #{number} to '{function}' "
                        f"(function or thread expected, got {typename(value)})")

    def wanted_thread(self, function, value):
        if not isinstance(value, Thread):
            raise LuauError(f"invalid argument #1 to '{function}' "
                            f"(thread expected, got {typename(value)})")
        return value

    def call_spawn(self, target, *values):
        thread = self.target("spawn", 1, target)
        if not thread.suspended():  # S3.4
            raise LuauError("cannot spawn non-suspended coroutine" +
                            (" with arguments" if values else ""))
        self.resume_scheduled(thread, values)
        return [thread]

    def call_defer(self, target, *values):
        thread = self.target("defer", 1, target)
        if thread.state == "dead":
            raise LuauError("cannot defer dead coroutine")
        self.deferred.append(self.wake("defer", thread, values=values))
        return [thread]

    def deadline(self, seconds):
        if seconds == NEVER:
            return NEVER
        return self.now + max(MIN_WAIT, round(max(0, seconds) * 1e9))

    def call_delay(self, seconds, target, *values):
        thread = self.target("delay", 2, target)
        if thread.state == "dead":
            raise LuauError("cannot delay dead coroutine")
        self.timers.append(self.wake("delay", thread, values=values,
                                     deadline=self.deadline(seconds)))
        return [thread]

    def call_wait(self, seconds):
        wake = self.wake("wait", self.stack[-1], deadline=self.deadline(seconds))
        wake.start = self.now
        self.timers.append(wake)
        return (yield [])

    def call_yield(self, *values):
        return (yield list(values))

    def call_cancel(self, thread):
        thread = self.wanted_thread("cancel", thread)
        if thread.state == "dead":
            return []
        if not thread.suspended():
            raise LuauError("cannot cancel thread")  # S6.4
        self.kill(thread)
        return []

    def kill(self, thread):
        self.unlink_everywhere(thread)
        thread.state = "dead"

    def unlink_everywhere(self, thread):
        """Also what the phase under way has collected."""
        due = getattr(self, "due", [])
        for wake in [w for w in due if w.thread is thread]:
            due.remove(wake)
        for op in getattr(self, "delivering", []):
            if op.wake.thread is thread and op.wake in self.open:
                self.open.remove(op.wake)
        self.unlink(thread)

    def call_close(self, thread):
        thread = self.wanted_thread("close", thread)
        if thread.state in ("running", "normal"):
            raise LuauError(f"cannot close {thread.state} coroutine")
        failed = thread.failed
        self.kill(thread)
        thread.failed = False
        return [not failed]

    def call_create(self, function):
        return [Thread(function)]

    def call_status(self, thread):
        return [self.wanted_thread("status", thread).status()]

    def call_resume(self, thread, *values):
        thread = self.wanted_thread("resume", thread)
        if not thread.suspended():
            return [False, f"cannot resume {thread.status()} coroutine"]
        kind, value = self.resume(thread, values)
        return [False, value] if kind == "error" else [True, *value]

    def call_wrap(self, number, function):
        """Makes the wrap of this number."""
        self.wraps[number] = Thread(function)
        return []

    def call_wrapped(self, number, *values):
        thread = self.wraps.get(number)
        if thread is None:
            raise LuauError("attempt to call a nil value")
        if not thread.suspended():
            raise LuauError(f"cannot resume {thread.status()} coroutine")
        kind, value = self.resume(thread, values)
        if kind == "error":
            raise LuauError(plain(value))  # the VM adds a position: a string
        return value

    def call_error(self, value):
        raise LuauError(value)

    def call_op(self, name):
        op = Op(name)
        op.wake = self.wake("operation", self.stack[-1], op=op)
        self.open.append(op.wake)
        self.names[name] = op
        return (yield [])

    def end_op(self, name, outcome):
        op = self.names.get(name)
        if op is None or op.outcome is not None:
            return [False]
        op.outcome = outcome
        self.ended.append(op)
        return [True]

    def call_finish(self, name, *values):
        return self.end_op(name, ("values", list(values)))

    def call_fail(self, name, value):
        return self.end_op(name, ("error", value))

    def call_abandon(self, name):
        return self.end_op(name, ("error", "operation abandoned"))

    def call_count(self):
        due = [w for w in getattr(self, "due", [])]
        sleeping = len(self.timers) + len(due)
        return [sleeping, len(self.deferred), len(self.open)]


def plain(value):
    """How an error value is put into words: numbers as Luau prints them."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(int(value)) if value == int(value) else repr(float(value))
    return value
