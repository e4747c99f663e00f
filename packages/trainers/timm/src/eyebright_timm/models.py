"""timm's models: built by name with a head for these classes and for this size of images, told apart into stages."""

from collections.abc import Collection, Iterable, Iterator
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

    Random numbers come from torch's global generator: seed it before. Raises ConfigInvalid for what timm refuses, and for weights
    of another model.
    """
    check_known(name)
    try:
        model = timm.create_model(name, pretrained=False, num_classes=classes, **_chosen(name, config))
        if pretrained:
            head, given = _head(model), _whole(name, config, pretrained).state_dict()
            model.load_state_dict({key: tensor for key, tensor in given.items() if key not in head}, strict=False)
        return model
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
    """As timm itself tells them apart, first to last, without the classifier; the children of a model that does not say.

    What timm passes over belongs to the first.
    """
    head = _head(model)
    groups = [list(group) for group in _groups(model)]
    told = {name for group in groups for name in group}
    groups[0] += [name for name, _ in model.named_parameters() if name not in told]
    found = [list(_parts(model, [name for name in group if name not in head])) for group in groups]
    return [stage for stage in found if stage]


def _whole(name: str, config: TimmConfig, pretrained: Pretrained) -> nn.Module:
    """With the classifier that the weights have, because only then timm asks for every tensor: else it begins what is missing
    from chance, and only its log tells."""
    overlay = {"state_dict": dict(pretrained.tensors)}
    try:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **_chosen(name, config))
    except (KeyError, RuntimeError) as error:
        raise ConfigInvalid(
            f"the weights of {pretrained.name} do not fit {name} ({_line(error)}); put a fresh copy of {pretrained.source} in "
            f"their place, or train with pretrained=false"
        ) from error


def _line(error: Exception) -> str:
    """What torch says of the first tensor."""
    return str(error).partition("\n")[2].partition("\n")[0].strip() or str(error)


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


def _groups(model: nn.Module) -> Iterable[Iterable[str]]:
    try:
        return group_parameters(model, model.group_matcher(coarse=True)).values()  # pyright: ignore[reportCallIssue]
    except (AssertionError, AttributeError, NotImplementedError):  # not every model has it, or has it coarse
        return _children(model)


def _children(model: nn.Module) -> Iterable[list[str]]:
    for name, child in model.named_children():
        yield [f"{name}.{inner}" for inner, _ in child.named_parameters()]


def _parts(model: nn.Module, names: Collection[str]) -> Iterator[Part]:
    """The modules that own these parameters, each once; or the parameter, where its module owns others too."""
    group = set(names)
    seen: set[str] = set()
    for name in names:
        owner = name.rpartition(".")[0]
        if owner in seen:
            continue
        if _inside(model, owner) <= group:
            seen.add(owner)
            yield model.get_submodule(owner)
        else:
            yield model.get_parameter(name)


def _inside(model: nn.Module, owner: str) -> set[str]:
    return {name for name, _ in model.get_submodule(owner).named_parameters(owner)}
