"""The leading stages of a network that do not learn."""

from typing import Literal

from torch import nn

from eyebright_kit.errors import ConfigInvalid

Part = nn.Module | nn.Parameter
Stages = list[list[Part]]  # the parts of each stage, first to last, without the head


def freeze(stages: Stages, name: str, asked: int | Literal["backbone"]) -> list[Part]:
    """Stops the leading stages from learning and answers their parts, which `train_mode` keeps in evaluation mode.

    Raises ConfigInvalid when the model called `name` has fewer stages than asked.
    """
    count = len(stages) if asked == "backbone" else asked
    if count > len(stages):
        raise ConfigInvalid(f"freeze={count}: {name} has {len(stages)} stages; give 0 to {len(stages)}, or 'backbone'")
    frozen = [part for stage in stages[:count] for part in stage]
    for part in frozen:
        part.requires_grad_(False)
    return frozen


def train_mode(model: nn.Module, frozen: list[Part]) -> None:
    """Training mode, but frozen parts keep their normalisation statistics too."""
    model.train()
    for part in frozen:
        if isinstance(part, nn.Module):
            part.eval()
