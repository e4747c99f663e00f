"""How a training process ends."""

import os
import subprocess
import sys

import pytest

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
