"""The environment variables that a child process inherits: what it needs to run, and nothing that it could give away.

A trainer executes a framework on somebody's data; its keeper's own settings, tokens and proxies are none of its business.
One list for everything that is asked of a trainer: what it finds when it tries itself out must hold for its jobs.
"""

import os
from collections.abc import Mapping
from pathlib import Path

#: Tells a trainer the operator's folder of base models.
BASE_MODELS = "EYEBRIGHT_BASE_MODELS"
#: Where the clients of buckets look for credentials. An importer fetches with them, and a trainer whose manifest says so; the
#: worker that an importer starts never sees them.
CREDENTIALS = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_")
_ALLOWED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
        *("XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        BASE_MODELS,
    }
)
_ALLOWED_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "NCCL_")


def inherited(environment: Mapping[str, str], python: Path) -> dict[str, str]:
    """What of its keeper's environment a process of `python` gets to see; the tools beside that come first on its PATH."""
    kept = {
        name: value for name, value in environment.items() if name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES)
    }
    return {**kept, "PATH": f"{python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"}
