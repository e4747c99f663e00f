"""The trainer with a fault built in, which the environment names: `python -m faulty run SPEC` with FAULT=memory."""

import errno
import os
import sys

from eyebright_kit.runtime import Trainer, main
from eyebright_ultralytics import fence
from eyebright_ultralytics.manifest import MANIFEST


def load() -> Trainer:
    from eyebright_ultralytics.trainer import UltralyticsTrainer

    honest = fence.put_up
    fence.put_up = lambda folder: (honest(folder), FAULTS[os.environ["FAULT"]]())
    return UltralyticsTrainer()


def run_out_of_memory() -> None:
    import torch
    from ultralytics.nn.tasks import DetectionModel

    def loss(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    DetectionModel.loss = loss


def diverge() -> None:
    from ultralytics.nn.tasks import DetectionModel

    honest = DetectionModel.loss

    def loss(*arguments: object) -> tuple:
        total, parts = honest(*arguments)
        return total, {name: value * float("nan") for name, value in parts.items()}

    DetectionModel.loss = loss


def fill_the_disk() -> None:
    from ultralytics.engine.trainer import BaseTrainer

    def save_model(_: BaseTrainer) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    BaseTrainer.save_model = save_model


FAULTS = {"memory": run_out_of_memory, "nan": diverge, "disk": fill_the_disk}

if __name__ == "__main__":
    sys.exit(main(MANIFEST, load))
