"""timm's published weights: from a file in its place, or fetched there once, with an error that tells what to do without a
network."""

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from eyebright_kit.disk import is_full
from eyebright_kit.errors import ConfigInvalid, DiskFull
from eyebright_timm.models import check_known
from eyebright_torch.weights import Pretrained

_TIMEOUT_SECONDS = 10.0  # a filtered network answers nothing; without this the job would hang for minutes


def fetch(model: str) -> Pretrained:
    """The weights of a model, by its name with or without their tag, downloaded unless the file is there already.

    Raises ConfigInvalid when they are neither there nor to be had, saying which file belongs where; DiskFull without room.
    """
    check_known(model)
    name, url, licence = _published(model)
    file = Path(torch.hub.get_dir()) / "checkpoints" / f"{name}.safetensors"
    if not file.exists():
        _download(name, url, file)
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ConfigInvalid(_damaged(url, file, error)) from error
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Pretrained(tensors, name, url, sha256, _terms(name, licence))


def _published(model: str) -> tuple[str, str, str]:
    """The full name of a model's weights, their address, and their licence as timm tells it."""
    told = timm.get_pretrained_cfg(model)
    if told is None or not told.hf_hub_id:
        raise ConfigInvalid(f"timm publishes no weights of {model}; train with pretrained=false")
    name = f"{told.architecture}.{told.tag}" if told.tag else told.architecture
    return name, f"https://huggingface.co/{told.hf_hub_id}/resolve/main/model.safetensors", told.license or "not stated"


def _download(name: str, url: str, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _timeout(_TIMEOUT_SECONDS):
            torch.hub.download_url_to_file(url, str(file), progress=False)  # beside it first, then renamed
    except OSError as error:  # URLError and time-outs are OSErrors
        if is_full(error):
            raise DiskFull(
                f"no room left in {file.parent} for {file.name}; free space there and retry the job"
            ) from error
        raise ConfigInvalid(_absent(name, url, file, error)) from error


def _absent(name: str, url: str, file: Path, error: OSError) -> str:
    return (
        f"pretrained=true needs the weights of {name}, which are not on this machine and cannot be downloaded "
        f"({getattr(error, 'reason', error)}). Download {url} elsewhere and put it at {file}, or train with pretrained=false"
    )


def _damaged(url: str, file: Path, error: Exception) -> str:
    return (
        f"the pretrained weights at {file} cannot be used ({error}). Delete that file; then it is downloaded again, "
        f"or put a fresh copy of {url} there, or train with pretrained=false"
    )


def _terms(name: str, licence: str) -> str:
    return f"The weights began from {name} of timm (licence: {licence}); the data that those were trained on may have terms too."


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
