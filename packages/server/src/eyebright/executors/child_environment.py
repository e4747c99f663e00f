"""The environment variables of a trainer process: what it needs to run, and nothing that it could give away.

A training job executes a framework on somebody's data; the server's own settings, tokens and proxies are none of its business.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Marks a process, and every descendant of it, as part of one run: its value is the run directory. It is inherited through
#: fork, setsid and the death of parents, which nothing else that can be seen from outside is.
RUN_MARK = "TRAINING_RUN"

_ALLOWED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
        *("XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)
_ALLOWED_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "NCCL_")


def allowed(environment: Mapping[str, str]) -> dict[str, str]:
    """What of the server's environment a child may see."""
    return {
        name: value for name, value in environment.items() if name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES)
    }


def child_environment(
    environment: Mapping[str, str], python: Path, *, threads: int, devices: Sequence[int] = ()
) -> dict[str, str]:
    """For a process of `python` that may use these CUDA devices (none: CPU only) and so many threads."""
    inherited = allowed(environment)
    return {
        **inherited,
        "PATH": f"{python.parent}{os.pathsep}{inherited.get('PATH', os.defpath)}",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # the order in which the slots were counted; CUDA's default is by speed
        "CUDA_VISIBLE_DEVICES": ",".join(map(str, devices)),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",  # threads that spin while they wait halve the speed of the job beside them
        "PYTHONUNBUFFERED": "1",
    }
