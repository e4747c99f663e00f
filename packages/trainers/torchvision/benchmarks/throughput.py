"""Prints how near training comes to the speed of the bare model: one JSON line for each figure.

`python benchmarks/throughput.py [--only NAME]`, run by this trainer's own environment. All parts of a figure run in one process,
epoch about, so that a machine that is busy is busy for all of them.
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_kit.runtime import Context
from eyebright_kit.runtime.desk import SilentDesk
from eyebright_torchvision import fit, hardware, models
from eyebright_torchvision.config import ClassificationConfig
from eyebright_torchvision.distributed import Ranks
from eyebright_torchvision.learner import Learner
from eyebright_torchvision.loop import Loop
from eyebright_torchvision.manifest import MANIFEST
from eyebright_torchvision.optim import optimizer
from eyebright_torchvision.preprocess import MEAN, STD
from eyebright_wire.artifacts import Grant
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import DatasetGrant, JobSpec, Resources

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """What is trained on how many images; `stored` is the size of the files on disk."""

    name: str
    model: str
    imgsz: int
    batch: int
    images: int
    stored: tuple[int, int]
    extension: str
    epochs: int = 4
    devices: tuple[int, ...] = ()
    bar: float = 0.95
    peer: bool = True  # also against ImageFolder + DataLoader


CPU = (
    Case("train-resnet18-64", "resnet18", 64, 32, 256, (64, 64), "png", epochs=8),
    Case("train-resnet18-224", "resnet18", 224, 32, 64, (320, 240), "jpg", epochs=6),
)
GPU = (Case("train-gpu-resnet50-224", "resnet50", 224, 256, 10_240, (500, 375), "jpg", 4, (0,), bar=0.9, peer=False),)


@dataclass
class Rates:
    """Images per second of each contestant, over all its epochs."""

    seconds: dict[str, float] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)

    def add(self, who: str, images: int, seconds: float) -> None:
        self.seconds[who] = self.seconds.get(who, 0.0) + seconds
        self.images[who] = self.images.get(who, 0) + images

    def of(self, who: str) -> float:
        return self.images[who] / self.seconds[who]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="one figure's name, or the beginning of some")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    logging.disable(logging.INFO)
    for case in (*CPU, *(GPU if torch.cuda.is_available() else ())):
        if not asked.only or case.name.startswith(asked.only) or asked.only.startswith(case.name):
            for figure in measure(case, asked.threads):
                sys.stdout.write(json.dumps(figure) + "\n")
                sys.stdout.flush()


def measure(case: Case, threads: int) -> Iterator[dict[str, Any]]:
    """Each epoch: ours (the first one decodes), then as many steps of the bare model, then the peer."""
    with tempfile.TemporaryDirectory() as folder, contestants(case, Path(folder), threads) as parts:
        rates = Rates()
        for _ in range(case.epochs):
            for who, epoch in parts.items():
                began = time.perf_counter()
                images = epoch()
                if case.devices:
                    torch.cuda.synchronize()
                rates.add(who, images, time.perf_counter() - began)
    yield figure(case.name, rates, "pure", case.bar, "the same model and optimiser on one batch in memory")
    if case.peer:
        yield figure(f"{case.name}-peer", rates, "peer", 1.0, "ImageFolder + DataLoader, the same model and optimiser")


def figure(name: str, rates: Rates, other: str, bar: float, against: str) -> dict[str, Any]:
    value = round(rates.of("ours") / rates.of(other), 3)
    speeds = f"{rates.of('ours'):.1f} against {rates.of(other):.1f} images/s"
    return {
        "figure": name,
        "value": value,
        "unit": "ratio",
        "bar": bar,
        "holds": value >= bar,
        "against": f"{against} ({speeds})",
    }


@contextmanager
def contestants(case: Case, root: Path, threads: int) -> Iterator[dict[str, Callable[[], int]]]:
    data = store(case, root / "images")
    config = ClassificationConfig(epochs=case.epochs, batch=case.batch, imgsz=case.imgsz)
    ctx = context(case, config, data, root, threads)
    chosen = hardware.choose(config, ctx.resources, 0, 1)
    hardware.settle(chosen, config.deterministic)
    with fit._images(ctx, config, chosen, Split.TRAIN) as train:
        loop = Loop(ctx, config, chosen, Ranks(), learner(case, config, chosen), train, train)
        bare, bare_batch = learner(case, config, chosen), one_batch(case, chosen)
        parts = {
            "ours": lambda: our_epoch(loop),
            "pure": lambda: bare_epoch(bare, bare_batch, chosen, case),
        }
        if case.peer:
            peer = learner(case, config, chosen)
            loader = peer_loader(case, root / "images" / "train")
            parts["peer"] = lambda: peer_epoch(peer, loader, chosen)
        for part in (loop.learner, bare):  # kernels are chosen and memory is taken before the clock runs
            bare_step(part, bare_batch, chosen)
        yield parts


def our_epoch(loop: Loop) -> int:
    """What a run does for an epoch, but for evaluation and checkpoint."""
    loop._learn()
    loop.learner.sums.zero_()
    loop.state.epoch += 1
    loop.state.done = 0
    return len(loop.train)


def bare_epoch(bare: Learner, batch: tuple[torch.Tensor, torch.Tensor], chosen: hardware.Hardware, case: Case) -> int:
    steps = -(-case.images // case.batch)
    for _ in range(steps):
        bare_step(bare, batch, chosen)
    return steps * case.batch


def bare_step(bare: Learner, batch: tuple[torch.Tensor, torch.Tensor], chosen: hardware.Hardware) -> None:
    images, labels = batch
    bare.model.train()
    with chosen.autocast():
        loss = functional.cross_entropy(bare.model(images), labels)
    loss.backward()
    bare.optimizer.step()
    bare.optimizer.zero_grad(set_to_none=True)


def peer_loader(case: Case, folder: Path) -> DataLoader:
    """As in torchvision's own examples, with a worker for the one core that it may use beside training."""
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(case.imgsz),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    return DataLoader(ImageFolder(folder, transform), case.batch, shuffle=True, num_workers=1, persistent_workers=True)


