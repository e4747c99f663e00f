"""What it costs to move large objects through the object store: against the transfer of boto3, by turns in one process.

The store is Ceph's radosgw over memory, on this machine: a real S3, which shares the cores with whoever moves. Ours signs and
sends a blob, finds meanwhile whether it is what its name says, and verifies what comes down by its sha256; boto3's `upload_file`
and `download_file` do what they do unasked. Both write what they fetch to the same disk. The memory is that of a process of its
own: how far its peak rises above what it holds when the store has been opened and used once.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping

from benchmarks.beside import gateway
from benchmarks.figure import Family, Figure
from benchmarks.server import ROOT
from benchmarks.spread import middle, say

MEGABYTES = 1000
#: The gateway keeps what was removed for two hours, so that each is good for two rounds.
GATEWAYS, ROUNDS = 1, 2
UP = Figure(
    name="object_upload_of_boto3",
    unit="ratio",
    bar=0.9,
    against="boto3's upload_file of the same 1 GB to the same radosgw, by turns: its time ÷ ours",
)
DOWN = Figure(
    name="object_download_of_boto3",
    unit="ratio",
    bar=0.9,
    against="boto3's download_file of the same 1 GB from the same radosgw, by turns: its time ÷ ours",
)
MEMORY = Figure(
    name="object_memory",
    unit="MB",
    bar=150,
    lower_is_better=True,
    against="rise of the peak while 1 GB goes up and comes down, and then eight of 128 MB at once",
)


def moving() -> Mapping[str, float]:
    taken: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(GATEWAYS):
        for name, seconds in _child("race", MEGABYTES, ROUNDS).items():
            taken[name] += seconds
    up, theirs_up = middle("uploads", taken["up"]), middle("boto3's", taken["boto3_up"])
    down, theirs_down = middle("downloads", taken["down"]), middle("boto3's", taken["boto3_down"])
    (peak,) = _child("memory", MEGABYTES)["memory"]
    return {UP.name: theirs_up / up, DOWN.name: theirs_down / down, MEMORY.name: peak}


FAMILIES = (Family((UP, DOWN, MEMORY), moving),)


def _child(verb: str, *arguments: int) -> dict[str, list[float]]:
    with gateway() as ceph, tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder:
        words = [verb, json.dumps({"endpoint": ceph.endpoint, **ceph.keys}), folder, *map(str, arguments)]
        command = [sys.executable, "-m", "benchmarks.transfers", *words]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
        say(f"{verb}: {done.stdout.decode().strip()}")
    return json.loads(done.stdout)
