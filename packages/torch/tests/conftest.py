"""Jobs with a framework of two tiny networks, in this process."""

from functools import partial

import pytest

from eyebright_torch.testing import Job, JobAt

pytest_plugins = ["eyebright_torch.testing.fixtures"]


@pytest.fixture(scope="session")
def job_at() -> JobAt:
    return partial(Job, trainer="tiny", model="small")
