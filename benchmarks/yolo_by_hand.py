"""Ultralytics alone: `YOLO(...).train(...)` with the settings that a job of ours has. Runs in the ultralytics trainer's
environment: `python -m benchmarks.yolo_by_hand ORDER RESULT`; the result is the final metrics under our names.

Like ours it is kept off the network, for which it would otherwise wait. `in_our_order` gives it the chance that ours has: each
epoch shuffles and augments by numbers of its own, so that a training that was interrupted goes on as if nothing had happened.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyebright_ultralytics import fence, order
from eyebright_ultralytics.manifest import MANIFEST


@dataclass(frozen=True)
class ByHand:
    """`settings`: what differs from the recipe. `data`: the data.yaml of a YOLO data set. `folder` takes what is written."""

    model: str
    settings: dict[str, Any]
    data: str
    folder: str
    threads: int
    in_our_order: bool

    def train(self) -> dict[str, float]:
        fence.put_up(Path(self.folder, "fence"))
        import torch
        from ultralytics import YOLO

        from eyebright_ultralytics.metrics import translated

        told = self._arguments()
        yolo = YOLO(told.pop("model"))
        # Left alone it leaves one core idle.
        yolo.add_callback("on_pretrain_routine_end", lambda _: torch.set_num_threads(self.threads))
        if self.in_our_order:
            _put_in_order(yolo, told["seed"])
        yolo.train(**told)
        return translated(yolo.trainer.metrics)

    def _arguments(self) -> dict[str, Any]:
        from eyebright_ultralytics import hardware
        from eyebright_ultralytics.arguments import arguments
        from eyebright_ultralytics.tasks import task_named
        from eyebright_wire.jobs import Resources

        task = task_named("detection")
        config = task.config(**{**MANIFEST.task(task.name).recipe, **self.settings})
        machine = hardware.choose(config, Resources(threads=self.threads))
        told = arguments(task, self.model, config, Path(self.data), Path(self.folder), machine, None)
        return {name: value for name, value in told.items() if name != "mode"}


def _put_in_order(yolo: Any, seed: int) -> None:
    def shuffle(trainer: Any) -> None:
        loader = trainer.train_loader
        loader.batch_sampler.sampler.sampler = order.EpochOrder(len(loader.dataset), seed, 0)

    yolo.add_callback("on_pretrain_routine_end", shuffle)
    yolo.add_callback("on_train_epoch_start", lambda trainer: order.seed_epoch(seed, trainer.epoch))


if __name__ == "__main__":
    asked, result = map(Path, sys.argv[1:])
    result.write_text(json.dumps(ByHand(**json.loads(asked.read_text())).train()))
