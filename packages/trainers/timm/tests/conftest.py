"""Jobs of the timm trainer in this process."""

from functools import partial

import pytest

from eyebright_timm.manifest import MANIFEST
from eyebright_torch.testing import Job, JobAt

pytest_plugins = ["eyebright_torch.testing.fixtures"]


@pytest.fixture(scope="session")
def job_at() -> JobAt:
    return partial(Job, trainer=MANIFEST.name, model="mobilenetv3_small_050")
