"""Hugging Face's own `Trainer` on a detector: the library's image processor and loop, an evaluation of the loss and a checkpoint
each epoch. It decodes every file in every epoch and changes no image. Runs in the transformers trainer's environment.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import RTDetrImageProcessor, RTDetrV2ForObjectDetection, Trainer, TrainerCallback, TrainingArguments

from benchmarks.contenders import Shape
from eyebright_transformers.detection import models


class CocoFolder(Dataset[dict[str, Any]]):
    """One split of a data set in COCO's layout, as the library's image processor makes it."""

    def __init__(self, root: Path, split: str, side: int) -> None:
        told = json.loads((root / "annotations" / f"instances_{split}.json").read_text())
        self._files = [(root / split / image["file_name"], image["id"]) for image in told["images"]]
        self._objects: dict[int, list[dict[str, Any]]] = {image: [] for _, image in self._files}
        for each in told["annotations"]:
            self._objects[each["image_id"]].append(each)
        self._processor = RTDetrImageProcessor(size={"height": side, "width": side})

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, place: int) -> dict[str, Any]:
        path, image = self._files[place]
        about = {"image_id": image, "annotations": self._objects[image]}
        with Image.open(path) as opened:
            made = self._processor(images=opened.convert("RGB"), annotations=about, return_tensors="pt")
        return {"pixel_values": made["pixel_values"][0], "labels": made["labels"][0]}


class HfTrainer:
    """`config` is the trainer's own: the same network, batch, optimiser and rate."""

    name = "hf trainer"

    def __init__(self, shape: Shape, config: Any, data: Path, folder: Path, workers: int) -> None:
        self.workers = workers
        torch.manual_seed(0)
        plan = models.build(shape.model, shape.classes, config).config
        self._started = _Started()
        self._trainer = Trainer(
            model=RTDetrV2ForObjectDetection(plan),
            args=_arguments(shape, config, folder / f"hf-{workers}", workers),
            train_dataset=CocoFolder(data, "train", shape.imgsz),
            eval_dataset=CocoFolder(data, "val", shape.imgsz),
            data_collator=_collated,
            callbacks=[self._started],
        )

    def epoch(self) -> float:
        """Seconds from the first step to the end of the checkpoint; what it sets up before that is not counted."""
        self._trainer.train()
        return time.perf_counter() - self._started.at


class _Started(TrainerCallback):
    at = 0.0

    def on_train_begin(self, *_args: object, **_given: object) -> None:
        self.at = time.perf_counter()


def _arguments(shape: Shape, config: Any, folder: Path, workers: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=shape.batch,
        per_device_eval_batch_size=shape.batch,
        learning_rate=config.lr0,
        weight_decay=config.weight_decay,
        max_grad_norm=config.grad_clip,
        dataloader_num_workers=workers,
        dataloader_persistent_workers=workers > 0,
        remove_unused_columns=False,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        prediction_loss_only=True,
        use_cpu=shape.device.type == "cpu",
        bf16=shape.precision is torch.bfloat16,
        fp16=shape.precision is torch.float16,
        report_to=[],
        disable_tqdm=True,
    )


def _collated(samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "pixel_values": torch.stack([sample["pixel_values"] for sample in samples]),
        "labels": [sample["labels"] for sample in samples],
    }