def peer_epoch(peer: Learner, loader: DataLoader, chosen: hardware.Hardware) -> int:
    seen = 0
    for images, labels in loader:
        on_device = images.to(chosen.device, memory_format=torch.channels_last), labels.to(chosen.device)
        bare_step(peer, on_device, chosen)
        seen += len(labels)
    return seen


def learner(case: Case, config: ClassificationConfig, chosen: hardware.Hardware) -> Learner:
    made = Learner(models.build(case.model, CLASSES), [], config, chosen, Ranks())
    made.optimizer = optimizer(config, made.model)
    return made


def one_batch(case: Case, chosen: hardware.Hardware) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(case.batch, 3, case.imgsz, case.imgsz, device=chosen.device)
    labels = torch.randint(0, CLASSES, (case.batch,), device=chosen.device)
    return images.contiguous(memory_format=torch.channels_last), labels


def store(case: Case, root: Path) -> LocalDataset:
    """Files that decode as slowly as photographs: smooth noise, not plain colour."""
    rng = np.random.default_rng(0)
    width, height = case.stored
    samples = []
    for number in range(case.images):
        label = number % CLASSES
        path = root / "train" / f"{label:04d}" / f"{number:06d}.{case.extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)
        samples.append(LocalSample(path, label, path.name, width, height))
    return LocalDataset(root, tuple(map(str, range(CLASSES))), {Split.TRAIN: tuple(samples)})


def context(case: Case, config: ClassificationConfig, data: LocalDataset, root: Path, threads: int) -> Context:
    (task,) = MANIFEST.tasks
    grant = Grant(uri=root.as_uri() + "/")
    spec = JobSpec(
        job_id="benchmark",
        attempt=1,
        trainer=MANIFEST.name,
        task=task.name,
        model=case.model,
        config=config.model_dump(mode="json"),
        dataset=DatasetGrant(version_id="b", name="benchmark", manifest_sha256="0" * 64, blobs=grant),
        output=grant,
        resources=Resources(threads=threads, devices=case.devices),
    )
    log = logging.getLogger("benchmark")
    return Context(spec, data, root, root, log, SilentDesk(), lambda: None)


if __name__ == "__main__":
    main()
