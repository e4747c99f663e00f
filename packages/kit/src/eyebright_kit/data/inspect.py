"""What a folder is good for: `inspect(root)`. Nothing is stored, nothing is changed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eyebright_kit.data.findings import Findings
from eyebright_kit.data.format import detect, formats
from eyebright_kit.data.holdout import HoldoutRule, with_validation
from eyebright_kit.data.images import ImageLimits
from eyebright_kit.data.readiness import Evidence, readiness
from eyebright_kit.data.survey import Good, Progress, Survey, survey
from eyebright_wire.datasets import DatasetReport, Readiness, Split

UNKNOWN_FORMAT = "unknown"


@dataclass(frozen=True, slots=True)
class Inspection:
    """The report, and the images behind it: each with a split, in the order of the manifest."""

    report: DatasetReport
    images: tuple[Good, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be decided differently from case to case."""

    images: ImageLimits = field(default_factory=ImageLimits)
    holdout: HoldoutRule = field(default_factory=HoldoutRule)
    leave_out_broken: bool = False  # train without the files that mean to be images and cannot be used


def inspect(root: Path, *, rules: Rules | None = None, progress: Progress | None = None) -> DatasetReport:
    """What the folder holds, what is wrong with it, and which tasks it is ready for.

    Reads every image once. Raises OSError only when the folder itself cannot be read.
    """
    return inspect_images(root, rules=rules, progress=progress).report


def inspect_images(root: Path, *, rules: Rules | None = None, progress: Progress | None = None) -> Inspection:
    """The same, with the images that an import would keep."""
    rules = rules or Rules()
    form = detect(root)
    if form is None:
        return Inspection(_unknown())
    found = survey(root, form, limits=rules.images, progress=progress)
    images = tuple(sorted(with_validation(found.good, rules.holdout), key=_manifest_order))
    _note_relations(found, images)
    return Inspection(_report(found, images, rules), images)


def _unknown() -> DatasetReport:
    """No format knows the folder, so there is nothing in it that training could use."""
    missing = f"no image was found; expected {'; or '.join(form.layout for form in formats())}"
    tasks = sorted({task for form in formats() for task in form.tasks})
    verdicts = tuple(Readiness(task=task, ready=False, missing=(missing,)) for task in tasks)
    return DatasetReport(format=UNKNOWN_FORMAT, classes=(), images={}, images_per_class={}, readiness=verdicts)


def _manifest_order(image: Good) -> tuple[int, int, str, str]:
    """By split, class and name: independent of the file system's order."""
    split = list(Split).index(image.split) if image.split else -1
    return split, -1 if image.label is None else image.label, image.source, image.sha256


# The report


def _report(found: Survey, images: Sequence[Good], rules: Rules) -> DatasetReport:
    counts: Counter[tuple[Split, int | None]] = Counter((image.split, image.label) for image in images if image.split)
    evidence = Evidence(found.reading, found.format.layout, found.seen, counts, found.findings, rules.leave_out_broken)
    per_split = {split.value: sum(n for (where, _), n in counts.items() if where == split) for split in Split}
    return DatasetReport(
        format=found.format.name,
        classes=found.reading.classes,
        images={split: count for split, count in per_split.items() if count},
        images_per_class={
            split: _per_class(found, counts, Split(split)) for split, count in per_split.items() if count
        },
        size_bytes=sum(image.image.size_bytes for image in images),
        findings=found.findings.all(leave_out_broken=rules.leave_out_broken),
        readiness=tuple(readiness(task, evidence) for task in found.format.tasks),
    )


def _per_class(found: Survey, counts: Counter[tuple[Split, int | None]], split: Split) -> dict[str, int]:
    return {name: counts[split, label] for label, name in enumerate(found.reading.classes)}


# What can only be seen by looking at all images together


def _note_relations(found: Survey, images: Sequence[Good]) -> None:
    findings = found.findings
    for image in _held_back(found, images):
        findings.add("split_made", image.source)
    _note_equal_images(findings, images)
    for twin, name in _case_twins(found.reading.classes):
        findings.add("similar_class_names", name, f"like {twin}")
    for name in _without_validation(found.reading.classes, images):
        findings.add("class_without_val", name)


def _held_back(found: Survey, images: Iterable[Good]) -> Iterator[Good]:
    """The images that came to val without being in it."""
    if not any(image.split == Split.VAL for image in found.good):
        yield from (image for image in images if image.split == Split.VAL)


def _note_equal_images(findings: Findings, images: Iterable[Good]) -> None:
    groups: dict[str, list[Good]] = defaultdict(list)
    for image in images:
        groups[image.sha256].append(image)
    for first, *others in groups.values():
        if others:
            _note_group(findings, first, others)


def _note_group(findings: Findings, first: Good, others: Sequence[Good]) -> None:
    """A group of equal images counts once as a leak and once as a conflict, but each repetition counts as a duplicate."""
    if elsewhere := next((other for other in others if other.split != first.split), None):
        findings.add("leaked_images", first.source, f"also {elsewhere.source}")
    if contradiction := next((other for other in others if other.label != first.label), None):
        findings.add("conflicting_labels", first.source, f"also {contradiction.source}")
    places = {(first.split, first.label)}
    for other in others:
        if (other.split, other.label) in places:
            findings.add("duplicate_images", other.source, f"equal to {first.source}")
        places.add((other.split, other.label))


def _case_twins(classes: Iterable[str]) -> Iterator[tuple[str, str]]:
    earlier: dict[str, str] = {}
    for name in classes:
        twin = earlier.setdefault(name.casefold(), name)
        if twin != name:
            yield twin, name


def _without_validation(classes: Sequence[str], images: Sequence[Good]) -> Iterator[str]:
    """Classes that are trained but not validated. None when nothing is validated: then that is what is missing."""
    trained = {image.label for image in images if image.split == Split.TRAIN}
    validated = {image.label for image in images if image.split == Split.VAL}
    if validated:
        yield from (name for label, name in enumerate(classes) if label in trained and label not in validated)
