"""Two classifiers in plain Python over 64 grey values: small enough to read, exact enough to resume bit by bit."""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import mul
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from PIL import Image, ImageOps

SIDE = 8
PIXELS = SIDE * SIDE

Pixels = list[float]
T = TypeVar("T")


class Classifier(Protocol):
    kind: str

    def scores(self, pixels: Pixels) -> list[float]:
        """Probabilities, one per class."""
        ...

    def learn(self, pixels: list[Pixels], labels: list[int], rate: float) -> float:
        """One step on a batch; answers the mean loss before it."""
        ...

    def taken_over(self, known: Any, places: Sequence[int | None]) -> Self:
        """With what another of its kind knows of each class, by its place there; None: as it is here."""
        ...


@dataclass
class Softmax:
    """Softmax regression, trained by stochastic gradient descent on the cross entropy."""

    weights: list[list[float]]  # class → pixel
    biases: list[float]
    kind: str = "softmax"

    @classmethod
    def fresh(cls, classes: int, seed: int) -> "Softmax":
        numbers = random.Random(seed)  # noqa: S311 - weights, not secrets
        return cls([[numbers.gauss(0, 0.01) for _ in range(PIXELS)] for _ in range(classes)], [0.0] * classes)

    def scores(self, pixels: Pixels) -> list[float]:
        return _softmax([_dot(row, pixels) + bias for row, bias in zip(self.weights, self.biases, strict=True)])

    def learn(self, pixels: list[Pixels], labels: list[int], rate: float) -> float:
        found = [self.scores(image) for image in pixels]
        for image, label, scores in zip(pixels, labels, found, strict=True):
            self._descend(image, label, scores, rate / len(pixels))
        return _cross_entropy(found, labels)

    def taken_over(self, known: "Softmax", places: Sequence[int | None]) -> "Softmax":
        return Softmax(_mixed(self.weights, known.weights, places), _mixed(self.biases, known.biases, places))

    def _descend(self, image: Pixels, label: int, scores: list[float], rate: float) -> None:
        for index, score in enumerate(scores):
            slope = rate * (score - (index == label))
            self.biases[index] -= slope
            self.weights[index] = [
                weight - slope * pixel for weight, pixel in zip(self.weights[index], image, strict=True)
            ]


@dataclass
class Centroid:
    """The mean image of each class, moved towards what it sees; an image belongs to the nearest one."""

    means: list[list[float]]  # class → pixel
    kind: str = "centroid"

    @classmethod
    def fresh(cls, classes: int, seed: int) -> "Centroid":
        numbers = random.Random(seed)  # noqa: S311 - weights, not secrets
        return cls([[0.01 * numbers.random() for _ in range(PIXELS)] for _ in range(classes)])

    def scores(self, pixels: Pixels) -> list[float]:
        return _softmax(
            [-sum((mean - pixel) ** 2 for mean, pixel in zip(means, pixels, strict=True)) for means in self.means]
        )

    def learn(self, pixels: list[Pixels], labels: list[int], rate: float) -> float:
        found = [self.scores(image) for image in pixels]
        step = min(1.0, rate) / len(pixels)
        for image, label in zip(pixels, labels, strict=True):
            self.means[label] = [
                mean + step * (pixel - mean) for mean, pixel in zip(self.means[label], image, strict=True)
            ]
        return _cross_entropy(found, labels)

    def taken_over(self, known: "Centroid", places: Sequence[int | None]) -> "Centroid":
        return Centroid(_mixed(self.means, known.means, places))


def _mixed(own: list[T], known: list[T], places: Sequence[int | None]) -> list[T]:
    return [mine if place is None else known[place] for mine, place in zip(own, places, strict=True)]


MODELS: dict[str, type[Softmax] | type[Centroid]] = {"softmax": Softmax, "centroid": Centroid}


def dump(model: Classifier) -> str:
    """JSON keeps every bit of a float: Python writes the shortest text that reads back as the same number."""
    return json.dumps(asdict(model))  # pyright: ignore[reportArgumentType]


def parse(text: str) -> Classifier:
    content = json.loads(text)
    return MODELS[content.pop("kind")](**content)


def read_pixels(path: Path) -> Pixels:
    """The image as 8×8 grey values around zero, each the mean of its area."""
    with Image.open(path) as image:
        small = ImageOps.exif_transpose(image).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
        return [value / 127.5 - 1.0 for value in small.tobytes()]


def _dot(left: list[float], right: list[float]) -> float:
    return sum(map(mul, left, right))


def _softmax(logits: list[float]) -> list[float]:
    highest = max(logits)
    powers = [math.exp(logit - highest) for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]


def _cross_entropy(found: list[list[float]], labels: list[int]) -> float:
    return -sum(math.log(max(scores[label], 1e-12)) for scores, label in zip(found, labels, strict=True)) / len(labels)
