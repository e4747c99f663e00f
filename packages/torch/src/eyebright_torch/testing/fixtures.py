"""A plugin of pytest for jobs in this process. Whose jobs, says the suite's own fixture `job_at`, which lasts the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from eyebright_kit.data.local import LocalDataset
from eyebright_torch.testing.job import Job, JobAt, make_images
from eyebright_wire.datasets import Split


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
def job(tmp_path: Path, images: LocalDataset, job_at: JobAt) -> Job:
    return job_at(tmp_path, images)
