"""Ultralytics' pretrained weights, from the folder where the operator has put them. Nothing is downloaded.

A .pt file is a pickle, so loading one runs what is in it: only files of this one folder are opened, which whoever runs the
machine has filled.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import hub

from eyebright_kit.disk import sha256_of
from eyebright_kit.errors import ConfigInvalid

_RELEASES = "https://github.com/ultralytics/assets/releases"


@dataclass(frozen=True)
class Pretrained:
    """Weights and what they are, for the model card."""

    path: Path
    sha256: str
    title: str


def local(model: str) -> Pretrained:
    """Raises ConfigInvalid when they are not there, saying which file belongs where."""
    path = Path(hub.get_dir()) / "checkpoints" / f"{model}.pt"
    if not path.is_file():
        raise ConfigInvalid(
            f"pretrained=true needs the weights of {model}, which are not on this machine. Download {model}.pt from "
            f"{_RELEASES} elsewhere and put it at {path}, or train with pretrained=false"
        )
    return Pretrained(path, sha256_of(path), path.name)
