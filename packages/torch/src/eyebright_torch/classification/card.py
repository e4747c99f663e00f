"""The model card: what the model is, what it is worth, and everything that is needed to make it again."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.classification.framework import Credits
from eyebright_torch.classification.metrics import Report
from eyebright_torch.classification.preprocess import Preprocessing
from eyebright_torch.state import RunState
from eyebright_torch.weights import Pretrained
from eyebright_wire.artifacts import ExportRef
from eyebright_wire.jobs import JobSpec

_PACKAGES = ("onnx", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True)
class Facts:
    """What the card tells of."""

    spec: JobSpec
    config: ClassificationConfig
    images: Mapping[str, int]  # by split
    device: str
    precision: str
    state: RunState
    report: Report
    rule: Preprocessing
    credits: Credits
    pretrained: Pretrained | None
    exports: tuple[ExportRef, ...]


def card(facts: Facts) -> str:
    """Markdown."""
    sections = (_title, _results, _classes, _use, _parity, _data, _training, _origin, _licence)
    return "\n\n".join(section(facts) for section in sections) + "\n"


def _title(facts: Facts) -> str:
    heading = f"# {facts.spec.model}: {len(facts.report.classes)} classes of {_cell(facts.spec.dataset.name)}"
    return f"{heading}\n\nAn image classifier, trained by Eyebright."


def _results(facts: Facts) -> str:
    scores = facts.report.scores
    rows = [
        ("top-1 accuracy", f"{scores.top1:.4f}"),
        ("loss", f"{scores.loss:.4f}"),
        ("macro F1", f"{facts.report.macro_f1:.4f}"),
    ]
    if scores.top5 is not None:
        rows.insert(1, ("top-5 accuracy", f"{scores.top5:.4f}"))
    samples = int(facts.report.support.sum())
    note = (
        f"On the {samples:,} images of the validation split, which also chose the best epoch "
        f"({facts.state.best_epoch} of {len(facts.state.history)}): expect a little less on new images."
    )
    return f"## Results\n\n{note}\n\n{_table(('metric', 'value'), rows)}"


def _classes(facts: Facts) -> str:
    report = facts.report
    rows = (
        (_cell(name), f"{p:.3f}", f"{r:.3f}", f"{f:.3f}", str(n))
        for name, p, r, f, n in zip(
            report.classes, report.precision, report.recall, report.f1, report.support, strict=True
        )
    )
    return f"## Classes\n\n{_table(('class', 'precision', 'recall', 'F1', 'images'), rows)}"


def _use(facts: Facts) -> str:
    rule = facts.rule
    return "\n".join(
        (
            "## Use",
            "",
            "Upright the image by its EXIF orientation, make it RGB, then a square of "
            f"{rule.imgsz} pixels (`{rule.fit}`, {rule.interpolation}, antialiased). Input: {rule.layout}.",
            f"Mean {list(rule.mean)}, standard deviation {list(rule.std)}.",
            "Output: one logit per class, in the order of `labels.json`; softmax is not included.",
            "",
            f"`model.safetensors` and `model.pth` hold the same weights ({facts.credits.library}'s names); `model.onnx`, if "
            "exported, runs without torch. `labels.json` repeats all this for programs.",
        )
    )


def _parity(facts: Facts) -> str:
    if not facts.exports:
        return "## Exports\n\nNone were asked for."
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
    names = ("file", "runtime", "images", "greatest difference of a logit", "same answer", "top-1 native / exported")
    return f"## Exports\n\nRe-scored in their own runtime on the validation split.\n\n{_table(names, rows)}"


def _data(facts: Facts) -> str:
    data = facts.spec.dataset
    rows = [
        ("name", _cell(data.name)),
        ("version", data.version_id),
        ("content hash (sha256)", f"`{data.manifest_sha256}`"),
        *((f"{split} images", f"{count:,}") for split, count in facts.images.items()),
    ]
    return f"## Data\n\n{_table(('', ''), rows)}"


def _training(facts: Facts) -> str:
    config = json.dumps(facts.config.model_dump(mode="json"), indent=2)
    where = f"On {facts.device}, {facts.precision}, seed {facts.config.seed}."
    return f"## Training\n\n{where}\n\n```json\n{config}\n```"


def _origin(facts: Facts) -> str:
    packages = ("torch", facts.credits.library, *_PACKAGES)
    rows = [
        ("job", f"{facts.spec.job_id}, attempt {facts.spec.attempt}"),
        ("trainer", f"{facts.credits.trainer} {version(facts.credits.trainer)}"),
        *((name, version(name)) for name in packages),
        *((_cell(name), f"`{_cell(value)}`") for name, value in sorted(facts.spec.provenance.items())),
        ("base weights", _base(facts.pretrained)),
    ]
    return f"## Origin\n\n{_table(('', ''), rows)}"


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
    code = f"The architecture's code is {facts.credits.library}'s ({facts.credits.licence}); the trainer is Apache-2.0."
    return f"## Licence\n\n{weights} {code}"


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [names, tuple("---" for _ in names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """Names come from strangers' folders: keep them inside their cell and free of markup."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
