"""How long one waits before anything happens, and what the control plane costs while nothing does.

`eyebright --help` is a whole process from spawning to its end, ten times after one that warms the disk cache. `serve` is
spawned on a fresh data folder (so the database is made and migrated too) and asked `/ready` every 5 ms until it says yes; the
median of five after one that lets Python compile its modules. Memory is the resident set of the server and all its children
10 s after that: resident, not proportional, because on a machine of its own nothing else shares the pages.
"""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks.figure import Family, Figure
from benchmarks.server import EYEBRIGHT, Server, environment, serving
from benchmarks.spread import middle, say

HELP = Figure(
    name="help_seconds", unit="s", bar=0.3, lower_is_better=True, against="a person's patience: spawn to exit"
)
READY = Figure(
    name="serve_ready_seconds",
    unit="s",
    bar=2.0,
    lower_is_better=True,
    against="spawn to the first 200 of /ready, on a fresh data folder",
)
IDLE = Figure(
    name="idle_memory",
    unit="MB",
    bar=150.0,
    lower_is_better=True,
    against="resident set of the server 10 s after it is ready; MLflow 3.17.2's tracking server: 2,600 MB",
)

_HELPS, _STARTS, _IDLE_SECONDS = 10, 5, 10.0


def help_seconds() -> Mapping[str, float]:
    took = [_help() for _ in range(_HELPS + 1)]
    return {HELP.name: middle("eyebright --help", took[1:])}


def serve_ready_seconds() -> Mapping[str, float]:
    took = [_start() for _ in range(_STARTS + 1)]
    return {READY.name: middle("serve until ready", took[1:])}


def idle_memory() -> Mapping[str, float]:
    with serving() as server:
        time.sleep(_IDLE_SECONDS)
        return {IDLE.name: _resident_mb(server)}


def _help() -> float:
    began = time.monotonic()
    subprocess.run([EYEBRIGHT, "--help"], stdout=subprocess.DEVNULL, check=True, env=environment(Path("unused")))
    return time.monotonic() - began


def _start() -> float:
    with serving() as server:
        return server.ready_after


def _resident_mb(server: Server) -> float:
    process = psutil.Process(server.process.pid)
    members = [process, *process.children(recursive=True)]
    found = [member.memory_full_info() for member in members]
    say(f"{len(members)} process(es), proportional set {sum(memory.pss for memory in found) / 1e6:.1f} MB")
    return sum(memory.rss for memory in found) / 1e6


FAMILIES = (
    Family((HELP,), help_seconds),
    Family((READY,), serve_ready_seconds),
    Family((IDLE,), idle_memory),
)
