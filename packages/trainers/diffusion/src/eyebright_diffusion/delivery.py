"""After training: the weights in two forms, pictures of the prompts, and the papers."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from eyebright_diffusion import files
from eyebright_diffusion.adapters import Adapters
from eyebright_diffusion.base import Base
from eyebright_diffusion.card import card
from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.drawing import Drawing
from eyebright_kit.runtime import Context, Result
from eyebright_torch.artifacts import Artifacts
from eyebright_torch.hardware import Hardware
from eyebright_torch.state import RunState
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.jobs import Stage

_BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Delivery:
    """`everything()` leaves the artifacts and answers the result."""

    ctx: Context
    config: LoraConfig
    hardware: Hardware
    base: Base
    model: Adapters  # holds the weights that are delivered
    state: RunState
    drawing: Drawing

    def everything(self) -> Result:
        self.ctx.stage(Stage.EVALUATING)
        self.drawing.draw(self.model, "prompts.png", f"Epoch {self.state.best_epoch}", self._artifacts.tick)
        self.ctx.stage(Stage.EXPORTING)
        self._weights()
        self._artifacts.papers(self._labels(), self.config)
        self._artifacts.metrics(self._metrics())
        self._artifacts.card(card(self.ctx.spec, self.config, self.hardware, self.base, self.state))
        return Result(metrics=self._summary())

    @cached_property
    def _artifacts(self) -> Artifacts:
        return Artifacts(self.ctx)

    def _weights(self) -> None:
        title = self.config.trigger or self.ctx.spec.dataset.name
        forms = {
            files.DIFFUSERS: lambda path: files.write_diffusers(path, self.model, self.config),
            files.KOHYA: lambda path: files.write_kohya(path, self.model, self.config, title),
        }
        for name, write in forms.items():
            self._artifacts.tick()
            self._artifacts.made(name, write, ArtifactKind.MODEL, _BINARY)

    def _labels(self) -> dict[str, Any]:
        """What a program needs to use it."""
        return {
            "task": self.ctx.task,
            "architecture": self.ctx.model,
            "classes": list(self.ctx.data.classes),
            "trigger": self.config.trigger,
            "rank": self.config.rank,
            "alpha": self.config.alpha,
            "base_model": {"name": self.base.name, "sha256": self.base.sha256, "files": dict(self.base.hashes)},
        }

    def _metrics(self) -> dict[str, Any]:
        return {**self._summary(), "history": [asdict(record) for record in self.state.history]}

    def _summary(self) -> dict[str, float]:
        """Of the epoch whose weights these are."""
        own = next(record for record in self.state.history if record.epoch == self.state.best_epoch)
        told = {name: value for name, value in own.metrics.items() if name != "lr"}
        return {**told, "best_epoch": self.state.best_epoch, "epochs": len(self.state.history)}
