"""Deployable forms of a model, and the proof that each answers like the original: scored again in its own runtime."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from itertools import starmap
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from ultralytics import YOLO
from ultralytics.data.augment import LetterBox, classify_transforms
from ultralytics.nn.autobackend import AutoBackend

from eyebright_kit.errors import ConfigInvalid, ExportFailed
from eyebright_ultralytics.config import RunConfig
from eyebright_ultralytics.inference import LIMITS
from eyebright_ultralytics.metrics import translated
from eyebright_ultralytics.pixels import upright
from eyebright_ultralytics.tasks import Task
from eyebright_wire.artifacts import ParityCertificate

#: So many images of the validation split are compared output by output; all of them are scored.
_COMPARED = 32
_RUNTIMES = {"onnx": "onnxruntime", "torchscript": "torch", "openvino": "openvino"}
#: So many tensors an export answers with; one, of the tasks that are not here.
_OUTPUTS = {"segment": 2}  # the objects, and the masks that theirs are mixed from

Outputs = list[torch.Tensor]


def check(config: RunConfig) -> None:
    """Raises ConfigInvalid for a form whose package is not here: nothing is installed on the way."""
    for form in config.exports:
        if find_spec(_RUNTIMES[form]) is None:
            raise ConfigInvalid(
                f"exports={form} needs the package {_RUNTIMES[form]}, which this trainer's environment does not have; "
                f"leave {form} out of exports, or install the package there"
            )


@dataclass(frozen=True)
class Workshop:
    """Exports the model in `source`, a .pt file of this run's in a folder of its own, beside that file.

    `tree` holds the validation images as Ultralytics reads them. `tick` is called in between.
    """

    source: Path
    tree: Path
    task: Task
    config: RunConfig
    tick: Callable[[], None]

    def export(self, form: str) -> tuple[Path, ParityCertificate]:
        """A file, or a folder for openvino. Raises ExportFailed when it cannot be made or differs by more than allowed."""
        made = self._made(form)
        certificate = self._certificate(form, made)
        if not certificate.max_abs_difference <= certificate.tolerance:  # not `>`, which NaN would slip through
            raise ExportFailed(
                f"{made.name} answers differently in {certificate.runtime}: an output differs by "
                f"{certificate.max_abs_difference:.2g} of the greatest where at most {certificate.tolerance:g} is allowed; "
                f"raise export_tolerance if that is good enough, or leave {form} out of exports"
            )
        return made, certificate

    def _made(self, form: str) -> Path:
        self.tick()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # addressed to Ultralytics
                return Path(YOLO(self.source).export(format=form, imgsz=self.config.imgsz, device="cpu", verbose=False))
        except Exception as error:  # the exporters have no common error
            raise ExportFailed(f"the model cannot be exported as {form}: {error}") from error

    def _certificate(self, form: str, made: Path) -> ParityCertificate:
        theirs = self._outputs(made)
        self._check_count(made, theirs)
        pairs = list(zip(self._native_outputs, theirs, strict=True))
        runtime = _RUNTIMES[form]
        return ParityCertificate(
            runtime=f"{runtime} {version(runtime)}",
            samples=len(self._images),
            max_abs_difference=_greatest(starmap(_difference, pairs)),
            tolerance=self.config.export_tolerance,
            agreement=sum(self._top(a) == self._top(b) for a, b in pairs) / len(pairs),
            metric=self.task.primary_metric,
            native=self._native_score,
            exported=self._score(made),
        )

    def _check_count(self, made: Path, answers: list[Outputs]) -> None:
        """An output that is missing differs from nothing."""
        expected = _OUTPUTS.get(self.task.yolo, 1)
        if told := {len(outputs) for outputs in answers} - {expected}:
            raise ExportFailed(f"{made.name} answers with {min(told)} tensors where {expected} are expected")

    # Output by output

    @cached_property
    def _images(self) -> list[Path]:
        below = self.tree / "val" if self.task.yolo == "classify" else self.tree.parent / "images" / "val"
        return sorted(path for path in below.rglob("*") if path.suffix != ".npy" and path.is_file())

    @cached_property
    def _native_outputs(self) -> list[Outputs]:
        return self._outputs(self.source)

    def _outputs(self, model: Path) -> list[Outputs]:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            # Without its own NMS-free head: that is what an export has by default.
            backend = AutoBackend(str(model), device=torch.device("cpu"), end2end=False, verbose=False).eval()
            return [self._answer(backend, image) for image in self._images[:_COMPARED]]

    def _answer(self, backend: AutoBackend, image: Path) -> Outputs:
        self.tick()
        return list(_tensors(backend(self._input(image))))

    def _input(self, path: Path) -> torch.Tensor:
        """[1, 3, imgsz, imgsz] in 0…1, as at inference."""
        side = self.config.imgsz
        with Image.open(path) as image:
            picture = upright(image)
        if self.task.yolo == "classify":
            return classify_transforms(size=side)(picture)[None]
        square = LetterBox((side, side), auto=False)(image=np.asarray(picture))
        return torch.from_numpy(np.ascontiguousarray(square)).permute(2, 0, 1)[None].float() / 255

    def _top(self, outputs: Outputs) -> int:
        """Which class, and of a detector at which place too, has the best score."""
        scores = outputs[0] if self.task.yolo == "classify" else outputs[0][:, 4 : 4 + self._classes]
        return int(scores.argmax())

    @cached_property
    def _classes(self) -> int:
        return len(YOLO(self.source).names)

    # Scored again

    @cached_property
    def _native_score(self) -> float:
        return self._score(self.source)

    def _score(self, model: Path) -> float:
        """The primary metric on the whole validation split, image by image, with the limits that the run was evaluated with."""
        limits = self.config.model_dump(include=set(LIMITS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            judge = YOLO(str(model), task=self.task.yolo)
            judge.add_callback("on_val_batch_end", lambda _: self.tick())
            found = judge.val(
                data=str(self.tree),
                imgsz=self.config.imgsz,
                batch=1,
                rect=False,
                device="cpu",
                plots=False,
                verbose=False,
                project=str(self.source.parent),
                name=f"score-{model.name}",
                **limits,
            )
        return translated(found.results_dict)[self.task.primary_metric]


def _difference(ours: Outputs, theirs: Outputs) -> float:
    """The greatest of any output, as a share of that output's greatest number: boxes are in pixels, scores are not.

    A classifier's original also tells its logits.
    """
    return _greatest(float((a - b).abs().max() / a.abs().max()) for a, b in zip(ours, theirs, strict=False))


def _greatest(numbers: Iterable[float]) -> float:
    """NaN if one of them is: Python's own `max` would pass over it."""
    return float(np.max(list(numbers)))


def _tensors(answer: object) -> Iterator[torch.Tensor]:
    if isinstance(answer, torch.Tensor):
        yield answer
    elif isinstance(answer, list | tuple):
        for part in answer:
            yield from _tensors(part)
