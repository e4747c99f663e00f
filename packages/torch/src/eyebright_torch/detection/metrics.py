"""What a detector is worth: COCO's average precision through pycocotools, and where its scores are best cut.

Boxes and masks are compared in the square that the model sees; stretching both alike changes no overlap of boxes.
"""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as run_lengths
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from eyebright_torch.detection.evaluate import Seen
from eyebright_torch.detection.objects import Annotations, Boxes, Objects

Numbers = NDArray[np.float64]
Kind = Literal["bbox", "segm"]

_AT_MOST = 100  # detections of a class in an image, as COCO counts
_HALF = 0.5  # the overlap from which a find counts, for everything but the mean over overlaps
_STEPS = np.linspace(0, 1, 1001)  # of the score, for curves over it


@dataclass(frozen=True)
class Verdict:
    """Of boxes or of masks. Arrays hold a number for each class; NaN where the split does not show it."""

    classes: tuple[str, ...]
    average: Numbers  # AP over the overlaps 0.50, 0.55 … 0.95
    average_half: Numbers  # AP at the overlap 0.5
    precision_curve: Numbers  # [classes, scores] at the overlap 0.5, over the scores 0 … 1 in 1001 steps
    recall_curve: Numbers
    objects: NDArray[np.int64]

    @cached_property
    def best_score(self) -> float:
        """Where F1, averaged over the classes that are shown, is greatest; in the middle of where it is."""
        return float(_STEPS[self._best])

    @cached_property
    def _best(self) -> int:
        over = _mean(self.f1_curve)
        greatest = np.flatnonzero(over >= over.max())
        return int(greatest[len(greatest) // 2])

    @property
    def f1_curve(self) -> Numbers:
        total = self.precision_curve + self.recall_curve
        return np.divide(
            2 * self.precision_curve * self.recall_curve, total, out=np.zeros_like(total), where=total != 0
        )

    @property
    def precision(self) -> Numbers:
        """Who finds no object of a class is not called precise about it."""
        return np.where(self.recall == 0, 0.0, self.precision_curve[:, self._best])

    @property
    def recall(self) -> Numbers:
        return self.recall_curve[:, self._best]

    def as_metrics(self, prefix: str = "") -> dict[str, float]:
        """Means over the classes that are shown; precision and recall where F1 is best."""
        named = {
            "mAP50-95": self.average,
            "mAP50": self.average_half,
            "precision": self.precision,
            "recall": self.recall,
        }
        return {prefix + name: float(_mean(values)) for name, values in named.items()}

    def by_class(self) -> Iterator[dict[str, Any]]:
        """Of the classes that are shown."""
        for place in np.flatnonzero(self.objects > 0).tolist():
            yield {
                "class": self.classes[place],
                "objects": int(self.objects[place]),
                "precision": float(self.precision[place]),
                "recall": float(self.recall[place]),
                "mAP50": float(self.average_half[place]),
                "mAP50-95": float(self.average[place]),
            }


class Judge:
    """Knows the truth about a split; `judge(seen, kind)` compares with it what was found, image by image in the same order."""

    def __init__(self, annotations: Annotations, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self._annotations = annotations

    def __call__(self, seen: Sequence[Seen], kind: Kind = "bbox") -> Verdict:
        truth, found = self._truth, list(_found(seen, kind))
        with contextlib.redirect_stdout(io.StringIO()):  # it tells of its seconds
            comparison = COCOeval(truth, truth.loadRes(found) if found else _indexed(self._dataset([])), kind)
            comparison.params.maxDets = [_AT_MOST]
            comparison.params.areaRng, comparison.params.areaRngLbl = [[0, 1e10]], ["all"]
            comparison.evaluate()
            comparison.accumulate()
        return self._verdict(comparison)

    @cached_property
    def objects(self) -> NDArray[np.int64]:
        """How many of each class the split shows, without crowds."""
        return np.bincount(
            [each["category_id"] for each in self._truth.dataset["annotations"] if not each["iscrowd"]],
            minlength=len(self.classes),
        )

    @cached_property
    def _truth(self) -> COCO:
        every = (
            {"image_id": image, **each}
            for image in range(len(self._annotations.samples))
            for each in _as_coco(self._annotations[image])
        )
        return _indexed(self._dataset([{"id": number, **each} for number, each in enumerate(every, start=1)]))

    def _dataset(self, annotations: list[dict[str, Any]]) -> dict[str, Any]:
        side = self._annotations.rule.imgsz
        return {
            "info": {},
            "images": [{"id": image, "width": side, "height": side} for image in range(len(self._annotations.samples))],
            "categories": [{"id": number} for number in range(len(self.classes))],
            "annotations": annotations,
        }

    def _verdict(self, comparison: COCOeval) -> Verdict:
        precision = comparison.eval["precision"][:, :, :, 0, 0]  # [overlaps, recalls, classes], −1 without objects
        shown = precision > -1
        average = np.where(shown.any(axis=(0, 1)), precision.mean(axis=(0, 1)), np.nan)
        half = np.where(shown.any(axis=(0, 1)), precision[0].mean(axis=0), np.nan)
        curves = [self._curves(comparison, label) for label in range(len(self.classes))]
        return Verdict(
            self.classes,
            average,
            half,
            np.array([precisions for precisions, _ in curves]),
            np.array([recalls for _, recalls in curves]),
            self.objects,
        )

    def _curves(self, comparison: COCOeval, label: int) -> tuple[Numbers, Numbers]:
        """Precision and recall of a class for each score to cut at; where nothing is left, nothing is wrong."""
        if not self.objects[label]:
            return np.full(len(_STEPS), np.nan), np.full(len(_STEPS), np.nan)
        images = len(self._annotations.samples)
        told = [each for each in comparison.evalImgs[label * images : (label + 1) * images] if each]
        scores = np.concatenate([np.array(each["dtScores"], dtype=np.float64) for each in told])
        matched = np.concatenate([each["dtMatches"][0] for each in told]) > 0
        counts = ~np.concatenate([each["dtIgnore"][0] for each in told]).astype(bool)
        order = np.argsort(-scores[counts], kind="stable")
        right = np.concatenate([[0], matched[counts][order].cumsum()])
        left = np.searchsorted(-scores[counts][order], -_STEPS, side="right")  # as many have that score or more
        precision = np.divide(right[left], left, out=np.ones(len(_STEPS)), where=left > 0)
        return precision, right[left] / self.objects[label]


def confusion(seen: Sequence[Seen], annotations: Annotations, classes: int, score: float) -> NDArray[np.int64]:
    """[true, found] of finds with this score or more: whatever overlaps by half is the same object, best finds first. The last
    row are finds where nothing is, the last column objects that were not found."""
    counts = np.zeros((classes + 1, classes + 1), dtype=np.int64)
    for image, one in enumerate(seen):
        chosen = one.finds.scores >= score
        for true, found in _pairs(annotations[image], one.finds.boxes[chosen], one.finds.labels[chosen]):
            counts[true, found] += 1
    return counts


def _pairs(objects: Objects, boxes: Boxes, labels: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """What no object is left for may be one of a crowd of its class, of which there may be any number."""
    free = ~objects.crowd
    for overlap, label in zip(_overlaps(boxes, objects), labels.tolist(), strict=True):
        if (overlap * free).max(initial=0) >= _HALF:
            best = int((overlap * free).argmax())
            free[best] = False
            yield int(objects.labels[best]), label
        elif overlap[objects.crowd & (objects.labels == label)].max(initial=0) < _HALF:
            yield -1, label
    yield from ((label, -1) for label in objects.labels[free].tolist())


def _overlaps(boxes: Boxes, objects: Objects) -> Numbers:
    """[finds, objects], as COCO counts them: what of a find lies in a crowd is a share of the find alone."""
    if not len(boxes) or not len(objects):
        return np.zeros((len(boxes), len(objects)))
    found, there = ([_corner_and_size(box) for box in each] for each in (boxes, objects.boxes))
    return run_lengths.iou(found, there, objects.crowd.tolist())


def _as_coco(objects: Objects) -> Iterator[Mapping[str, Any]]:
    for place, (box, label, crowd) in enumerate(zip(objects.boxes, objects.labels, objects.crowd, strict=True)):
        told = {"category_id": int(label), "iscrowd": int(crowd), "bbox": _corner_and_size(box)}
        if objects.masks is None:
            yield {**told, "area": float(np.prod(told["bbox"][2:]))}
        else:
            lengths = run_lengths.encode(np.asfortranarray(objects.masks[place]))
            yield {**told, "segmentation": lengths, "area": float(run_lengths.area(lengths))}


def _found(seen: Sequence[Seen], kind: Kind) -> Iterator[dict[str, Any]]:
    for image, one in enumerate(seen):
        for place, (box, score, label) in enumerate(
            zip(one.finds.boxes, one.finds.scores, one.finds.labels, strict=True)
        ):
            told = {"image_id": image, "category_id": int(label), "score": float(score)}
            if kind == "bbox":
                yield {**told, "bbox": _corner_and_size(box)}
            else:
                assert one.masks is not None
                yield {**told, "segmentation": one.masks[place]}


def _corner_and_size(box: NDArray[np.float32]) -> list[float]:
    left, top, right, bottom = box.tolist()
    return [left, top, right - left, bottom - top]


def _indexed(dataset: dict[str, Any]) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = dataset
        coco.createIndex()
    return coco


def _mean(values: Numbers) -> Numbers:
    """Over the classes that are shown; 0 where none is."""
    shown = values[~np.isnan(values).reshape(len(values), -1).any(axis=1)]
    return shown.mean(axis=0) if len(shown) else np.zeros(values.shape[1:])
