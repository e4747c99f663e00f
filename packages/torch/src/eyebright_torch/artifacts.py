"""Handing over what a run has made: each file below the output, told once it is whole."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from safetensors.torch import save_file
from torch import nn

from eyebright_kit.runtime import Context, Stopped
from eyebright_torch.weights import stored
from eyebright_wire.artifacts import ArtifactKind

_JSON = "application/json"
_BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Artifacts:
    """Of one run."""

    ctx: Context

    def tick(self) -> None:
        """Between two pieces of work. The checkpoint of the last epoch holds all that is needed to come back here."""
        self.ctx.step()
        if self.ctx.stopping:
            raise Stopped

    def weights(self, model: nn.Module, labels: dict[str, Any]) -> None:
        """Twice: as safetensors that carry `labels`, and as torch's own file."""
        tensors = stored(model)
        origin = {"labels": json.dumps(labels)}  # one entry: safetensors writes several in an order that differs
        self.made("model.safetensors", lambda p: save_file(tensors, p, metadata=origin), ArtifactKind.MODEL, _BINARY)
        self.made("model.pth", lambda p: torch.save(tensors, p), ArtifactKind.MODEL, _BINARY)

    def papers(self, labels: dict[str, Any], config: BaseModel) -> None:
        """What a program needs to use the model, and the settings that made it."""
        self.json("labels.json", labels, ArtifactKind.LABELS)
        self.json("config.json", config.model_dump(mode="json"), ArtifactKind.CONFIG)

    def metrics(self, content: dict[str, Any]) -> None:
        self.json("metrics.json", content, ArtifactKind.METRICS)

    def pictures(self, drawings: dict[str, Callable[[Path], object]]) -> None:
        """PNG files by their names."""
        for name, draw in drawings.items():
            self.tick()
            self.made(name, draw, ArtifactKind.PICTURE, "image/png")

    def card(self, text: str) -> None:
        self.made(
            "model_card.md", lambda path: path.write_text(text, encoding="utf-8"), ArtifactKind.CARD, "text/markdown"
        )

    def json(self, name: str, content: dict[str, Any], kind: ArtifactKind) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        self.made(name, lambda path: path.write_text(text, encoding="utf-8"), kind, _JSON)

    def made(self, name: str, make: Callable[[Path], object], kind: ArtifactKind, media_type: str) -> None:
        """`make` writes the file, whose path it is given."""
        make(self.ctx.output / name)
        self.ctx.artifact(name, kind, media_type)

    def exported(self, name: str) -> None:
        """An export that lies in the output."""
        self.ctx.artifact(name, ArtifactKind.EXPORT, _BINARY)
