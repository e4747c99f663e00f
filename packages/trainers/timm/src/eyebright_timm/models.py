"""timm's models: built by name with a head for these classes and for this size of images, told apart into stages."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

import timm
from timm.models import group_parameters
from torch import nn

from eyebright_kit.errors import ConfigInvalid
from eyebright_timm.config import TimmConfig
from eyebright_torch.freezing import Part, Stages
from eyebright_torch.weights import Pretrained


def build(name: str, classes: int, config: TimmConfig, pretrained: Pretrained | None = None) -> nn.Module:
    """The network with a fresh head; the rest begins from `pretrained` if there is any, fitted to the size of the images.

    Random numbers come from torch's global generator: seed it before. Raises ConfigInvalid for what timm refuses.
    """
    check_known(name)
    try:
        return timm.create_model(name, num_classes=classes, **_given(pretrained), **_chosen(name, config))
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigInvalid(
            f"timm cannot build {name} with imgsz={config.imgsz}, drop={config.drop:g}, drop_path={config.drop_path:g}: {error}"
        ) from error


def check_known(name: str) -> None:
    """Raises ConfigInvalid, with the nearest name, for a model that timm does not have."""
    if timm.is_model(name):
        return
    near = get_close_matches(name, timm.list_models(), n=1)
    advice = f"did you mean {near[0]!r}?" if near else "`eyebright recipes show timm/classification` names good ones"
    raise ConfigInvalid(f"timm has no model {name!r}; {advice}")


def stages(_name: str, model: nn.Module) -> Stages:
    """As timm itself tells them apart, first to last, without the classifier; the children of a model that does not say."""
    head = _head(model)
    matcher = getattr(model, "group_matcher", None)
    groups = group_parameters(model, matcher(coarse=True)).values() if matcher else _children(model)
    found = [list(_parts(model, [name for name in group if name not in head])) for group in groups]
    return [stage for stage in found if stage]


def _given(pretrained: Pretrained | None) -> dict[str, Any]:
    if pretrained is None:
        return {"pretrained": False}
    return {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": dict(pretrained.tensors)}}


def _chosen(name: str, config: TimmConfig) -> dict[str, Any]:
    """Only what is asked for: not every model takes every argument."""
    told = timm.get_pretrained_cfg(name)
    size = {"img_size": config.imgsz} if told and told.fixed_input_size else {}
    drops = {"drop_rate": config.drop, "drop_path_rate": config.drop_path}
    return {**size, **{argument: value for argument, value in drops.items() if value}}


def _head(model: nn.Module) -> set[str]:
    """The names of the classifier's parameters; distilled models have two classifiers."""
    found = model.get_classifier()  # pyright: ignore[reportCallIssue]
    classifiers = found if isinstance(found, tuple) else (found,)
    mine = {id(parameter) for classifier in classifiers for parameter in classifier.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in mine}


def _children(model: nn.Module) -> Iterable[list[str]]:
    for name, child in model.named_children():
        yield [f"{name}.{inner}" for inner, _ in child.named_parameters()]


def _parts(model: nn.Module, names: Iterable[str]) -> Iterator[Part]:
    """The modules that own these parameters, each once; or the parameter, where the model itself does."""
    seen: set[str] = set()
    for name in names:
        owner = name.rpartition(".")[0]
        if not owner:
            yield model.get_parameter(name)
        elif owner not in seen:
            seen.add(owner)
            yield model.get_submodule(owner)
