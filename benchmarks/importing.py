"""What it costs to take a data set in: against unpacking and verifying alone, and against Datumaro reading the same.

`import_of_unzip` orders the import of a zip of 10,000 photographs (1 GB) from a running server, and between two imports runs
`unzip -q` of it and one pass of Pillow's `verify` over the files; the figure is the ratio of the medians. The import hashes,
decodes and inspects every picture, looks for ones that look alike, and stores them. Its memory is that of all processes that the
server started for it.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread

import psutil

from benchmarks import annotated
from benchmarks.figure import Family, Figure, NotHere
from benchmarks.server import ROOT, Server, environment, serving
from benchmarks.spread import middle, say
from eyebright.client import Client

PHOTOGRAPHS = 10_000
IMAGES, BOXES = 120_000, 1_000_000
ROUNDS = 3
_UV = ROOT / ".uv/bin/uv"

IMPORT = Figure(
    name="import_of_unzip",
    unit="ratio",
    bar=1.5,
    lower_is_better=True,
    against="unzip -q and one pass of Pillow's verify, 10,000 JPEGs in 1 GB",
)
MEMORY = Figure(
    name="import_memory",
    unit="MB",
    bar=300,
    lower_is_better=True,
    against="all processes of the same import at their peak",
)
REIMPORT = Figure(
    name="reimport_new_bytes",
    unit="ratio",
    bar=0.02,
    lower_is_better=True,
    against="the bytes of the first version, 1 % of whose pictures were changed",
)


def importing() -> Mapping[str, float]:
    with serving() as server, tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder:
        say(f"drawing {PHOTOGRAPHS:,} photographs")
        pictures = annotated.photographs(Path(folder, "pictures"), PHOTOGRAPHS)
        archive = annotated.zipped(pictures, Path(folder, "pictures.zip"))
        say(f"{archive.stat().st_size / 1e9:.2f} GB")
        rounds = [_round(server, archive, Path(folder), number) for number in range(ROUNDS)]
        ours, theirs, peaks = zip(*rounds, strict=True)
        return {
            IMPORT.name: middle("import", ours) / middle("unzip and verify", theirs),
            MEMORY.name: max(peaks),
            REIMPORT.name: _reimported(server, pictures, Path(folder)),
        }


def _round(server: Server, archive: Path, folder: Path, number: int) -> tuple[float, float, float]:
    """Seconds of an import and of the plain work, and the import's peak in MB. Each import finds an empty store."""
    with serving() as fresh:
        with _Peak(fresh) as peak:
            ours = _imported(fresh, archive, f"round-{number}")
        theirs = _plain(archive, folder / "plain")
    return ours, theirs, peak.megabytes


def _imported(server: Server, path: Path, name: str) -> float:
    began = time.monotonic()
    with Client(server.url, server.token) as client:
        version = client.import_dataset(path, name)
    seconds = time.monotonic() - began
    assert sum(version.report.images.values()) == PHOTOGRAPHS
    return seconds


def _plain(archive: Path, into: Path) -> float:
    began = time.monotonic()
    subprocess.run(["unzip", "-q", str(archive), "-d", str(into)], check=True)
    verify = (
        "import sys, pathlib, PIL.Image as I\n"
        "for path in pathlib.Path(sys.argv[1]).rglob('*.jpg'):\n"
        "  with I.open(path) as image: image.verify()"
    )
    subprocess.run([sys.executable, "-c", verify, str(into)], check=True)
    seconds = time.monotonic() - began
    shutil.rmtree(into)
    return seconds


def _reimported(server: Server, pictures: Path, folder: Path) -> float:
    """New bytes on the server's disk after importing the same pictures with one in a hundred changed."""
    _imported(server, pictures, "again")
    before = _stored(server)
    annotated.changed(pictures, 0.01)
    _imported(server, pictures, "again")
    return (_stored(server) - before) / before


def _stored(server: Server) -> int:
    return sum(path.stat().st_size for path in (server.data_dir / "objects").rglob("*") if path.is_file())


