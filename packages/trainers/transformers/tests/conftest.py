"""Jobs of the transformers trainer in this process."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from eyebright_kit.data.local import LocalDataset
from eyebright_torch.testing import Job, make_images
from eyebright_transformers.manifest import MANIFEST
from eyebright_wire.datasets import Split

JOB = partial(Job, trainer=MANIFEST.name, model="vit-tiny-patch16")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> LocalDataset:
    """Three classes, told apart by where the light is; 8 training and 5 validation images of each."""
    return make_images(tmp_path_factory.mktemp("images"), {Split.TRAIN: 8, Split.VAL: 5})


@pytest.fixture
def job(tmp_path: Path, images: LocalDataset) -> Job:
    return JOB(tmp_path, images)


@pytest.fixture(scope="session")
def job_at() -> Callable[[Path, LocalDataset], Job]:
    """For fixtures that outlive one test: `job_at(root, images)`."""
    return JOB
