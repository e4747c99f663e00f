"""The configurations that MMDetection ships, by name, and a model's part of one made ready for a training of ours."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from eyebright_kit.errors import ConfigInvalid
from eyebright_mmdet.library import Config, shipped
from eyebright_mmdet.names import SHORT

_CONFIGS = shipped() / "configs"


def path(name: str) -> Path:
    """The file of a configuration, by its own name or by the short one that the manifest lists. Raises ConfigInvalid."""
    found = _index().get(SHORT.get(name, name))
    if found:
        return found
    near = get_close_matches(name, [*SHORT, *_index()], 3, cutoff=0.6)
    advice = f"did you mean {' or '.join(map(repr, near))}?" if near else f"begin with one of {', '.join(SHORT)}"
    raise ConfigInvalid(f"MMDetection ships no configuration {name!r}; {advice}")


def model(name: str, classes: int) -> Any:
    """What the registry builds a model from, for so many classes and for one that begins from chance and learns throughout."""
    try:
        told = Config.fromfile(path(name)).model
    except (AttributeError, ImportError, OSError) as error:
        raise ConfigInvalid(
            f"{name} is no whole detector that this environment can build ({_first_line(error)}); choose another model"
        ) from error
    if "teacher_ckpt" in told:
        raise ConfigInvalid(f"{name} learns from a teacher, which would be downloaded; choose a listed model")
    for part in _parts(told):
        _mend(part, classes)
    return told


def suppression(name: str) -> float | None:
    """From which overlap the weaker of two boxes of a class is dropped; None where a configuration does not tell."""
    told = model(name, 1).get("test_cfg") or {}
    how = told.get("nms") or {}
    return how.get("iou_threshold")


def published(name: str) -> str | None:
    """The address of the weights that OpenMMLab trained by this configuration."""
    return _entry(name).get("Weights")


def trained_on(name: str) -> str:
    """The data that those weights learned from, as OpenMMLab calls it."""
    results = _entry(name).get("Results", [])
    return " and ".join(sorted({result["Dataset"] for result in results})) or "data that OpenMMLab does not name"


def _entry(name: str) -> Mapping[str, Any]:
    """What the index beside a configuration says of it; a folder without one publishes nothing."""
    file = path(name)
    index = file.parent / "metafile.yml"
    if not index.exists():
        return {}
    told = yaml.safe_load(index.read_text(encoding="utf-8"))
    listed = told["Models"] if isinstance(told, dict) else told
    return next((entry for entry in listed if Path(entry["Config"]).name == file.name), {})


def names() -> list[str]:
    """All that MMDetection ships."""
    return sorted(_index())


@cache
def _index() -> Mapping[str, Path]:
    """Every name is one file's; nothing that a person writes becomes a path."""
    return {file.stem: file for file in _CONFIGS.glob("*/*.py") if file.parent.name != "_base_"}


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _parts(inner)


def _mend(part: dict[str, Any], classes: int) -> None:
    if "num_classes" in part:
        part["num_classes"] = classes
    if "checkpoint" in (part.get("init_cfg") or ()):
        part["init_cfg"] = None  # it is downloaded otherwise
    if part.get("type") in ("SyncBN", "BN"):
        part.update(type="BN", requires_grad=True)  # synchronised statistics are for GPUs alone
    if part.get("type") == "RoIAlign":
        part["use_torchvision"] = True
    if "reg_class_agnostic" in part:
        part["reg_class_agnostic"] = True  # one box for each proposal, as the metrics and the exports have it
    part.pop("frozen_stages", None)  # what is frozen is a setting


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
