"""Jobs of the MMDetection trainer in this process, on the kit's scenes of shapes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from eyebright_kit.data.local import LocalDataset
from eyebright_mmdet.manifest import MANIFEST
from eyebright_torch.testing import Job, make_scenes
from eyebright_wire.datasets import Split

SETTINGS = {"imgsz": 64, "batch": 8, "scale": 0.2}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> LocalDataset:
    return make_scenes(tmp_path_factory.mktemp("scenes"), {Split.TRAIN: 24, Split.VAL: 8}, "detection")


@pytest.fixture(scope="session")
def job_at(scenes: LocalDataset) -> Callable[[Path], Job]:
    """For fixtures that outlive one test."""
    return lambda root: Job(root, scenes, MANIFEST.name, "rtmdet_tiny", SETTINGS, task="detection")


@pytest.fixture
def job(tmp_path: Path, job_at: Callable[[Path], Job]) -> Job:
    return job_at(tmp_path)