class _Peak:
    """Watches the processes that a server has started: the most that they hold together."""

    def __init__(self, server: Server) -> None:
        self.megabytes = 0.0
        self._server = psutil.Process(server.process.pid)
        self._ended = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            found = 0
            for process in self._server.children(recursive=True):
                try:
                    found += process.memory_full_info().pss
                except psutil.Error:  # it has just left
                    continue
            self.megabytes = max(self.megabytes, found / 1e6)


# Inspecting a million boxes

COCO = Figure(
    name="inspect_coco_seconds", unit="s", bar=60, lower_is_better=True, against="1,000,000 boxes in 120,000 images"
)
COCO_MEMORY = Figure(
    name="inspect_coco_memory", unit="MB", bar=1000, lower_is_better=True, against="the same run at its peak"
)
YOLO = Figure(
    name="inspect_yolo_seconds", unit="s", bar=60, lower_is_better=True, against="1,000,000 boxes in 120,000 images"
)


def inspecting() -> Mapping[str, float]:
    with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder:
        say(f"drawing {IMAGES:,} pictures with {BOXES:,} boxes, twice")
        coco = _inspected(annotated.write_coco(Path(folder, "coco"), IMAGES, BOXES))
        shutil.rmtree(Path(folder, "coco"))
        yolo = _inspected(annotated.write_yolo(Path(folder, "yolo"), IMAGES, BOXES))
    return {COCO.name: coco[0], COCO_MEMORY.name: coco[1], YOLO.name: yolo[0]}


def _inspected(root: Path) -> tuple[float, float]:
    """Seconds and peak MB of `eyebright datasets inspect ROOT --json`."""
    eyebright = Path(sys.executable).parent / "eyebright"
    command = [sys.executable, "-c", _MEASURED, str(eyebright), "datasets", "inspect", str(root), "--json"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, env=environment(Path("unused")))
    seconds = time.monotonic() - began
    report = json.loads(done.stdout)["report"]
    assert sum(report["images"].values()) == IMAGES
    counted = sum(sum(counts.values()) for counts in report["instances_per_class"].values())
    assert counted == BOXES, f"{counted:,} boxes were counted"
    peak = int(done.stderr.splitlines()[-1]) / 1e3
    say(f"{report['format']}: {seconds:.1f} s, {peak:.0f} MB")
    return seconds, peak


#: Through a small process: a child's figure begins with what its parent holds, and that has drawn a million boxes.
_MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


# Datumaro

DATUMARO_COCO = Figure(
    name="coco_of_datumaro", unit="ratio", bar=3, against="Datumaro detecting and reading the same COCO set"
)
DATUMARO_VOC = Figure(
    name="voc_of_datumaro", unit="ratio", bar=3, against="Datumaro detecting and reading the same VOC set"
)
_PEER_IMAGES, _PEER_BOXES = 20_000, 160_000


def against_datumaro() -> Mapping[str, float]:
    with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder:
        sets = {
            DATUMARO_COCO.name: annotated.write_coco(Path(folder, "coco"), _PEER_IMAGES, _PEER_BOXES),
            DATUMARO_VOC.name: annotated.write_voc(Path(folder, "voc"), _PEER_IMAGES, _PEER_BOXES),
        }
        return {name: _times_faster(root) for name, root in sets.items()}


def _times_faster(root: Path) -> float:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_seconds([sys.executable, str(ROOT / "benchmarks/readers/ours.py"), str(root)]))
        peer = str(ROOT / "benchmarks/readers/datumaro_reader.py")
        theirs.append(
            _seconds([str(_UV), "run", "--no-project", "--quiet", "--with", "datumaro", "python", peer, str(root)])
        )
    return middle(f"Datumaro on {root.name}", theirs) / middle(f"ours on {root.name}", ours)


def _seconds(command: list[str]) -> float:
    """What the reader itself measured: starting and importing are not part of it."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment(Path("unused")))
    if done.returncode:
        raise NotHere(f"{command[-2]} failed: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["images"] == _PEER_IMAGES, answer
    assert answer["boxes"] == _PEER_BOXES, answer
    return answer["seconds"]


FAMILIES = (
    Family((DATUMARO_COCO, DATUMARO_VOC), against_datumaro),
    Family((IMPORT, MEMORY, REIMPORT), importing),
    Family((COCO, COCO_MEMORY, YOLO), inspecting),
)
