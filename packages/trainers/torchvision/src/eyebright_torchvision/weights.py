"""ImageNet weights through torchvision's own weights API, with an error that tells what to do without a network."""

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torchvision import models

from eyebright_kit.disk import is_full
from eyebright_kit.errors import ConfigInvalid, DiskFull
from eyebright_torch.weights import Pretrained

_TERMS = (
    "The weights began from torchvision's (BSD-3-Clause), which were trained on ImageNet-1k; ImageNet's terms allow "
    "its images for non-commercial research."
)
_TIMEOUT_SECONDS = 10.0  # a filtered network answers nothing; without this the job would hang for minutes


def fetch(architecture: str) -> Pretrained:
    """The best weights that torchvision has for this architecture, downloaded unless the file is there already.

    Raises ConfigInvalid when it is neither there nor to be had, saying which file belongs where; DiskFull when it has no room.
    """
    weights = models.get_model_weights(architecture).DEFAULT
    file = _file(weights.url)
    try:
        with _timeout(_TIMEOUT_SECONDS):
            tensors = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        sha256 = _verified(file)
    except OSError as error:  # URLError and time-outs are OSErrors
        if is_full(error):
            raise DiskFull(
                f"no room left in {file.parent} for {file.name}; free space there and retry the job"
            ) from error
        raise ConfigInvalid(_absent(architecture, weights.url, file, error)) from error
    except Exception as error:  # torch names a wrong hash and a broken file in several ways
        raise ConfigInvalid(_damaged(weights.url, file, error)) from error
    return Pretrained(dict(tensors), str(weights), weights.url, sha256, _TERMS)


def _file(url: str) -> Path:
    """Where torch.hub keeps the file of this address."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def _absent(architecture: str, url: str, file: Path, error: OSError) -> str:
    return (
        f"pretrained=true needs the ImageNet weights of {architecture}, which are not on this machine and cannot be "
        f"downloaded ({getattr(error, 'reason', error)}). Download {url} elsewhere and put it at {file}, "
        f"or train with pretrained=false"
    )


def _damaged(url: str, file: Path, error: Exception) -> str:
    return (
        f"the pretrained weights at {file} cannot be used ({error}). Delete that file; then it is downloaded again, "
        f"or put a fresh copy of {url} there, or train with pretrained=false"
    )


def _verified(file: Path) -> str:
    """The file's sha256, whose first digits are in its name; torch checks them only while it downloads."""
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    told = file.stem.rpartition("-")[2]
    if not sha256.startswith(told):
        raise ValueError(f"its sha256 begins with {sha256[: len(told)]} where its name says {told}")
    return sha256


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
