from pathlib import Path

import pytest
from segmentation.painted import JOB, make_painted

from eyebright_kit.data.local import LocalDataset
from eyebright_torch.testing import Job
from eyebright_wire.datasets import Split


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> LocalDataset:
    """Boxes of two colours on grey ground: 12 training and 6 validation images."""
    return make_painted(tmp_path_factory.mktemp("painted"), {Split.TRAIN: 12, Split.VAL: 6})


@pytest.fixture
def job(tmp_path: Path, painted: LocalDataset) -> Job:
    return JOB(tmp_path, painted)
