"""The proof that an exported detector answers like the original: re-scored in onnxruntime on the validation split."""

from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from torch import nn

from eyebright_torch import exporting, inference
from eyebright_torch.detection import evaluate
from eyebright_torch.detection.evaluate import Reading, Seen
from eyebright_torch.detection.framework import Answer
from eyebright_torch.detection.task import Detection
from eyebright_torch.images import in_order
from eyebright_torch.order import Indices
from eyebright_torch.preprocess import normalise
from eyebright_torch.task import Tick
from eyebright_wire.artifacts import ParityCertificate

#: Only what may be an object is compared one by one: which of the faintest are told at all is decided by the last bits.
_PERHAPS = 0.05
_INSIDE = 0.5  # the probability from which a pixel belongs to a mask


@dataclass
class Comparison:
    """Of answers to the same images, either way: what one finds and the other does not is a difference too.

    A find is compared with the other's in its own place, and, where these differ by more than `enough`, with the one that is most
    like it: models that rank what they find may rank equals differently. Looking at all of them for each find would take minutes
    for an image of a model with anchors.
    """

    enough: float = 0.0
    greatest: float = 0.0  # difference of an edge, as a share of the side, of a score, or of a mask's probability
    alike: int = 0  # finds with the same best class
    finds: int = 0
    images: int = 0
    native: list[Seen] = field(default_factory=list[Seen])
    exported: list[Seen] = field(default_factory=list[Seen])

    def add(self, native: Answer, exported: Answer, reading: Reading) -> None:
        """One batch."""
        self.native.extend(reading(native))
        self.exported.extend(reading(exported))
        for row in range(len(native[0])):
            ours, theirs = _Rows.of(native, row), _Rows.of(exported, row)
            self._compare(ours, theirs)
            self._compare(theirs, ours)
            self.images += 1

    @property
    def agreement(self) -> float:
        return self.alike / self.finds if self.finds else 1.0

    def _compare(self, these: "_Rows", those: "_Rows") -> None:
        places = these.told()
        in_place = these.at(places).differences(those.at(places))
        for place, difference in zip(places.tolist(), in_place.tolist(), strict=True):
            like = place
            if not difference <= max(self.enough, self.greatest):  # else it is no more than is known already
                differences = these.at(np.array([place])).differences(those)
                like = int(differences.argmin())  # of a NaN, if there is one
                difference = differences[like]
            self.greatest = float(np.maximum(self.greatest, difference))  # NaN stays NaN
            self.alike += int(these.best_class(place) == those.best_class(like))
            self.finds += 1


@dataclass(frozen=True)
class _Rows:
    """All that a model tells of one image."""

    boxes: NDArray[np.float32]  # [Q, 4]
    scores: NDArray[np.float32]  # [Q, classes]
    masks: NDArray[np.float32] | None  # [Q, h, w]

    @classmethod
    def of(cls, answer: Answer, row: int) -> Self:
        boxes, scores, *masks = (part[row].numpy() for part in answer)
        return cls(boxes, scores, masks[0] if masks else None)

    def told(self) -> Indices:
        """Where there may be an object, but one place at least; and wherever a score is no number."""
        best = self.scores.max(axis=1)
        return np.flatnonzero(~(best < _PERHAPS) | (best == best.max()))

    def at(self, places: Indices) -> Self:
        masks = None if self.masks is None else self.masks[places]
        return replace(self, boxes=self.boxes[places], scores=self.scores[places], masks=masks)

    def best_class(self, place: int) -> int:
        return int(self.scores[place].argmax())

    def differences(self, others: "_Rows") -> NDArray[np.float32]:
        """The greatest of each find from the other in its place, or of a single one from each of the others."""
        edges = np.abs(others.boxes - self.boxes).max(axis=1)
        told = np.maximum(edges, np.abs(others.scores - self.scores).max(axis=1))
        if self.masks is None or others.masks is None:
            return told
        shapes = np.abs(others.masks - self.masks).max(axis=(1, 2))
        return np.where(_same_pixels(self.masks, others.masks), np.maximum(told, shapes), shapes)


def _same_pixels(masks: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """A pixel on the very brink may fall to either side, and with it a box or a score that is made of the mask leaps."""
    return ((others > _INSIDE) == (masks > _INSIDE)).all(axis=(1, 2))


def certify(path: Path, model: nn.Module, task: Detection, tick: Tick) -> ParityCertificate:
    """Runs both models over the same images, batch by batch. Raises ExportFailed when a find differs by more than the settings
    allow."""
    session = inference.session(path, task.hardware.threads)
    comparison = Comparison(enough=task.config.export_tolerance)
    steps = in_order(len(task.val), task.config.batch)
    with closing(task.shown(steps)) as loaded:
        answers = evaluate.answers(model, loaded, task.rule, tick)
        for step, native in zip(steps, answers, strict=True):
            comparison.add(native, _exported(session, normalise(task.val.take(step), task.rule)), task.reading)
    certificate = ParityCertificate(
        runtime=exporting.runtime(),
        samples=comparison.images,
        max_abs_difference=comparison.greatest,
        tolerance=task.config.export_tolerance,
        agreement=comparison.agreement,
        metric=task.goal.metric,
        native=task.figures(comparison.native)[task.goal.metric],
        exported=task.figures(comparison.exported)[task.goal.metric],
    )
    exporting.refuse_worse(path.name, certificate, "images' finds get the same class")
    return certificate


def _exported(session: InferenceSession, images: NDArray[np.float32]) -> Answer:
    """Of a batch, one image at a time, which is all that the export takes."""
    told = [inference.outputs(session, image[np.newaxis]) for image in images]
    return tuple(torch.from_numpy(np.concatenate(parts)) for parts in zip(*told, strict=True))
