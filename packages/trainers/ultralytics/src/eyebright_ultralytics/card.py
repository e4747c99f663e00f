"""The model card: what the model is, what it is worth, and everything that is needed to make it again."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from eyebright_kit.runtime.markdown import code, plain
from eyebright_ultralytics import __version__
from eyebright_ultralytics.config import RunConfig
from eyebright_ultralytics.hardware import Hardware
from eyebright_ultralytics.tasks import Task
from eyebright_ultralytics.weights import Pretrained
from eyebright_wire.artifacts import ExportRef
from eyebright_wire.jobs import JobSpec

_PACKAGES = ("ultralytics", "torch", "torchvision", "onnx", "onnxruntime", "numpy", "pillow")
_PRECISIONS = {False: "float32", True: "float16", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Facts:
    """What the card tells of."""

    spec: JobSpec
    task: Task
    config: RunConfig
    hardware: Hardware
    classes: tuple[str, ...]
    images: Mapping[str, int]  # by split
    metrics: Mapping[str, float]
    best_epoch: int
    epochs: int
    pretrained: Pretrained | None
    exports: tuple[ExportRef, ...]


def card(facts: Facts) -> str:
    """Markdown."""
    sections = (_title, _results, _use, _parity, _data, _training, _origin, _licence)
    return "\n\n".join(section(facts) for section in sections) + "\n"


def _title(facts: Facts) -> str:
    name = facts.spec.dataset.name if facts.spec.dataset else ""
    classes = ", ".join(map(plain, facts.classes))
    return (
        f"# {facts.spec.model}: {facts.spec.task.replace('_', ' ')} on {plain(name)}\n\n"
        f"Trained by Eyebright. Classes: {classes}."
    )


def _results(facts: Facts) -> str:
    shown = [(name, f"{value:.4f}") for name, value in facts.metrics.items() if not name.startswith("val_")]
    note = (
        f"On the {facts.images['val']:,} images of the validation split, which also chose the best epoch "
        f"({facts.best_epoch} of {facts.epochs}): expect a little less on new images."
    )
    return f"## Results\n\n{note}\n\n{_table(('metric', 'value'), shown)}"


def _use(facts: Facts) -> str:
    side = facts.config.imgsz
    shape = (
        f"cut to its middle square and made {side} pixels wide"
        if facts.task.yolo == "classify"
        else f"made to fit into {side}×{side} pixels with grey bars; boxes, outlines and points are pixels of that"
    )
    return (
        f"## Use\n\nThe image is RGB in 0…1, {shape}. An export keeps Ultralytics' own outputs, before non-maximum "
        "suppression.\n\n`model.safetensors` holds the weights and no code. `best.pt` is the same for Ultralytics: a pickle, "
        "so load it only if you trust where you have it from. `labels.json` tells programs the classes and what else they need."
    )


def _parity(facts: Facts) -> str:
    if not facts.exports:
        return "## Exports\n\nNone were made with the training. One made later has its certificate, `parity.json`, beside it."
    names = ("file", "runtime", "images", "greatest difference", "same best answer", "metric", "native / exported")
    return (
        "## Exports\n\nScored again in their own runtime on the validation split. Differences are shares of the greatest "
        f"number of an output.\n\n{_table(names, map(_parity_row, facts.exports))}"
    )


def _parity_row(export: ExportRef) -> tuple[str, ...]:
    parity = export.parity
    return (
        export.path,
        parity.runtime,
        str(parity.samples),
        f"{parity.max_abs_difference:.2e} (allowed {parity.tolerance:g})",
        f"{parity.agreement:.2%}",
        parity.metric,
        f"{parity.native:.4f} / {parity.exported:.4f}",
    )


def _data(facts: Facts) -> str:
    data = facts.spec.dataset
    rows = [(f"{split} images", f"{count:,}") for split, count in facts.images.items()]
    if data:
        rows = [
            ("name", plain(data.name)),
            ("version", data.version_id),
            ("content hash (sha256)", f"`{data.manifest_sha256}`"),
            *rows,
        ]
    return f"## Data\n\n{_table(('', ''), rows)}"


def _training(facts: Facts) -> str:
    config = json.dumps(facts.config.model_dump(mode="json"), indent=2)
    where = f"On {facts.hardware.name}, {_PRECISIONS[facts.hardware.precision]}, seed {facts.config.seed}."
    return f"## Training\n\n{where}\n\n```json\n{config}\n```"


def _origin(facts: Facts) -> str:
    rows = [
        ("job", f"{facts.spec.job_id}, attempt {facts.spec.attempt}"),
        ("trainer", f"eyebright-trainer-ultralytics {__version__}"),
        *((name, version(name)) for name in _PACKAGES),
        *((plain(name), code(value)) for name, value in sorted(facts.spec.provenance.items())),
        ("base weights", _base(facts.pretrained)),
    ]
    return f"## Origin\n\n{_table(('', ''), rows)}"


def _base(pretrained: Pretrained | None) -> str:
    if pretrained is None:
        return "none: trained from random weights"
    return f"{plain(pretrained.title)}, sha256 `{pretrained.sha256}`"


def _licence(facts: Facts) -> str:
    return (
        "## Licence\n\nAGPL-3.0: made with Ultralytics, which holds that models trained with it, and exports of them, are "
        "under its own licence. Who gives this model to others, or lets them use it over a network, does so under the "
        "AGPL-3.0 and offers the complete source, or has other terms from Ultralytics. `LICENCE.txt` has the words. What else "
        "may be done is for the owner of the data above to say."
    )


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [names, tuple("---" for _ in names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
