"""What a folder is good for: `inspect(root)`. Nothing is stored, nothing is changed."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from eyebright_kit.data.annotator import Wishes, with_split
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.findings import Findings
from eyebright_kit.data.format import Format, Reading, detect, formats
from eyebright_kit.data.images import ImageLimits
from eyebright_kit.data.likeness import likeness, note_likeness, without_leaks, without_repetitions
from eyebright_kit.data.manifest import Header
from eyebright_kit.data.readiness import Evidence, readiness
from eyebright_kit.data.record import Record
from eyebright_kit.data.relabel import some_of
from eyebright_kit.data.splitting import HoldoutRule, with_splits
from eyebright_kit.data.survey import Picture, Progress, Survey, survey
from eyebright_kit.data.tally import Tally
from eyebright_kit.data.tree import listed_once
from eyebright_kit.data.workplace import Workplace
from eyebright_wire.datasets import DatasetPlan, DatasetReport, Fix, Readiness, Split

UNKNOWN_FORMAT = "unknown"
_RARE = 0.1  # of the most frequent class
_FEW = 10
_FEW_TO_DRAW = 5
_SMALL_TO_DRAW = 512 * 512  # pixels; Stable Diffusion draws as many
_MIXED = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be decided differently from case to case."""

    images: ImageLimits = field(default_factory=ImageLimits)
    holdout: HoldoutRule = field(default_factory=HoldoutRule)
    leave_out_broken: bool = False  # train without the files that mean to be images and cannot be used
    missing: tuple[tuple[str, str], ...] = ()  # images that should be there and are not: what to call them, and why


@dataclass(frozen=True, slots=True)
class Inspection:
    """The report, and the images behind it: each with a split, in the order of the manifest."""

    report: DatasetReport
    header: Header
    pictures: tuple[Picture, ...] = ()


def inspect(
    root: Path, *, rules: Rules | None = None, plan: DatasetPlan | None = None, progress: Progress | None = None
) -> DatasetReport:
    """What the folder holds, what is wrong with it, and which tasks it is ready for.

    Reads every image once. Raises OSError only when the folder itself cannot be read, PlanInvalid for a class in the plan that
    the data set does not have.
    """
    with tempfile.TemporaryDirectory(prefix="eyebright-") as folder, Workplace(Path(folder)) as place:
        return inspect_into(place, root, rules=rules, plan=plan, progress=progress).report


