"""The model card: what the model is, what it is worth, and everything that is needed to make it again.

A task puts together the sections here and its own.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Self

import torch
from pydantic import BaseModel

from eyebright_kit.runtime.markdown import code, plain
from eyebright_torch.fit import Run
from eyebright_torch.framework import Credits
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.state import RunState
from eyebright_torch.weights import Pretrained
from eyebright_wire.artifacts import ExportRef
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import JobSpec

cell = plain  # names come from strangers' folders: in their cell they are to be read and nothing else

_PACKAGES = ("onnx", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True)
class Facts:
    """What the card tells of, whatever the task."""

    spec: JobSpec
    config: BaseModel
    classes: tuple[str, ...]
    images: Mapping[str, int]  # by split
    device: str
    precision: str
    seed: int
    state: RunState
    rule: Preprocessing
    credits: Credits
    pretrained: Pretrained | None
    exports: tuple[ExportRef, ...]

    @classmethod
    def of(cls, run: Run, state: RunState, exports: tuple[ExportRef, ...]) -> Self:
        return cls(
            spec=run.ctx.spec,
            config=run.config,
            classes=run.ctx.data.classes,
            images={split.value: len(run.ctx.data.samples(split)) for split in Split},
            device=_device_name(run.hardware.device),
            precision=str(run.hardware.precision or torch.float32).removeprefix("torch."),
            seed=run.config.seed,
            state=state,
            rule=run.rule,
            credits=run.library.credits,
            pretrained=run.pretrained,
            exports=exports,
        )

    @property
    def where_judged(self) -> str:
        return (
            f"On the {self.images['val']:,} images of the validation split, which also chose the best epoch "
            f"({self.state.best_epoch} of {len(self.state.history)}): expect a little less on new images."
        )


def opening(facts: Facts, what: str) -> str:
    """`what` is a sentence that says what kind of model this is."""
    heading = f"# {facts.spec.model}: {len(facts.classes)} classes of {cell(facts.spec.dataset.name)}"
    return f"{heading}\n\n{what}"


def use(facts: Facts, output: str) -> str:
    """`output` says what the numbers mean that come out."""
    rule = facts.rule
    return "\n".join(
        (
            "## Use",
            "",
            "Upright the image by its EXIF orientation, make it RGB, then a square of "
            f"{rule.imgsz} pixels (`{rule.fit}`, {rule.interpolation}, antialiased). Input: {rule.layout}.",
            f"Mean {list(rule.mean)}, standard deviation {list(rule.std)}.",
            output,
            "",
            f"`model.safetensors` and `model.pth` hold the same weights ({facts.credits.library}'s names); `model.onnx`, if "
            "exported, runs without torch. `labels.json` repeats all this for programs.",
        )
    )


def exports(facts: Facts, difference: str, metric: str) -> str:
    """`difference` names what was compared, `metric` what was scored again."""
    if not facts.exports:
        return "## Exports\n\nNone were made with the training. One made later has its certificate, `parity.json`, beside it."
    rows = (
        (
            export.path,
            export.parity.runtime,
            str(export.parity.samples),
            f"{export.parity.max_abs_difference:.2e} (allowed {export.parity.tolerance:g})",
            f"{export.parity.agreement:.2%}",
            f"{export.parity.native:.4f} / {export.parity.exported:.4f}",
        )
        for export in facts.exports
    )
    names = ("file", "runtime", "images", difference, "same answer", f"{metric} native / exported")
    return f"## Exports\n\nRe-scored in their own runtime on the validation split.\n\n{table(names, rows)}"


def closing(facts: Facts) -> tuple[str, ...]:
    """What it was made of, how, by whom, and what may be done with it."""
    return tuple(section(facts) for section in (_data, _training, _origin, _licence))


def table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [names, tuple("---" for _ in names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _data(facts: Facts) -> str:
    data = facts.spec.dataset
    rows = [
        ("name", cell(data.name)),
        ("version", data.version_id),
        ("content hash (sha256)", f"`{data.manifest_sha256}`"),
        *((f"{split} images", f"{count:,}") for split, count in facts.images.items()),
    ]
    return f"## Data\n\n{table(('', ''), rows)}"


def _training(facts: Facts) -> str:
    config = json.dumps(facts.config.model_dump(mode="json"), indent=2)
    where = f"On {facts.device}, {facts.precision}, seed {facts.seed}."
    return f"## Training\n\n{where}\n\n```json\n{config}\n```"


def _origin(facts: Facts) -> str:
    packages = ("torch", facts.credits.library, *_PACKAGES)
    rows = [
        ("job", f"{facts.spec.job_id}, attempt {facts.spec.attempt}"),
        ("trainer", f"{facts.credits.trainer} {version(facts.credits.trainer)}"),
        *((name, version(name)) for name in packages),
        *((cell(name), code(value)) for name, value in sorted(facts.spec.provenance.items())),
        ("base weights", _base(facts.pretrained)),
    ]
    return f"## Origin\n\n{table(('', ''), rows)}"


def _base(pretrained: Pretrained | None) -> str:
    if pretrained is None:
        return "none: trained from random weights"
    return f"{pretrained.name}, {pretrained.source}, sha256 `{pretrained.sha256}`"


def _licence(facts: Facts) -> str:
    weights = (
        "The weights were trained from random numbers on the data above alone; what may be done with them is for the owner "
        "of that data to say."
        if facts.pretrained is None
        else f"{facts.pretrained.terms} What else may be done is for the owner of the data above to say."
    )
    architecture = (
        f"The architecture's code is {facts.credits.library}'s ({facts.credits.licence}); the trainer is Apache-2.0."
    )
    return f"## Licence\n\n{weights} {architecture}"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
