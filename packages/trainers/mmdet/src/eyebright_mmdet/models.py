"""MMDetection's detectors: built by name for these classes, told apart into stages, with how they want their pixels."""

import re
from typing import Any

import torch
from torch import nn

from eyebright_kit.errors import ConfigInvalid
from eyebright_mmdet import configs, dense
from eyebright_mmdet.detector import Detector
from eyebright_mmdet.library import MODELS, SingleStageDetector
from eyebright_torch.freezing import Part, Stages
from eyebright_torch.weights import Pretrained

_STAGE = re.compile(r"(layer|stage)s?\d*$")
#: With a form in torch, though they stand among mmcv's operators.
_PLAIN = {"ConcatCell", "GlobalPoolingCell", "RoIAlign", "SumCell"}
_ELSEWHERE = "rtmdet_tiny and the other listed models need none"


def build(name: str, classes: int, _config: object = None, pretrained: Pretrained | None = None) -> Detector:
    """For so many classes. What was pretrained is taken over where it fits. Raises ConfigInvalid for what cannot be had here."""
    told = configs.model(name, classes)
    try:
        model = MODELS.build(told)
    except (ImportError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigInvalid(f"MMDetection cannot build {name} here ({error}); choose a listed model") from error
    _check_operators(name, model)
    detector = Detector(model, _reader(name, model), swaps=not told.data_preprocessor.get("bgr_to_rgb", False))
    _begin(model, pretrained)
    return detector


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


def _begin(model: Any, pretrained: Pretrained | None) -> None:
    """From chance, by torch's global generator, and from the given tensors whose name and shape fit."""
    model.init_weights()
    for module in model.modules():
        if hasattr(module, "norm_eval"):
            module.norm_eval = False  # statistics are learned, unless a stage is frozen: that is a setting
    if pretrained:
        own = model.state_dict()
        fitting = {key: tensor for key, tensor in pretrained.tensors.items() if _fits(own.get(key), tensor)}
        model.load_state_dict(fitting, strict=False)


def _fits(own: torch.Tensor | None, given: torch.Tensor) -> bool:
    return own is not None and own.shape == given.shape
