"""Make a new version of one that is stored: `derive(manifest, blobs, plan, work=…)`.

The stored version is read like any other source, only that its annotations come from the manifest and its images from the blobs:
a plan does the same to a version as it does to a folder, and the images are looked at again. One thing is no longer open: which
image teaches and which examines, where the source did not say and a draw did. A plan that says nothing of splits keeps that draw,
or a model of the one version would be examined on images that taught a model of the other.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from eyebright_kit.data.annotations import IGNORED
from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.format import Annotations, Candidate, Format, MaskFile, Reading, formats
from eyebright_kit.data.inspect import Rules, inspect_reading
from eyebright_kit.data.manifest import Manifest, Sample
from eyebright_kit.data.survey import Progress
from eyebright_kit.data.version import PreparedVersion, written
from eyebright_kit.data.workplace import Workplace
from eyebright_wire.datasets import DatasetPlan

_VALUES = {value: value for value in range(256)}


def derive(
    manifest: Manifest,
    blobs: Path,
    plan: DatasetPlan,
    *,
    work: Path,
    rules: Rules | None = None,
    progress: Progress | None = None,
) -> PreparedVersion:
    """The version that the plan makes of a stored one; its new files lie below `work`, the others stay where they are.

    Raises PlanInvalid for a class that the version does not have.
    """
    with Workplace(work / "read") as place:
        reading = Reading(
            classes=manifest.header.classes,
            found=partial(_candidates, manifest, blobs),
            skeletons=manifest.header.skeletons,
        )
        form = _form(manifest.header.format)
        return written(inspect_reading(place, blobs, form, reading, rules=rules, plan=plan, progress=progress), place)


def _form(name: str) -> Format:
    """The format that the version was read from: it knows which tasks there are to be judged by."""
    found = next((form for form in formats() if form.name == name), None)
    if found is None:
        known = ", ".join(form.name for form in formats())
        raise LookupError(f"the version was read by the format {name!r}, which is not installed; there are {known}")
    return found


def _candidates(manifest: Manifest, blobs: Path) -> Iterator[Candidate]:
    for sample in manifest.samples():
        yield Candidate(
            path=blob_path(blobs, sample.sha256),
            source=sample.source,
            split=sample.split,
            label=sample.label,
            annotate=partial(_annotations, sample, blobs),
            shown=sample.source,
        )


def _annotations(sample: Sample, blobs: Path, width: int, height: int) -> Annotations:
    mask = MaskFile(blob_path(blobs, sample.mask.sha256), values={**_VALUES, IGNORED: IGNORED}) if sample.mask else None
    return Annotations(instances=sample.instances, mask=mask, caption=sample.caption, repeats=sample.repeats)
