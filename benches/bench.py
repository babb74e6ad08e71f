"""What the scripts beside it share: contenders timed in turn, medians of them, tables.

All work is done below target/bench, on the file system of the source. That should be a disk: on a tmpfs a sync costs nothing.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Sequence

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent
WORK = SOURCE / "target" / "bench"
PROGRAM = Path(os.environ.get("IPALIAS_PROGRAM", SOURCE / "target" / "targets" / "release" / "musl" / "ipalias")).resolve()

LIMIT = 60  # seconds for one run; what takes longer is shown as such
MOST_RUNS = int(os.environ.get("BENCH_RUNS", 21))
FEWEST_RUNS = min(3, MOST_RUNS)
SECONDS_FOR_ALL = 6  # of one contender, as far as FEWEST_RUNS allows


@dataclass
class Run:
    """One run, in milliseconds and MiB."""

    wall: float
    cpu: float
    rss: float
    code: int


@dataclass
class Contender:
    """A command, and what has to be done before each of its runs."""

    command: Sequence[str | Path]
    prepare: Callable[[], object] = lambda: None
    check: Callable[[], str | None] = lambda: None  # what is wrong with what the first run did
    root: Path = Path("/")  # where it is run
    runs: list[Run] = field(default_factory=list)
    failure: str = ""

    def is_done(self) -> bool:
        """Whether it has had its runs: many if they are short."""
        wanted = SECONDS_FOR_ALL * 1000 / max(1, self.runs[0].wall) if self.runs else 1
        return bool(self.failure) or len(self.runs) >= max(FEWEST_RUNS, min(MOST_RUNS, wanted))

    def median(self, what: str) -> float | None:
        """The median of `wall`, `cpu` or `rss`; nothing if it failed."""
        return None if self.failure or not self.runs else statistics.median(getattr(run, what) for run in self.runs)


def compiled(name: str) -> Path:
    """The program of `name`.c."""
    program, source = WORK / "bin" / name, HERE / f"{name}.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-static", "-Wall", "-Wextra", "-o", program, source], check=True)
    return program


def once(command: Sequence[str | Path], root: Path = Path("/"), limit: int = LIMIT) -> tuple[Run, str]:
    """Runs it; also what it said."""
    output = WORK / "output"
    clock = [compiled("clock"), str(limit), output, root, *command]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    timed = subprocess.run(clock, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    wall, cpu, rss, code = map(int, timed.stdout.split())
    return Run(wall / 1000, cpu / 1000, rss / 1024, code), output.read_text(errors="replace")


def race(contenders: Sequence[Contender]) -> None:
    """Runs all of them in turn, so that a slow moment of the machine is everyone's. The first turn warms the caches: it does
    not count, unless it is so slow that the caches cannot be why."""
    is_first = True
    while waiting := [one for one in contenders if not one.is_done()]:
        for one in waiting:
            one.prepare()
            run, said = once(one.command, one.root)
            if run.code != 0:
                last = (said.strip().splitlines() or ["says nothing"])[-1]
                one.failure = f"> {LIMIT} s" if run.code == 124 else f"exit {run.code}: {last}"
                print(f"{one.command[0]}: {one.failure}", file=sys.stderr)
                continue
            if is_first:
                one.failure = one.check() or ""
            if not is_first or run.wall > 1000 * SECONDS_FOR_ALL:
                one.runs.append(run)
        is_first = False


def tree(fixture: str, where: Path) -> None:
    """Lays a fixture's tree out."""
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(SOURCE / "fixtures" / fixture / "before", where, symlinks=True)
    for profile in where.glob("etc/NetworkManager/system-connections/*"):
        profile.chmod(0o600)


def number(value: float | None) -> str:
    """With about three figures."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def table(title: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown."""
    lines = [title, ["---"] * len(title), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def machine() -> str:
    """What it ran on, without names."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    system = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", WORK], capture_output=True, text=True).stdout.strip()
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    release = ".".join(os.uname().release.split(".")[:2])
    date = subprocess.run(["date", "+%F"], capture_output=True, text=True).stdout.strip()
    model = cpu[1] if cpu else "unknown"
    return f"{date}; {os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {release}, {system}; load {os.getloadavg()[0]:.1f} at the start"


def begin() -> None:
    """Makes the room to work in; says what is missing."""
    WORK.mkdir(parents=True, exist_ok=True)
    if not PROGRAM.exists():
        sys.exit(f"no {PROGRAM}; run .ci/targets release:x86_64-unknown-linux-musl, or set IPALIAS_PROGRAM")
