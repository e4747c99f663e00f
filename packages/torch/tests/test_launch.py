"""How many processes a run becomes, and how one of them ends."""

import os
import subprocess
import sys

import pytest

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.launch import launcher
from eyebright_torch.testing import Job

PROGRAM = """
import atexit, sys
from eyebright_torch.launch import leave
atexit.register(lambda: print("tidied up"))
print("done")
leave(75)
"""


@pytest.mark.parametrize(
    ("world_size", "said"), [("1", ["done", "tidied up"]), ("2", ["done"])], ids=["alone", "one of two"]
)
def test_only_a_process_alone_is_tidied_up_after(world_size, said):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "WORLD_SIZE": world_size},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout.split("\n")[:-1]) == (75, said)


def test_a_run_of_several_processes_is_launched_and_one_alone_is_not(job: Job):
    assert launcher(job.context(epochs=1).spec, ClassificationConfig) is None
    assert "--nproc-per-node=2" in (launcher(job.context(processes=2).spec, ClassificationConfig) or [])


def test_settings_that_cannot_be_are_refused_before_anything_is_launched(job: Job):
    with pytest.raises(ConfigInvalid, match="epochs"):
        launcher(job.context(epochs=0).spec, ClassificationConfig)
