"""From what a model answers to the objects that it has found. Needs no framework."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyebright_torch.detection.objects import Boxes

#: Weaker than this is noise; COCO's curve hardly sees it.
_FAINTEST = 0.001
#: So many of the best are compared with each other. A model with anchors tells of hundreds of thousands before it has learned.
_CANDIDATES = 10_000


@dataclass(frozen=True)
class Finds:
    """The objects found in one image, best first. `rows` says which of the model's answers each one is."""

    boxes: Boxes  # in the unit of the answer
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)


def decoded(
    boxes: Boxes, scores: NDArray[np.float32], limit: int, suppression: float | None, faintest: float = _FAINTEST
) -> Finds:
    """Of one image: boxes [Q, 4] and scores [Q, classes]. At most `limit`, of the score `faintest` or more; where `suppression`
    is a number, without those that overlap a better one of their class by more."""
    rows, labels = np.nonzero(scores >= faintest)
    told = scores[rows, labels]
    order = np.argsort(-told, kind="stable")
    order = order[: limit if suppression is None else max(limit, _CANDIDATES)]
    found = Finds(boxes[rows[order]], told[order], labels[order], rows[order])
    return found if suppression is None else _suppressed(found, suppression, limit)


def _suppressed(found: Finds, overlap: float, limit: int) -> Finds:
    kept: list[int] = []
    alive = np.ones(len(found), dtype=np.bool_)
    for place in range(len(found)):
        if not alive[place]:
            continue
        kept.append(place)
        if len(kept) == limit:
            break
        rest = np.flatnonzero(alive[place + 1 :] & (found.labels[place + 1 :] == found.labels[place])) + place + 1
        alive[rest[overlaps(found.boxes[place], found.boxes[rest]) > overlap]] = False
    return Finds(found.boxes[kept], found.scores[kept], found.labels[kept], found.rows[kept])


def overlaps(box: NDArray[np.float32], others: Boxes) -> NDArray[np.float32]:
    """Intersection over union of one box with each of the others [n, 4]; boxes may also be [m, 1, 4] against [n, 4]."""
    low = np.maximum(box[..., :2], others[..., :2])
    high = np.minimum(box[..., 2:], others[..., 2:])
    common = (high - low).clip(min=0).prod(axis=-1)
    union = _area(box) + _area(others) - common
    return np.divide(common, union, out=np.zeros_like(union), where=union > 0)


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return (boxes[..., 2:] - boxes[..., :2]).clip(min=0).prod(axis=-1)
