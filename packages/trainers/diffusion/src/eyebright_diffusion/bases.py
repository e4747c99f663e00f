"""Base models by what people call them: a hub's id, the address of a bucket, or the name of a folder of the operator's."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from eyebright_diffusion import bucket, built
from eyebright_diffusion.base import Base
from eyebright_diffusion.folder import base_in
from eyebright_diffusion.hub import Repository
from eyebright_kit.errors import ConfigInvalid, TrainerFailure
from eyebright_wire.errors import ErrorCode

#: Names the folder below which base models of the operator's lie.
FOLDER = "EYEBRIGHT_BASE_MODELS"
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_TERMS = {
    SD15: "The base weights are Stable Diffusion 1.5, under the CreativeML OpenRAIL-M licence, whose restrictions of use go on "
    "for whatever is made with them."
}


def find(model: str, asked: str, fetch: Callable[[str, Path], None]) -> Base:
    """`asked` is the setting `base_model`; empty: the model's own. `fetch(address, folder)` brings one out of a bucket.

    Raises ConfigInvalid that says what to put where, or what fetching raises. Where the model's own is not to be had it is
    `no_capacity`: no setting of whoever placed the order is wrong.
    """
    if model == "tiny":
        _refuse_another(asked)
        return built.base_of(built.TINY, "tiny")
    if asked:
        return _found(asked, fetch)
    try:
        return _found(SD15, fetch)
    except ConfigInvalid as error:
        raise TrainerFailure(ErrorCode.NO_CAPACITY, error.message, retryable=False) from error


def _found(name: str, fetch: Callable[[str, Path], None]) -> Base:
    if bucket.is_address(name):
        return _in_bucket(name, fetch)
    _check(name)
    for folder in _places(name):
        if folder.is_dir():
            return base_in(folder, name, _terms(name))
    if "/" not in name:
        raise ConfigInvalid(
            f"base_model={name}: there is no folder {root() / name}; {_known()}. Put a Stable Diffusion there as diffusers saves "
            f"it, or name one of a hub, such as {SD15}"
        )
    return base_in(Repository(name).fetch(root() / _flat(name)), name, _terms(name))


def _in_bucket(address: str, fetch: Callable[[str, Path], None]) -> Base:
    folder = root() / bucket.folder_name(address)
    if not folder.is_dir():
        fetch(address, folder)
    try:
        return base_in(folder, address, _terms(address))
    except ConfigInvalid:
        shutil.rmtree(folder)  # the next run is to look again
        raise


def root() -> Path:
    """The operator's folder of base models."""
    told = os.environ.get(FOLDER)
    return Path(told) if told else Path.home() / ".local" / "share" / "eyebright" / "base-models"


def _refuse_another(asked: str) -> None:
    if asked:
        raise ConfigInvalid(
            f"base_model={asked}: the model tiny has weights of its own; leave base_model empty, or set model=sd15"
        )


def _check(name: str) -> None:
    """A name never becomes a path: no part of one climbs or begins anywhere."""
    parts = name.split("/")
    if len(parts) > 2 or not all(_NAME.fullmatch(part) and ".." not in part for part in parts):
        raise ConfigInvalid(
            f"base_model={name!r} is no name of a base model; expected a folder's name below {root()}, owner/name of a "
            "hub, or a folder in a bucket, such as s3://bucket/folder/"
        )


def _places(name: str) -> Iterator[Path]:
    yield root() / _flat(name)
    if "/" in name and (cached := Repository(name).cached()):
        yield cached


def _flat(name: str) -> str:
    return name.replace("/", "--")


def _terms(name: str) -> str:
    return _TERMS.get(name, f"The base weights are {name}, whose licence goes on; ask whom they came from.")


def _known() -> str:
    folders = (folder for folder in root().glob("*/") if _NAME.fullmatch(folder.name))
    found = sorted(folder.name for folder in folders if (folder / "unet").is_dir())
    return f"there are {', '.join(found)}" if found else "there are none"
