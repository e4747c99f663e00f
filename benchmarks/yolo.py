"""What the platform costs a YOLO training: `eyebright train` on a running server against `YOLO(...).train(...)` by hand.

yolo11n at 160 pixels on photographs with rectangles to be found; the same settings, threads and files. Both are timed from
spawning to exit, by turns; ours on data imported before, with its checkpoints, evaluation, artifacts, model card and the
registered model. The figure allows ours one second for all that once, so it is (ours − 1 s) ÷ by hand, of the fastest runs.

The second figure is the greatest difference between the final metrics of ours and of Ultralytics alone with the same seed. Ours
draws the chance of each epoch from seed and epoch, so that a resumed run equals one that was never interrupted; by hand, two
callbacks do the same.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figure import Family, Figure, NotHere
from benchmarks.pictures import boxed_for_yolo
from benchmarks.server import EYEBRIGHT, ROOT, Server, serving, timed
from benchmarks.spread import middle, say

WALL = Figure(
    name="ultralytics_of_by_hand",
    unit="ratio",
    bar=1.02,
    lower_is_better=True,
    against="`YOLO(...).train(...)` on the same files with the same settings, spawn to exit; ours less one second",
)
METRICS = Figure(
    name="ultralytics_metrics_apart",
    unit="difference",
    bar=0.0,
    lower_is_better=True,
    against="the final mAP50-95, mAP50, precision and recall of Ultralytics alone with the same seed",
)

ROUNDS = 3
MODEL = "yolo11n"
SETTINGS: Mapping[str, Any] = {
    "epochs": 10,
    "imgsz": 160,
    "batch": 16,
    "lr0": 0.002,
    "optimizer": "AdamW",
    "exports": [],
}
PYTHON = ROOT / "packages/trainers/ultralytics/.venv/bin/python"
_SCORES = ("mAP50-95", "mAP50", "precision", "recall")


@dataclass(frozen=True)
class Ran:
    seconds: float
    metrics: Mapping[str, float]


def yolo() -> Mapping[str, float]:
    if not PYTHON.exists():
        raise NotHere("the ultralytics trainer is not installed: `make trainers`")
    with serving() as server, tempfile.TemporaryDirectory(prefix="eyebright-bench-") as scratch:
        folder = Path(scratch)
        data = boxed_for_yolo(folder / "pictures", train=192, val=48, size=(320, 256))
        timed([EYEBRIGHT, "datasets", "import", data, "--name", "pictures"], server)
        rounds = [(_ours(server), _by_hand(server, data, folder / f"round-{number}")) for number in range(ROUNDS)]
        twin = _by_hand(server, data, folder / "twin", in_our_order=True)
    ours, by_hand = zip(*rounds, strict=True)
    return {WALL.name: _ratio(ours, by_hand), METRICS.name: _apart(ours[0].metrics, twin.metrics)}


def _ratio(ours: tuple[Ran, ...], by_hand: tuple[Ran, ...]) -> float:
    middle("ours", mine := [ran.seconds for ran in ours])
    middle("by hand", theirs := [ran.seconds for ran in by_hand])
    middle("(ours − 1 s) ÷ by hand", [(a - 1) / b for a, b in zip(mine, theirs, strict=True)], "×")
    return (min(mine) - 1) / min(theirs)


def _apart(ours: Mapping[str, float], theirs: Mapping[str, float]) -> float:
    for name in _SCORES:
        say(f"{name}: {ours[name]:.6f}; by hand {theirs[name]:.6f}")
    assert ours["mAP50"] > 0.1, "models that find nothing are all alike"
    return max(abs(ours[name] - theirs[name]) for name in _SCORES)


def _ours(server: Server) -> Ran:
    settings = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={_written(value)}")]
    asked = ["--trainer", "ultralytics", "--task", "detection", "--model", MODEL, *settings, "--json"]
    seconds, told = timed([EYEBRIGHT, "train", "pictures", *asked], server)
    return Ran(seconds, json.loads(told)["metrics"])


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _by_hand(server: Server, data: Path, folder: Path, *, in_our_order: bool = False) -> Ran:
    folder.mkdir()
    asked, result = folder / "order.json", folder / "result.json"
    order = {
        "model": MODEL,
        "settings": dict(SETTINGS),
        "data": str(data / "data.yaml"),
        "folder": str(folder),
        "threads": len(os.sched_getaffinity(0)),
        "in_our_order": in_our_order,
    }
    asked.write_text(json.dumps(order))
    seconds, _ = timed([PYTHON, "-m", "benchmarks.yolo_by_hand", asked, result], server)
    return Ran(seconds, json.loads(result.read_text()))


FAMILIES = (Family((WALL, METRICS), yolo),)
