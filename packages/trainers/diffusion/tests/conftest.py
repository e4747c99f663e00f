"""Jobs of the diffusion trainer in this process, on pictures that this draws."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eyebright_diffusion.manifest import MANIFEST
from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_torch.testing import Job, JobAt
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import JobSpec

pytest_plugins = ["eyebright_torch.testing.fixtures"]

QUICK = {
    "amp": "off",  # what auto means is the machine's to say
    "epochs": 2,
    "batch": 2,
    "resolution": 64,
    "rank": 2,
    "alpha": 8.0,
    "trigger": "sks",
    "save_every_epochs": 1,
}
SIZES = ((64, 64), (80, 64), (64, 128), (130, 64), (70, 70), (64, 64))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> LocalDataset:
    """Six pictures in three shapes, each second one with a caption."""
    root = tmp_path_factory.mktemp("pictures")
    return LocalDataset(root, (), {Split.TRAIN: pictures(root)})


def pictures(root: Path) -> tuple[LocalSample, ...]:
    return tuple(_picture(root, number, size) for number, size in enumerate(SIZES))


def _picture(root: Path, number: int, size: tuple[int, int]) -> LocalSample:
    rng = np.random.default_rng(number)
    path = root / f"{number:06d}.png"
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path)
    return LocalSample(path, None, path.name, *size, caption=f"sks number {number}" if number % 2 else None)


class LoraJob(Job):
    """Without the settings that only models on squares have."""

    def spec(self, model: str, config: dict[str, object]) -> JobSpec:
        spec = super().spec(model, config)
        return spec.model_copy(update={"config": {**QUICK, **self.config, **config}})


@pytest.fixture(scope="session")
def job_at() -> JobAt:
    return partial(LoraJob, trainer=MANIFEST.name, model="tiny", task="text_to_image")
