"""Jobs of the MMDetection trainer in this process, on the kit's scenes of shapes."""

from functools import partial

import pytest

from eyebright_kit.data.local import LocalDataset
from eyebright_mmdet.manifest import MANIFEST
from eyebright_torch.testing import Job, JobAt, make_scenes
from eyebright_wire.datasets import Split

pytest_plugins = ["eyebright_torch.testing.fixtures"]
SETTINGS = {"imgsz": 64, "batch": 8, "scale": 0.2}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> LocalDataset:
    return make_scenes(tmp_path_factory.mktemp("scenes"), {Split.TRAIN: 24, Split.VAL: 8}, "detection")


@pytest.fixture(scope="session")
def job_at() -> JobAt:
    return partial(Job, trainer=MANIFEST.name, model="rtmdet_tiny", config=SETTINGS, task="detection")
