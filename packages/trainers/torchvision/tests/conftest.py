"""Jobs of the torchvision trainer in this process."""

from functools import partial

import pytest

from eyebright_torch.testing import Job, JobAt
from eyebright_torchvision.manifest import MANIFEST

pytest_plugins = ["eyebright_torch.testing.fixtures"]


@pytest.fixture(scope="session")
def job_at() -> JobAt:
    return partial(Job, trainer=MANIFEST.name, model="mobilenet_v2")
