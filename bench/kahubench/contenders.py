"""Who is measured, how each is called, and which are not there."""
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

# Programs from package registries that run Luau scripts with a task library:
# what to install, and the expressions that get the library and that end the
# program.
PEERS = {
    "lune": {"version": "0.11.1", "run": ["run"],
             "task": 'require("@lune/task")',
             "leave": 'require("@lune/process").exit'},
}
PEERS_PREFIX = "build/peers"

VM_PACE = "200,200,1"  # of the collector, by itself


@dataclasses.dataclass
class Contender:
    """A command that scripts are appended to; without one it is absent."""
    name: str
    command: list = None
    task: str = "task"
    leave: str = "nil"
    why_absent: str = ""
    ours: bool = True
    version: str = ""
    is_same: bool = False  # as kahu is without options: not run again

    @property
    def is_absent(self):
        return self.command is None


def output_of(command):
    """What a program says, whatever its exit code; nothing if it can't run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=60, check=False)
    except OSError:
        return ""
    return done.stdout + done.stderr


def of_build(name, build, program, *arguments):
    """One of the programs that `make bench` has built."""
    path = pathlib.Path(build) / program
    if os.access(path, os.X_OK):
        return Contender(name, [path, *arguments])
    return Contender(name, why_absent=f"{program} is not built")


def plain(build):
    """kahu with the VM's own collector pace, where its own differs."""
    program = pathlib.Path(build) / "kahu"
    if "--gc-pace" in output_of([program, "--help"]):
        return of_build("kahu-plain", build, "kahu", "--gc-pace", VM_PACE)
    return Contender("kahu-plain", is_same=True)


def find_peer(name, given, root):
    """Where told, in the environment, where `make bench-peers` puts it, PATH.
    """
    told = given.get(name) or os.environ.get(f"KAHU_{name.upper()}")
    if told:
        return told
    installed = pathlib.Path(root) / PEERS_PREFIX / "bin" / name
    return installed if installed.exists() else shutil.which(name)


def peer(name, given, root):
    facts = PEERS[name]
    path = find_peer(name, given, root)
    said = output_of([path, "--version"]) if path else ""
    if not said:
        return Contender(name, ours=False, why_absent="not installed; make "
                         "bench-peers does that")
    version = re.search(r"\d+(\.\d+)+", said)
    return Contender(name, [path, *facts["run"]], facts["task"],
                     facts["leave"], ours=False,
                     version=version[0] if version else said.strip())


def other_versions(found):
    """Peers that are not what their targets are about."""
    return [f"{name} is {found[name].version}, the pinned one is "
            f"{PEERS[name]['version']}"
            for name in PEERS if not found[name].is_absent
            and found[name].version != PEERS[name]["version"]]


def all_contenders(build, given, root):
    """By name, in the order in which they are shown."""
    host = "bench/kahu-host"
    found = [
        of_build("floor", build, "bench/kahu-floor"),
        of_build("kahu", build, "kahu"),
        plain(build),
        of_build("kahu-stepped", build, "kahu", "--virtual-time"),
        of_build("kahu-precise", build, "kahu", "--precise"),
        of_build("host", build, host, "--driver", "uv"),
        of_build("host-stepped", build, host, "--driver", "stepped"),
        of_build("frame", build, "bench/kahu-frame"),
        of_build("micro", build, "bench/kahu-micro"),
    ] + [peer(name, given, root) for name in PEERS]
    return {contender.name: contender for contender in found}
