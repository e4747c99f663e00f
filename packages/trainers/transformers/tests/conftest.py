"""Jobs of the transformers trainer in this process."""

from functools import partial

import pytest

from eyebright_torch.testing import Job, JobAt
from eyebright_transformers.manifest import MANIFEST

pytest_plugins = ["eyebright_torch.testing.fixtures"]


@pytest.fixture(scope="session")
def job_at() -> JobAt:
    return partial(Job, trainer=MANIFEST.name, model="vit-tiny-patch16")
