"""The environment variables of a trainer process: what it inherits, and what it may use of the machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from eyebright_kit.keeping.inheritance import inherited

#: Marks a process, and every descendant of it, as part of one run: its value is the run directory. It is inherited through
#: fork, setsid and the death of parents, which nothing else that can be seen from outside is.
RUN_MARK = "TRAINING_RUN"

#: How long a thread that has nothing to do looks for more before it sleeps. By default it looks for so long that two jobs on the
#: same cores take 5 times as long; a thread that sleeps at once costs a small network a fifth of its speed.
_SPIN_COUNT = "2000"


def child_environment(
    environment: Mapping[str, str], python: Path, *, threads: int, devices: Sequence[int] = ()
) -> dict[str, str]:
    """For a process of `python` that may use these CUDA devices (none: CPU only) and so many threads."""
    return {
        **inherited(environment, python),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the order in which the slots were counted; CUDA's default is by speed
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, devices)),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "GOMP_SPINCOUNT": _SPIN_COUNT,
        "PYTHONUNBUFFERED": "1",
    }
