"""After training: hand over the best weights, what they are worth, and everything needed to use them."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from ultralytics.engine.trainer import BaseTrainer

from eyebright_kit.runtime import Context, Result, Stopped
from eyebright_ultralytics.config import RunConfig
from eyebright_ultralytics.hardware import Hardware
from eyebright_ultralytics.metrics import translated
from eyebright_ultralytics.tasks import Task
from eyebright_ultralytics.weights import Pretrained
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.jobs import Stage

_JSON = "application/json"
_BINARY = "application/octet-stream"
_PICTURES = {".png": "image/png", ".jpg": "image/jpeg"}


@dataclass(frozen=True)
class Delivery:
    """`everything()` leaves the artifacts and answers the result."""

    ctx: Context
    task: Task
    config: RunConfig
    hardware: Hardware
    trainer: BaseTrainer  # has trained; its best weights are evaluated
    pretrained: Pretrained | None

    def everything(self) -> Result:
        self.ctx.stage(Stage.EVALUATING)
        metrics = translated(self.trainer.metrics)
        self._json("metrics.json", {"metrics": metrics}, ArtifactKind.METRICS)
        self._made(
            "results.csv", lambda path: shutil.copyfile(self.trainer.csv, path), ArtifactKind.METRICS, "text/csv"
        )
        self._pictures()
        self.ctx.stage(Stage.EXPORTING)
        self._weights()
        return Result(metrics=metrics)

    @property
    def labels(self) -> dict[str, Any]:
        return {
            "classes": list(self.ctx.data.classes),
            "architecture": self.ctx.model,
            "task": self.ctx.task,
            "imgsz": self.config.imgsz,
            "keypoints": self._keypoints(),
        }

    def _keypoints(self) -> list[str]:
        """Their names, as far as they have any; as many as the model has."""
        points = self.trainer.data.get("kpt_shape", (0,))[0]
        longest = max((skeleton.keypoints for skeleton in self.ctx.data.skeletons.values()), key=len, default=())
        return [*longest, *(str(number) for number in range(len(longest), points))]

    def _tick(self) -> None:
        """The checkpoint of the last epoch holds all that is needed to come back here."""
        self.ctx.step()
        if self.ctx.stopping:
            raise Stopped

    def _pictures(self) -> None:
        for drawn in sorted(self.trainer.save_dir.iterdir()):
            if media_type := _PICTURES.get(drawn.suffix):
                self._made(drawn.name, lambda path, drawn=drawn: drawn.rename(path), ArtifactKind.PICTURE, media_type)

    def _weights(self) -> None:
        model = self._best()
        tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        origin = {"labels": json.dumps(self.labels)}  # one entry: safetensors writes several in an order that differs
        self._made("model.safetensors", lambda p: save_file(tensors, p, metadata=origin), ArtifactKind.MODEL, _BINARY)
        self._made("best.pt", lambda path: shutil.copyfile(self.trainer.best, path), ArtifactKind.MODEL, _BINARY)
        self._json("labels.json", self.labels, ArtifactKind.LABELS)
        self._json("config.json", self.config.model_dump(mode="json"), ArtifactKind.CONFIG)

    def _best(self) -> torch.nn.Module:
        """From the file that this very run, or a verified checkpoint of it, has written."""
        return torch.load(self.trainer.best, map_location="cpu", weights_only=False)["model"]

    def _json(self, name: str, content: dict[str, Any], kind: ArtifactKind) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        self._made(name, lambda path: path.write_text(text, encoding="utf-8"), kind, _JSON)

    def _made(self, name: str, make: Callable[[Path], object], kind: ArtifactKind, media_type: str) -> None:
        self._tick()
        make(self.ctx.output / name)
        self.ctx.artifact(name, kind, media_type)
