"""The weights that OpenMMLab published: from a file that somebody put in its place. Nothing is downloaded."""

import hashlib
import pickle
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from eyebright_kit.errors import ConfigInvalid
from eyebright_mmdet import configs
from eyebright_torch.weights import Pretrained, Weights


class _Inert:
    """Stands for whatever a file keeps beside its tensors; takes everything and does nothing."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


#: How mmengine writes the course of its losses. Read under these names, each becomes inert; `getattr` among them could do harm.
_BESIDE = [
    (_Inert, name)
    for name in (
        "mmengine.logging.history_buffer.HistoryBuffer",
        "__builtin__.getattr",
        "builtins.getattr",
        "numpy.dtype",
        "numpy.ndarray",
        *(f"numpy.{core}.multiarray.{what}" for core in ("core", "_core") for what in ("_reconstruct", "scalar")),
    )
]


def fetch(model: str) -> Pretrained:
    """The published weights of a model. Raises ConfigInvalid when there are none, or when their file is not in its place,
    saying which file belongs where."""
    url = configs.published(model)
    if not url:
        raise ConfigInvalid(f"OpenMMLab publishes no weights of {model}; train with pretrained=false")
    name = PurePosixPath(url).name
    file = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not file.exists():
        raise ConfigInvalid(
            f"pretrained=true needs the weights of {model}, which are not on this machine. Download {url} elsewhere and "
            f"put it at {file}, or train with pretrained=false"
        )
    sha256 = _checked(file, url)
    return Pretrained(_read(file), PurePosixPath(name).stem, url, sha256, _terms(name, configs.trained_on(model)))


def _checked(file: Path, url: str) -> str:
    """The file's sha256, whose beginning OpenMMLab writes at the end of the name."""
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    told = file.stem.rpartition("-")[2]
    if not sha256.startswith(told):
        raise ConfigInvalid(
            f"{file} is not what its name says: its sha256 begins with {sha256[:8]}, not {told}. Put a fresh copy of {url} "
            f"there, or train with pretrained=false"
        )
    return sha256


def _read(file: Path) -> Weights:
    """Tensors by name. What else is in the file never becomes code: torch refuses all but plain values and what is inert."""
    try:
        with torch.serialization.safe_globals(_BESIDE):
            told: Any = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ConfigInvalid(
            f"the weights at {file} hold more than tensors and plain values, or are damaged ({_reason(error)}); "
            f"put OpenMMLab's own file there, or train with pretrained=false"
        ) from error
    tensors = told.get("state_dict") if isinstance(told, dict) else None
    if not isinstance(tensors, dict):
        raise ConfigInvalid(
            f"{file} has no tensors under `state_dict`; put OpenMMLab's own file there, or train with pretrained=false"
        )
    return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, torch.Tensor)}


def _reason(error: Exception) -> str:
    """The line of torch's long advice that says what was found."""
    told = str(error) or type(error).__name__
    return next((line.strip() for line in told.splitlines() if "Unsupported" in line), told.partition("\n")[0])


def _terms(name: str, data: str) -> str:
    return (
        f"The weights began from {name}, published by OpenMMLab under Apache-2.0 and trained on {data}, whose images and "
        f"annotations have terms of their own."
    )
