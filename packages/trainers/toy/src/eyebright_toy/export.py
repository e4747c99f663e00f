"""A classifier as a table that any spreadsheet opens, and the proof that it answers as before."""

import csv
from collections.abc import Sequence
from pathlib import Path

from eyebright_kit.errors import ExportFailed
from eyebright_toy.models import Centroid, Classifier, Pixels, Softmax
from eyebright_wire.artifacts import ParityCertificate

TOLERANCE = 1e-9


def write(model: Classifier, path: Path) -> None:
    """One line for each class: its numbers, and in the end its bias where it has one."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[model.kind], *_lines(model)])


def read(path: Path) -> Classifier:
    with path.open(newline="", encoding="utf-8") as file:
        (kind,), *lines = csv.reader(file)
    numbers = [[float(value) for value in line] for line in lines]
    if kind == "softmax":
        return Softmax([line[:-1] for line in numbers], [line[-1] for line in numbers])
    return Centroid(numbers)


def certify(model: Classifier, path: Path, images: Sequence[Pixels], labels: Sequence[int]) -> ParityCertificate:
    """Raises ExportFailed when the table answers differently."""
    ours, theirs = ([one.scores(image) for image in images] for one in (model, read(path)))
    difference = max(
        abs(a - b) for mine, other in zip(ours, theirs, strict=True) for a, b in zip(mine, other, strict=True)
    )
    if not difference <= TOLERANCE:
        raise ExportFailed(f"{path.name} answers differently: a score differs by {difference:.2g}")
    best, again = ([scores.index(max(scores)) for scores in found] for found in (ours, theirs))
    return ParityCertificate(
        runtime="csv",
        samples=len(images),
        max_abs_difference=difference,
        tolerance=TOLERANCE,
        agreement=_share(best, again),
        metric="top1",
        native=_share(best, labels),
        exported=_share(again, labels),
    )


def _lines(model: Classifier) -> list[list[float]]:
    if isinstance(model, Softmax):
        return [[*weights, bias] for weights, bias in zip(model.weights, model.biases, strict=True)]
    assert isinstance(model, Centroid)
    return model.means


def _share(found: Sequence[int], expected: Sequence[int]) -> float:
    return sum(a == b for a, b in zip(found, expected, strict=True)) / len(expected)
