"""How much of the machine a training really uses: our loop against pure compute, and against the loop that one writes first.

A resnet18 at 64 pixels, with as many images as the demo has, and at 224; batch 32, from JPEG files. `in_turn` says how the
contenders take turns in one process and `contenders` what each of them does. Ours runs its recipe's defaults (random crops,
flips, colour changes, label smoothing, a moving average of the weights, evaluation and a checkpoint each epoch); the plain loop
has crops and flips only. The first epoch, in which ours decodes every file and keeps the squares, is not counted and said on
stderr: of 30 epochs it is one. The figure is (rival's fastest epoch ÷ our fastest epoch), so 1 is as quick as the rival. The
fastest and not the median, because whatever else the machine does in twenty seconds can only slow an epoch down, and does so
to one contender and not to the next; the ratios of the single rounds are said as the spread.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figure import Family, Figure, NotHere
from benchmarks.pictures import photographed_objects, photographs
from benchmarks.server import ROOT
from benchmarks.spread import middle, say
from eyebright_kit.keeping.child_environment import child_environment

TRAINERS = ROOT / "packages/trainers"


@dataclass(frozen=True)
class Training:
    """One training to measure. `workers`: what the plain loop may choose from; none leaves it out."""

    model: str
    imgsz: int
    batch: int
    train: int
    val: int
    size: tuple[int, int]  # of the JPEG files
    rounds: int
    workers: tuple[int, ...] = (0, 2)
    device: str = "cpu"
    trainer: str = "torchvision"
    task: str = "classification"
    config: Mapping[str, Any] = field(default_factory=dict)


SMALL = Training("resnet18", 64, 32, train=1440, val=352, size=(160, 120), rounds=8)  # as many as the demo has
LARGE = Training("resnet18", 224, 32, train=384, val=64, size=(500, 375), rounds=5)
# What timm's own recipes do to images; at magnitude 9 its own transform asks Pillow for a picture of 0 bits, which that refuses.
USUAL = {"auto_augment": "rand-m7-mstd0.5-inc1", "mixup": 0.2}
TIMM_SMALL = replace(SMALL, trainer="timm", config=USUAL)
TIMM_LARGE = replace(LARGE, trainer="timm", config=USUAL)
#: Transformers take long on a CPU: small squares, few of them.
TRANSFORMERS = Training(
    "rtdetr_v2_r18vd",
    256,
    4,
    train=32,
    val=8,
    size=(640, 480),
    rounds=3,
    trainer="transformers",
    task="detection",
)


def took(training: Training) -> Mapping[str, Any]:
    """Seconds of each contender's epochs. Raises NotHere without the trainer or its device."""
    python = python_of(training.trainer)
    with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as scratch:
        folder = Path(scratch)
        draw = photographed_objects if training.task == "detection" else photographs
        data = draw(folder / "pictures", train=training.train, val=training.val, size=training.size)
        order = _turns(training, data)
        return in_environment(python, "benchmarks.in_turn", folder, order, device=training.device)


def ratio(found: Mapping[str, Any], training: Training, rival: str) -> float:
    """Rival ÷ ours; says everybody's images per second."""
    images = training.train + training.val
    for name in ("ours", rival):
        middle(name, [images / seconds for seconds in found[name]], "images/s")
    middle(f"{rival} ÷ ours", [theirs / ours for theirs, ours in zip(found[rival], found["ours"], strict=True)], "×")
    return min(found[rival]) / min(found["ours"])


def _turns(training: Training, data: Path) -> dict[str, Any]:
    return {
        "trainer": training.trainer,
        "data": str(data),
        "model": training.model,
        "config": {"imgsz": training.imgsz, "batch": training.batch, "exports": [], **training.config},
        "rounds": training.rounds,
        "workers": training.workers,
        "device": training.device,
        "task": training.task,
        "framework": "framework" if training.trainer != "transformers" else f"{training.task}.framework",
    }


def python_of(trainer: str) -> Path:
    """Of its environment. Raises NotHere when there is none."""
    python = TRAINERS / trainer / ".venv/bin/python"
    if not python.exists():
        raise NotHere(f"the {trainer} trainer is not installed: `make trainers`")
    return python


def in_environment(
    python: Path, module: str, folder: Path, order: Mapping[str, Any], *, device: str
) -> Mapping[str, Any]:
    """What a module of ours answers to an order in a trainer's environment. Raises NotHere without the device."""
    asked, result = folder / "order.json", folder / "result.json"
    asked.write_text(json.dumps(order))
    command = [str(python), "-m", module, str(asked), str(result)]
    subprocess.run(command, cwd=ROOT, env=_as_launched(python, device), stdout=sys.stderr, check=True)
    found = json.loads(result.read_text())
    if "absent" in found:
        raise NotHere(found["absent"])
    return found


def _as_launched(python: Path, device: str) -> dict[str, str]:
    """What the local executor would let a trainer see on a machine of its own."""
    threads = len(os.sched_getaffinity(0))
    return child_environment(os.environ, python, threads=threads, devices=(0,) if device == "cuda" else ())


def _measure(training: Training, of_compute: Figure, of_plain_loop: Figure) -> Mapping[str, float]:
    found = took(training)
    say(f"first epoch of ours: {found['warm']:.2f} s; the plain loop by workers: {found['workers']}")
    return {
        of_compute.name: ratio(found, training, "compute"),
        of_plain_loop.name: ratio(found, training, "plain loop"),
    }


def _family(training: Training) -> Family:
    of_compute = Figure(
        name=f"training_{training.imgsz}_of_compute",
        unit="ratio",
        bar=0.95,
        against=f"{training.model} at {training.imgsz} px on one batch in memory: steps and nothing else",
    )
    of_plain_loop = Figure(
        name=f"training_{training.imgsz}_of_plain_loop",
        unit="ratio",
        bar=1.0,
        against="ImageFolder + DataLoader + AdamW, crops and flips, with the faster of 0 and 2 workers",
    )
    return Family((of_compute, of_plain_loop), partial(_measure, training, of_compute, of_plain_loop))


def _measure_rival(training: Training, figure: Figure, rival: str) -> Mapping[str, float]:
    found = took(training)
    say(f"first epoch of ours: {found['warm']:.2f} s; the {rival} by workers: {found['workers']}")
    return {figure.name: ratio(found, training, rival)}


def _timm_family(training: Training) -> Family:
    figure = Figure(
        name=f"timm_{training.imgsz}_of_plain_loop",
        unit="ratio",
        bar=1.0,
        against="timm's own transforms, Mixup, average, optimiser and schedule, the faster of 0 and 2 workers",
    )
    return Family((figure,), partial(_measure_rival, training, figure, "plain loop"))


def _transformers_family(training: Training) -> Family:
    figure = Figure(
        name="transformers_of_hf_trainer",
        unit="ratio",
        bar=1.0,
        against="Hugging Face's Trainer on the same detector, data and batch, the faster of 0 and 2 workers",
    )
    return Family((figure,), partial(_measure_rival, training, figure, "hf trainer"))


FAMILIES = (
    _family(SMALL),
    _family(LARGE),
    _timm_family(TIMM_SMALL),
    _timm_family(TIMM_LARGE),
    _transformers_family(TRANSFORMERS),
)
