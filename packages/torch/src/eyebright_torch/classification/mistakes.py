"""The images that the model gets wrong, most certain of its error first."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eyebright_torch.classification.inference import softmax
from eyebright_torch.classification.metrics import Labels, Logits


@dataclass(frozen=True)
class Mistake:
    """`index` counts in the validation split; `score` is how sure the model was of `predicted`."""

    index: int
    source: str
    true: str
    predicted: str
    score: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def worst(
    logits: Logits, labels: Labels, classes: tuple[str, ...], sources: list[str], limit: int = 24
) -> list[Mistake]:
    predicted = logits.argmax(axis=1)
    certainty = softmax(logits).max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    order = wrong[np.argsort(-certainty[wrong], kind="stable")][:limit]
    return [Mistake(int(i), sources[i], classes[labels[i]], classes[predicted[i]], float(certainty[i])) for i in order]
