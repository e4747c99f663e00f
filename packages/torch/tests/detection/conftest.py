"""Jobs on the kit's scenes of shapes."""

from functools import partial
from pathlib import Path

import pytest

from eyebright_kit.data.local import LocalDataset
from eyebright_torch.testing import Job, make_scenes
from eyebright_wire.datasets import Split

SETTINGS = {"imgsz": 64, "batch": 8, "lr0": 0.005, "weight_decay": 0.0, "grad_clip": 10.0, "translate": 0, "scale": 0.2}
SCENES = partial(Job, trainer="tiny", model="cells", config=SETTINGS)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> LocalDataset:
    return make_scenes(tmp_path_factory.mktemp("scenes"), {Split.TRAIN: 48, Split.VAL: 13}, "instance_segmentation")


@pytest.fixture
def job(tmp_path: Path, scenes: LocalDataset) -> Job:
    return SCENES(tmp_path, scenes, task="detection")
