"""The proof that an exported detector answers like the original: re-scored in onnxruntime on the validation split."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eyebright_torch import exporting, inference
from eyebright_torch.detection.evaluate import Reading, Seen
from eyebright_torch.preprocess import Pixels, Preprocessing, normalise
from eyebright_torch.task import Tick
from eyebright_wire.artifacts import ParityCertificate

Answer = tuple[torch.Tensor, ...]

#: Only what may be an object is compared one by one: which of the faintest are told at all is decided by the last bits.
_PERHAPS = 0.05


@dataclass
class Comparison:
    """Of answers to the same images. A find is compared with the one that is most like it: models that rank what they find may
    rank equals differently."""

    greatest: float = 0.0  # difference of an edge, as a share of the side, or of a score
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
            self._compare(_rows(native, row), _rows(exported, row))

    @property
    def agreement(self) -> float:
        return self.alike / self.finds if self.finds else 1.0

    def _compare(self, ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> None:
        best = ours[:, 4:].max(axis=1)
        for find in ours[(best >= _PERHAPS) | (best == best.max())]:
            differences = np.abs(theirs - find).max(axis=1)
            nearest = int(differences.argmin())
            self.greatest = float(np.maximum(self.greatest, differences[nearest]))  # NaN stays NaN
            self.alike += int(theirs[nearest, 4:].argmax() == find[4:].argmax())
            self.finds += 1
        self.images += 1


def certify(
    path: Path,
    answers: Iterable[Answer],
    squares: Iterable[Pixels],
    rule: Preprocessing,
    reading: Reading,
    score: Callable[[Sequence[Seen]], float],
    metric: str,
    tolerance: float,
    threads: int,
    tick: Tick,
) -> ParityCertificate:
    """Runs the exported model over the same images, whose native `answers` come batch by batch; `score` is what the metric is of
    all that was seen. Raises ExportFailed when a find differs by more than `tolerance`."""
    comparison = Comparison()
    for native, exported in zip(answers, _exported(path, squares, rule, threads, tick), strict=True):
        comparison.add(native, exported, reading)
    certificate = ParityCertificate(
        runtime=exporting.runtime(),
        samples=comparison.images,
        max_abs_difference=comparison.greatest,
        tolerance=tolerance,
        agreement=comparison.agreement,
        metric=metric,
        native=score(comparison.native),
        exported=score(comparison.exported),
    )
    exporting.refuse_worse(path.name, certificate, "images' finds get the same class")
    return certificate


def _exported(path: Path, squares: Iterable[Pixels], rule: Preprocessing, threads: int, tick: Tick) -> Iterator[Answer]:
    session = inference.session(path, threads)
    for pixels in squares:
        tick()
        told = [inference.outputs(session, image[np.newaxis]) for image in normalise(pixels, rule)]
        yield tuple(torch.from_numpy(np.concatenate(parts)) for parts in zip(*told, strict=True))


def _rows(answer: Answer, row: int) -> NDArray[np.float32]:
    """[Q, 4 + classes]: edges and scores of one image."""
    return np.concatenate([answer[0][row].numpy(), answer[1][row].numpy()], axis=1)
