"""Starts the worker's process. Imports next to nothing, so that the worker gets ready while its importer still does."""

import os
import subprocess
import sys

#: What of the importer's environment the worker needs; there is nothing else for it to know. The last is the mark by which an
#: executor knows every process of a run.
_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "TRAINING_RUN")


def start() -> "subprocess.Popen[bytes]":
    """A worker that waits for its order on stdin. It leaves quietly if there comes none."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "eyebright_kit.importing.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**kept, "MALLOC_ARENA_MAX": "2"},  # each arena takes 64 MiB of the address space that is counted
        cwd="/",
        start_new_session=True,
    )
