"""One real LoRA run with the published example's steps in its pauses: `python -m benchmarks.lora_in_turn ORDER RESULT`, in the
diffusion trainer's environment.

As in `in_turn` the run is the product's own, and the checkpoint that closes an epoch returns late, because meanwhile the example
makes as many steps, on a network of its own. The base model is built in full size with random weights, which cost as much as
trained ones.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.in_turn import Turns, sealed
from benchmarks.lora_example import Example
from eyebright_diffusion import bases, built
from eyebright_diffusion.adapters import adapted
from eyebright_diffusion.base import Base
from eyebright_diffusion.config import LoraConfig
from eyebright_diffusion.fit import hardware_for
from eyebright_diffusion.manifest import MANIFEST
from eyebright_diffusion.trainer import DiffusionTrainer
from eyebright_kit.runtime import Context, Result, main
from eyebright_torch import hardware as machine
from eyebright_torch.hardware import Hardware
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage


@dataclass
class StepDesk:
    """The real desk. Notes the seconds of each optimiser step, without what is done between epochs, where `pause` is called."""

    desk: Any
    pause: Callable[[], None]
    wait: Callable[[], None]
    took: list[float] = field(default_factory=list)
    step: int = 0
    began: float = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.desk, name)

    def stage(self, stage: Stage) -> None:
        self.desk.stage(stage)
        self._begin()

    def moved(self, step: int | None) -> None:
        self.desk.moved(step)
        if step is not None and step > self.step:
            self.wait()
            self.took.append(time.perf_counter() - self.began)
            self.step = step
            self._begin()

    def checkpoint(self, write: Callable[[Path], None], **about: Any) -> None:
        self.desk.checkpoint(write, **about)
        self.pause()
        self._begin()

    def _begin(self) -> None:
        self.began = time.perf_counter()


class Measured:
    """The trainer, measured. `found` is what there is to tell once `fit` is through."""

    manifest = MANIFEST

    def __init__(self, order: Mapping[str, Any]) -> None:
        self._order = order
        self._real = DiffusionTrainer()
        self._example: Example | None = None
        self._steps: list[float] = []  # of the example
        self._peak = 0  # ours, before there was an example

    def fit(self, ctx: Context) -> Result:
        base = built.base_of(built.FULL_SIZE, "full size")
        bases.find = lambda model, asked, fetch: base  # no such weights lie anywhere
        hardware = hardware_for(ctx.config_as(LoraConfig), ctx.resources)
        desk = StepDesk(ctx.desk, lambda: self._pause(ctx, base), lambda: _wait(hardware))
        ctx.desk = desk
        began = time.perf_counter()
        result = self._real.fit(ctx)
        self.found = {
            "seconds": time.perf_counter() - began,
            "ours": desk.took[self._order["images"] :],  # the first epoch warms up
            "example": self._steps,
            "precision": str(hardware.precision or torch.float32).removeprefix("torch."),
            "peak": self._peak or _peak(),
        }
        return result

    def relaunch(self, _spec: object) -> None:
        return

    def predict(self, model: Path, image: Path) -> Any:
        return self._real.predict(model, image)

    def _pause(self, ctx: Context, base: Base) -> None:
        if not self._order["rival"]:
            return
        if self._example is None:
            self._peak = _peak()
            self._example = self._begun(ctx, base)
            return
        self._steps += [self._example.step() for _ in range(self._order["images"])]

    def _begun(self, ctx: Context, base: Base) -> Example:
        """On the same device, in the precision that was asked for; on a CPU it takes float32 unasked."""
        config = ctx.config_as(LoraConfig)
        hardware = machine.choose(config, ctx.resources, 0, 1)
        unet = base.parts.unet(hardware.precision or torch.float32)
        adapted(config, base, unet, None)
        files = [sample.path for sample in ctx.data.samples(Split.TRAIN)]
        example = Example(base.parts, unet.to(hardware.device), files, self._order["resolution"], hardware)
        example.step()
        return example


def _wait(hardware: Hardware) -> None:
    if hardware.device.type == "cuda":
        torch.cuda.synchronize()


def _peak() -> int:
    """Bytes: of the GPU what torch took, else of the process."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(order: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Raises RuntimeError when the training did not succeed."""
    turns = Turns(
        trainer="diffusion",
        data=order["data"],
        model="sd15",
        config=order["config"],
        rounds=order["epochs"] - 1,
        workers=[],
        device=order["device"],
        task="text_to_image",
    )
    trainer = Measured(order)
    code = main(MANIFEST, lambda: trainer, ["run", str(sealed(turns, folder))])
    if code:
        raise RuntimeError(f"the training ended with exit code {code}")
    return trainer.found


if __name__ == "__main__":
    asked, result = map(Path, sys.argv[1:])
    told = json.loads(asked.read_text())
    if told["device"] == "cuda" and not torch.cuda.is_available():
        result.write_text(json.dumps({"absent": "torch sees no CUDA device"}))
    else:
        result.write_text(json.dumps(measure(told, asked.parent)))
