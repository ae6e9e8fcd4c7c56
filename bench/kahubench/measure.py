"""One run of one program: what it cost, and the facts that it printed."""
import ctypes
import dataclasses
import os
import signal
import subprocess
import tempfile
import threading
import time


class Failed(Exception):
    """The run gave no figure, and why."""


@dataclasses.dataclass
class Run:
    """Wall and CPU seconds, peak MiB, context switches, facts by name."""
    wall: float
    cpu: float
    peak: float
    switches: int
    facts: dict


def parse_facts(text):
    """The values of the lines `fact NAME VALUE`; other lines are ignored."""
    facts = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "fact":
            facts[words[1]] = float(words[2])
    return facts


# The most memory that a process had is remembered through exec: a child of
# ours would begin with what this interpreter has. So a small shell forks it,
# and ends; the orphan is ours then, as we are its "subreaper" (see prctl(2)).
# It becomes the program when the gate opens, so that only that is timed.
LAUNCHER = ('( read -r go; exec "$@" </dev/null ) '
            '<&{gate} >&{output} 2>&{errors} & echo $!')
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("prctl: cannot become a subreaper")


def fork_by_shell(command, **files):
    """The pid of what becomes the program, once the gate is open."""
    fds = {name: file.fileno() for name, file in files.items()}
    shell = subprocess.run(
        ["sh", "-c", LAUNCHER.format(**fds), "sh", *map(str, command)],
        stdout=subprocess.PIPE, pass_fds=fds.values(), check=True)
    return int(shell.stdout)


class Process:
    """A program under way. Its output goes to a file, so it never blocks."""

    def __init__(self, command, timeout, output=None):
        adopt_orphans()
        self.output = output or tempfile.TemporaryFile()
        self.errors = tempfile.TemporaryFile()
        self.timeout, self.killed = timeout, False
        reader, writer = os.pipe()
        with open(reader, "rb", 0) as gate, open(writer, "wb", 0) as key:
            self.pid = fork_by_shell(command, gate=gate, output=self.output,
                                     errors=self.errors)
            self.timer = threading.Timer(timeout, self.kill)
            self.timer.start()
            self.start = time.monotonic()
            key.write(b"go\n")

    def kill(self):
        self.killed = True
        os.kill(self.pid, signal.SIGKILL)

    def finish(self):
        """Waits for its end, and returns the Run."""
        _, status, usage = os.wait4(self.pid, 0)
        wall = time.monotonic() - self.start
        self.timer.cancel()
        code = os.waitstatus_to_exitcode(status)
        output, errors = read_back(self.output), read_back(self.errors)
        if self.killed:
            raise Failed(f"not done after {self.timeout:.0f} s")
        if code != 0:
            raise Failed(f"exit {code}: {(errors or output).strip()[-300:]}")
        return Run(wall, usage.ru_utime + usage.ru_stime,
                   usage.ru_maxrss / 1024, usage.ru_nvcsw + usage.ru_nivcsw,
                   parse_facts(output))


def read_back(file):
    """What has been written to a file of ours; nothing if it was a pipe."""
    if file.closed:
        return ""
    file.seek(0)
    with file:
        return file.read().decode(errors="replace")


def run(command, timeout):
    return Process(command, timeout).finish()


def run_start(command, timeout):
    """A run that knows how long it took until the first byte was printed."""
    reader, writer = os.pipe()
    with open(reader, "rb", 0) as reading:
        with open(writer, "wb", 0) as writing:
            process = Process(command, timeout, writing)
        first = reading.read(1)
        elapsed = time.monotonic() - process.start
        while reading.read(4096):
            pass
    done = process.finish()
    if not first:
        raise Failed("nothing printed")
    done.facts["first_byte_ms"] = elapsed * 1e3
    return done


@dataclasses.dataclass
class Activity:
    """What a process has done up to now, all its OS threads together."""
    switches: int = 0
    cpu_ns: int = 0
    is_asleep: bool = True


def activity_of_thread(folder):
    with open(f"{folder}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    with open(f"{folder}/schedstat", encoding="ascii") as schedstat:
        cpu_ns = int(schedstat.read().split()[0])
    return Activity(int(status["voluntary_ctxt_switches"]) +
                    int(status["nonvoluntary_ctxt_switches"]),
                    cpu_ns, status["State"].strip()[0] == "S")


def activity(pid):
    total = Activity()
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            more = activity_of_thread(f"/proc/{pid}/task/{thread}")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended since it was listed
        total.switches += more.switches
        total.cpu_ns += more.cpu_ns
        total.is_asleep = total.is_asleep and more.is_asleep
    return total


def settle(process, until):
    """Waits until it has slept for a third of a second, and not just waited
    for a processor."""
    before, unchanged = activity(process.pid), 0
    while unchanged < 3 and time.monotonic() < until:
        time.sleep(0.1)
        now = activity(process.pid)
        still = now == before and now.is_asleep
        unchanged = unchanged + 1 if still else 0
        before = now
    return before


def finish_idle(process, before, after):
    """The Run, or why it is none."""
    try:
        done = process.finish()
    except Failed as failed:
        return failed
    done.facts |= {"idle_wakeups": after.switches - before.switches,
                   "idle_cpu_ms": (after.cpu_ns - before.cpu_ns) / 1e6}
    return done


def run_idle(commands, seconds, timeout):
    """Runs programs that sleep, all at once: Runs or Faileds by name.

    Between start-up and the end of the sleep each is looked at from outside.
    """
    processes = {name: Process(command, timeout)
                 for name, command in commands.items()}
    before = {name: settle(process, process.start + seconds * 0.6)
              for name, process in processes.items()}
    first = min((process.start for process in processes.values()), default=0)
    time.sleep(max(0, first + seconds * 0.97 - time.monotonic()))
    after = {name: activity(process.pid)
             for name, process in processes.items()}
    return {name: finish_idle(process, before[name], after[name])
            for name, process in processes.items()}
