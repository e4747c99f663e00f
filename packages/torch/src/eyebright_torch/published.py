"""Weights that somebody publishes: a file in its place, fetched there once, with errors that say what to do offline."""

import hashlib
import pickle
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from eyebright_kit.disk import is_full
from eyebright_kit.errors import ConfigInvalid, DiskFull
from eyebright_torch.weights import Pretrained, Weights

_TIMEOUT_SECONDS = 10.0  # a filtered network answers nothing; without this the job would hang for minutes


@dataclass(frozen=True)
class Published:
    """A file of tensors by name: safetensors, or torch's own form, of which nothing but tensors is read."""

    name: str  # as the model card calls it: "vit_tiny_patch16_224.augreg_in21k"
    url: str
    terms: str  # sentences: whose they are, under which licence

    @property
    def file(self) -> Path:
        """Where it is looked for, beside what torch itself fetches."""
        ending = self.url.rpartition(".")[2]
        return Path(torch.hub.get_dir()) / "checkpoints" / f"{self.name.replace('/', '--')}.{ending}"

    def fetch(self) -> Pretrained:
        """Downloaded unless the file is there already.

        Raises ConfigInvalid when it is neither there nor to be had, saying which file belongs where; DiskFull without room.
        """
        if not self.file.exists():
            self._download()
        try:
            tensors = _tensors(self.file)
        except (OSError, EOFError, SafetensorError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
            raise ConfigInvalid(self._damaged(error)) from error
        with self.file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return Pretrained(tensors, self.name, self.url, sha256, self.terms)

    def _download(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            download(self.url, self.file)
        except OSError as error:  # URLError and time-outs are OSErrors
            if is_full(error):
                raise DiskFull(
                    f"no room left in {self.file.parent} for {self.file.name}; free space there and retry the job"
                ) from error
            raise ConfigInvalid(self._absent(error)) from error

    def _absent(self, error: OSError) -> str:
        return (
            f"pretrained=true needs the weights of {self.name}, which are not on this machine and cannot be downloaded "
            f"({getattr(error, 'reason', error)}). Download {self.url} elsewhere and put it at {self.file}, "
            f"or train with pretrained=false"
        )

    def _damaged(self, error: Exception) -> str:
        return (
            f"the pretrained weights at {self.file} cannot be used ({error}). Delete that file; then it is downloaded again, "
            f"or put a fresh copy of {self.url} there, or train with pretrained=false"
        )


def download(url: str, file: Path) -> None:
    """To a file that is there whole or not at all. Raises OSError, soon where no network answers."""
    with _timeout(_TIMEOUT_SECONDS):
        torch.hub.download_url_to_file(url, str(file), progress=False)  # beside it, then renamed


def _tensors(file: Path) -> Weights:
    """Raises ValueError for a file that holds something else, besides what reading raises."""
    if file.suffix == ".safetensors":
        return load_file(file)
    told: Any = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(told, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in told.values()):
        raise ValueError("it holds something else than tensors by name")
    return told


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