def inspect_into(
    place: Workplace,
    root: Path,
    *,
    rules: Rules | None = None,
    plan: DatasetPlan | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """The same, with the images that an import would keep; their samples lie at `place`."""
    with listed_once():
        form = detect(root)
        if form is None:
            return _unknown()
        try:
            reading = form.read(root)
        except Unreadable as error:
            return _unreadable(form, root, error, place)
    try:
        return inspect_reading(place, root, form, reading, rules=rules, plan=plan, progress=progress)
    except Unreadable as error:
        return _unreadable(form, root, error, place)


def inspect_reading(
    place: Workplace,
    root: Path,
    form: Format,
    reading: Reading,
    *,
    rules: Rules | None = None,
    plan: DatasetPlan | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """The same for what a format, or whoever else, has read already. Raises Unreadable."""
    rules, plan = rules or Rules(), plan or DatasetPlan()
    found = survey(root, reading, place, Wishes(rules.images, plan), progress)
    record = Record(root, found.findings, place.changes)
    for image, why in rules.missing:
        record.found("missing_image", image, why)
    for code, what, detail in _of_the_whole(plan):
        record.wished(code, what, detail)
    pictures = _arranged(found, rules, plan, record)
    leave_out_broken = rules.leave_out_broken or Fix.BROKEN in plan.fix
    return _Reporter(form, found, plan, leave_out_broken).inspection(pictures, place, record)


def _of_the_whole(plan: DatasetPlan) -> Iterator[tuple[str, str, str]]:
    """What a plan changes about all images at once: (code, what, detail)."""
    yield from (("class_renamed", old, f"now {new}") for old, new in plan.rename.items() if old != new)
    yield from (("class_removed", name, "") for name in plan.drop)
    if plan.splits and plan.splits.shares:
        shares = ", ".join(f"{split} {share:g}" for split, share in plan.splits.shares.items())
        yield "splits_drawn", "all images", f"{shares}; seed {plan.splits.seed}"
    elif plan.splits and plan.splits.lists:
        yield from (("split_listed", split, some_of(names)) for split, names in plan.splits.lists.items())


def _unknown() -> Inspection:
    """No format knows the folder, so there is nothing in it that training could use."""
    plainest = {form.name: form.layout for form in formats() if form.name in ("captions", "imagefolder")}
    known = ", ".join(form.name for form in formats() if form.name not in plainest)
    missing = (
        f"no image was found; expected {plainest['imagefolder']}; for text to image (LoRA), images side by side: "
        f"{plainest['captions']}; or one of the layouts of {known}"
    )
    tasks = sorted({task for form in formats() for task in form.tasks})
    return _nothing(UNKNOWN_FORMAT, tasks, missing, Findings())


def _unreadable(form: Format, root: Path, error: Unreadable, place: Workplace) -> Inspection:
    """What describes the whole set cannot be read, so nothing can."""
    findings = Findings()
    record = Record(root, findings, place.changes)
    record.unreadable(error)
    missing = f"{record.shown(error.path, error.line)} cannot be understood: {error.detail}; mend it and import again"
    return _nothing(form.name, form.tasks, missing, findings)


def _nothing(name: str, tasks: Iterable[str], missing: str, findings: Findings) -> Inspection:
    verdicts = tuple(Readiness(task=task, ready=False, missing=(missing,)) for task in tasks)
    report = DatasetReport(
        format=name, classes=(), images={}, images_per_class={}, findings=findings.all(), readiness=verdicts
    )
    return Inspection(report, Header(format=name, classes=()))


# The set as a whole


def _arranged(found: Survey, rules: Rules, plan: DatasetPlan, record: Record) -> tuple[Picture, ...]:
    """The images with their final splits, in the order of the manifest, and what can only be seen of all together."""
    alike = likeness(found.pictures)
    pictures = with_splits(found.pictures, plan.splits, rules.holdout, alike.groups)
    pictures = tuple(
        sorted(pictures, key=_manifest_order)
    )  # of equal ones the same stays, in whatever order they were read
    if Fix.DUPLICATE_IMAGES in plan.fix:
        pictures = without_repetitions(pictures, record)  # after the draw, which can put equal images into one split
    if {Fix.LEAKED_IMAGES, Fix.NEAR_LEAKS} & set(plan.fix):
        pictures = without_leaks(pictures, plan.fix, record)
    for picture in _held_back(found, pictures, plan):
        record.found("split_made", picture.source)
    note_likeness(pictures, alike, record)
    return pictures


def _manifest_order(picture: Picture) -> tuple[int, tuple[int, ...], str, str]:
    """By split, class and name: independent of the file system's order."""
    split = list(Split).index(picture.split) if picture.split else -1
    return split, picture.labels[:1], picture.source, picture.sha256


def _held_back(found: Survey, pictures: Sequence[Picture], plan: DatasetPlan) -> Iterator[Picture]:
    """The images that came to val without being in it, and without anybody having asked for that."""
    if plan.splits is None and not any(picture.split == Split.VAL for picture in found.pictures):
        yield from (picture for picture in pictures if picture.split == Split.VAL)


# The report


class _Reporter:
    def __init__(self, form: Format, found: Survey, plan: DatasetPlan, leave_out_broken: bool) -> None:
        self._form = form
        self._found = found
        self._plan = plan
        self._classes = found.relabelling.classes
        self._leave_out_broken = leave_out_broken

    def inspection(self, pictures: tuple[Picture, ...], place: Workplace, record: Record) -> Inspection:
        tally = Tally()
        for picture in pictures:
            assert picture.split is not None
            sample = with_split(place.spool.sample(picture.place), picture.split)
            tally.add(sample)
            if sample.caption is not None and sample.width * sample.height < _SMALL_TO_DRAW:
                record.found("small_images", sample.source, f"{sample.width}×{sample.height}")
        self._note_balance(tally, record)
        header = Header(
            format=self._form.name,
            classes=self._classes,
            skeletons=self._found.relabelling.skeletons(self._found.reading.skeletons),
        )
        return Inspection(self._report(tally, place), header, pictures)

    def _report(self, tally: Tally, place: Workplace) -> DatasetReport:
        evidence = self._evidence(tally)
        splits = [split for split in Split if tally.images[split]]
        return DatasetReport(
            format=self._form.name,
            classes=self._classes,
            images={split.value: tally.images[split] for split in splits},
            images_per_class={split.value: self._per_class(tally.shown, split) for split in splits},
            instances_per_class=(
                {split.value: self._per_class(tally.objects, split) for split in splits} if tally.objects else {}
            ),
            captions=tally.captions,
            size_bytes=tally.size_bytes,
            image_sizes=tally.sizes(),
            samples=tally.pictures(self._classes),
            findings=self._found.findings.all(leave_out_broken=self._leave_out_broken),
            readiness=tuple(readiness(task, evidence) for task in self._tasks(tally)),
            changes=place.changes.summary(),
        )

    def _tasks(self, tally: Tally) -> tuple[str, ...]:
        """Those that the format serves; of images without a word about them, most people expect a classifier."""
        bare = not self._classes and not tally.captions and "classification" not in self._form.tasks
        return (*self._form.tasks, "classification") if bare else self._form.tasks

    def _evidence(self, tally: Tally) -> Evidence:
        """With everything under the class numbers of the version."""
        labels, found = self._found.relabelling.labels, self._found
        places = {(split, labels[old]): name for (split, old), name in found.reading.places.items() if old in labels}
        seen: Counter[tuple[Split | None, int | None]] = Counter()
        for (split, old), count in found.seen.items():
            seen[split, None if old is None else labels.get(old)] += count
        reading = replace(found.reading, places=places)
        return Evidence(
            reading=reading,
            layout=self._form.layout,
            classes=self._classes,
            seen=seen,
            tally=tally,
            findings=found.findings,
            plan=self._plan,
            leave_out_broken=self._leave_out_broken,
        )

    def _per_class(self, counts: Mapping[tuple[Split, int], int], split: Split) -> dict[str, int]:
        return {name: counts.get((split, label), 0) for label, name in enumerate(self._classes)}

    def _note_balance(self, tally: Tally, record: Record) -> None:
        for twin, name in _case_twins(self._classes):
            record.found("similar_class_names", name, f"like {twin}")
        for code, label, detail in _balance(tally, len(self._classes)):
            record.found(code, self._classes[label], detail)
        if tally.captions and tally.images[Split.TRAIN] < _FEW_TO_DRAW:
            record.found("few_images", f"{tally.images[Split.TRAIN]} in train")
        if tally.longest_sides and tally.longest_sides[1] > _MIXED * tally.longest_sides[0]:
            record.found(
                "mixed_sizes", f"longer sides from {tally.longest_sides[0]} to {tally.longest_sides[1]} pixels"
            )


def _case_twins(classes: Iterable[str]) -> Iterator[tuple[str, str]]:
    earlier: dict[str, str] = {}
    for name in classes:
        twin = earlier.setdefault(name.casefold(), name)
        if twin != name:
            yield twin, name


def _balance(tally: Tally, classes: int) -> Iterator[tuple[str, int, str]]:
    """Classes that are too seldom to be learned or examined: (code, class, how many)."""
    counts = tally.objects or tally.shown
    most = max((counts[Split.TRAIN, label] for label in range(classes)), default=0)
    validated = tally.images[Split.VAL] > 0
    for label in range(classes):
        count = counts[Split.TRAIN, label]
        if not any(counts[split, label] for split in Split):
            yield "unused_class", label, ""
        elif count < _FEW:
            yield "few_samples", label, f"{count}"
        elif count < _RARE * most:
            yield "class_imbalance", label, f"{count:,} of the most frequent one's {most:,}"
        if validated and count and not counts[Split.VAL, label]:
            yield "class_without_val", label, ""
