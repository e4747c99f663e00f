"""MMDetection's detectors: built by name for these classes, told apart into stages, with how they want their pixels."""

import re
from typing import Any

import torch
from torch import nn

from eyebright_kit.errors import ConfigInvalid
from eyebright_mmdet import configs, dense
from eyebright_mmdet.config import MMDetConfig
from eyebright_mmdet.detector import Detector
from eyebright_mmdet.library import MODELS, SingleStageDetector
from eyebright_torch.freezing import Part, Stages
from eyebright_torch.parent import dependent
from eyebright_torch.weights import Pretrained, distinct

_STAGE = re.compile(r"(layer|stage)s?\d*$")
#: With a form in torch, though they stand among mmcv's operators.
_PLAIN = {"ConcatCell", "GlobalPoolingCell", "RoIAlign", "SumCell"}
_SMALL = MMDetConfig(imgsz=128)
_ELSEWHERE = "rtmdet_tiny and the other listed models need none"


def build(name: str, classes: int, config: MMDetConfig = _SMALL, pretrained: Pretrained | None = None) -> Detector:
    """For so many classes. All but what depends on those begins from `pretrained` if there is any. Raises ConfigInvalid for what
    cannot be had here, and for weights of another model."""
    told = configs.model(name, classes)
    model = _bare(name, told)
    detector = _detector(name, model, config.imgsz, swaps=not told.data_preprocessor.get("bgr_to_rgb", False))
    _begin(model)
    if pretrained:
        _take(model, pretrained, dependent(model, lambda: _imagined(name, classes + 1)))
    return detector


def check(name: str) -> None:
    """Raises ConfigInvalid for a model that cannot be trained here, whatever the settings."""
    _reader(name, _bare(name, configs.model(name, 1)))


def _bare(name: str, told: Any) -> Any:
    """MMDetection's own model, before its weights begin."""
    try:
        model = MODELS.build(told)
    except (ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigInvalid(f"{name} cannot be built here ({error}); choose a listed model") from error
    _check_operators(name, model)
    return model


def stages(_name: str, detector: nn.Module) -> Stages:
    """The backbone's numbered stages, first to last; what stands before belongs to the first. Neck and head always learn."""
    stem: list[Part] = []
    found: Stages = []
    for name, child in detector.get_submodule("backbone").named_children():
        if _STAGE.match(name):
            found += [[part] for part in (child if isinstance(child, nn.ModuleList) else [child])]
        elif next(child.parameters(), None) is not None:
            (found[-1] if found else stem).append(child)
    return [[*stem, *found[0]], *found[1:]] if found else [stem]


def _check_operators(name: str, model: nn.Module) -> None:
    """Here, because an operator says only when it is called that it is missing."""
    needed = {type(module).__name__ for module in model.modules() if type(module).__module__.startswith("mmcv.ops.")}
    if needed := needed - _PLAIN:
        raise ConfigInvalid(
            f"{name} needs mmcv's compiled {' and '.join(sorted(needed))}, which cannot be had; {_ELSEWHERE}"
        )


def _reader(name: str, model: Any) -> dense.Reader:
    found = dense.reader(model.bbox_head) if type(model).loss is SingleStageDetector.loss else None
    if found is None:
        raise ConfigInvalid(
            f"{name} is a {type(model).__name__}, which does not answer in boxes and scores of fixed shape; "
            f"choose a listed model"
        )
    return found


def _detector(name: str, model: Any, side: int, *, swaps: bool) -> Detector:
    read = _reader(name, model)
    try:
        return Detector(model, read, swaps=swaps, side=side)
    except RuntimeError as error:
        raise ConfigInvalid(
            f"imgsz={side}: {name} cannot take images of that size ({error}); set a larger one"
        ) from error


def _begin(model: Any) -> None:
    """From chance, by torch's global generator."""
    model.init_weights()
    for module in model.modules():
        if hasattr(module, "norm_eval"):
            module.norm_eval = False  # statistics are learned, unless a stage is frozen: that is a setting


def _imagined(name: str, classes: int) -> nn.Module:
    """Shapes without numbers."""
    with torch.device("meta"):
        return MODELS.build(configs.model(name, classes))


def _take(model: nn.Module, pretrained: Pretrained, new: frozenset[str]) -> None:
    """All parameters but those called `new`, and what statistics there are beside them."""
    given = pretrained.tensors
    own = {name: tensor for name, tensor in distinct(model).items() if name not in new}
    fitting = {name for name, tensor in own.items() if name in given and given[name].shape == tensor.shape}
    pretrained.refuse_unlike(name for name, _ in model.named_parameters() if name in own.keys() - fitting)
    model.load_state_dict({name: given[name] for name in fitting}, strict=False)
