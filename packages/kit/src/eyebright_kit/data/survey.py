"""Go through a data set once: every file is listed, read, hashed and decoded at most one time.

What the annotations say is judged, mended and renumbered as the plan asks while it passes, and then waits in a file: the memory
holds one small record for each image.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import tee
from pathlib import Path

from eyebright_kit.data.annotator import Annotator, Wishes
from eyebright_kit.data.findings import Findings
from eyebright_kit.data.format import Candidate, Reading, Remark
from eyebright_kit.data.images import ImageLimits, Unusable, Usable, examine_all
from eyebright_kit.data.manifest import Sample, shown_labels
from eyebright_kit.data.record import Record
from eyebright_kit.data.relabel import Relabelling, relabelling
from eyebright_kit.data.selection import Names, chosen_by, require_fits
from eyebright_kit.data.workplace import Workplace
from eyebright_wire.datasets import Split

#: What is being done ("unpacking", "reading"), how much of it is done, how much there is. What it raises ends the work.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is remembered of an image while the set is read; `place` is the key to its sample in the spool."""

    path: str
    source: str
    split: Split | None
    labels: tuple[int, ...]  # the classes that it shows, each once
    sha256: str
    thumbnail: bytes = field(repr=False)
    place: int

    def in_split(self, split: Split) -> "Picture":
        return replace(self, split=split)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a folder holds. `seen` counts the files that lie where images belong, usable or not, by split and folder's class."""

    reading: Reading
    relabelling: Relabelling
    pictures: tuple[Picture, ...]
    seen: Counter[tuple[Split | None, int | None]]
    findings: Findings


def survey(root: Path, reading: Reading, place: Workplace, wishes: Wishes, progress: Progress | None = None) -> Survey:
    """Read the folder as its format says. Raises Unreadable for an index that cannot be understood, PlanInvalid."""
    relabelled = relabelling(reading.classes, wishes.plan, reading.skeletons)
    findings = Findings()
    record = Record(root, findings, place.changes)
    for name, count in Counter(reading.classes).items():
        if count > 1:
            record.found("repeated_class_name", name)
    annotator = Annotator(reading, relabelled, place, wishes, record)
    seen: Counter[tuple[Split | None, int | None]] = Counter()
    pictures: list[Picture] = []
    label_sets: dict[tuple[int, ...], tuple[int, ...]] = {}  # most images show one of few combinations
    require_fits(wishes.plan, partial(_sources, reading))
    wanted = chosen_by(wishes.plan)
    total = 0
    with warnings.catch_warnings():
        # Pillow warns of what it repairs in metadata; what matters of it is a finding. Only for its modules, as the filter is
        # the whole process's.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for done, (candidate, verdict) in enumerate(_verdicts(reading, record, wanted, wishes.limits), 1):
            if not (isinstance(verdict, Unusable) and verdict.code == "other_file"):
                seen[candidate.split, candidate.label] += 1
            sample = _sample(candidate, verdict, annotator, record)
            if sample is not None and isinstance(verdict, Usable):
                labels = shown_labels(sample)
                labels = label_sets.setdefault(labels, labels)
                pictures.append(_picture(candidate, verdict, labels, place.spool.add(sample)))
            if progress:
                total = total or sum(map(wanted, _sources(reading)))  # only now, when other threads have work
                progress("reading", done, total)
    return Survey(reading, relabelled, tuple(pictures), seen, findings)


def _verdicts(
    reading: Reading, record: Record, wanted: Names, limits: ImageLimits
) -> Iterator[tuple[Candidate, Usable | Unusable]]:
    first, second = tee(_candidates(reading, record, wanted))
    return zip(first, examine_all((candidate.path for candidate in second), limits, record.root), strict=True)


def _sources(reading: Reading) -> Iterator[str]:
    return (found.source for found in reading.found() if isinstance(found, Candidate))


def _candidates(reading: Reading, record: Record, wanted: Names) -> Iterator[Candidate]:
    for found in reading.found():
        if isinstance(found, Remark):
            record.remark(found)
        elif wanted(found.source):
            yield found
        else:
            record.wished("not_selected", found.source)


def _sample(candidate: Candidate, verdict: Usable | Unusable, annotator: Annotator, record: Record) -> Sample | None:
    """None when the image is left out."""
    if isinstance(verdict, Unusable):
        record.found(verdict.code, record.shown_image(candidate), verdict.detail)
        return None
    for note in verdict.notes:
        record.found(note, record.shown_image(candidate))
    return annotator.sample(candidate, verdict)


def _picture(candidate: Candidate, image: Usable, labels: tuple[int, ...], place: int) -> Picture:
    return Picture(
        path=str(candidate.path),
        source=candidate.source,
        split=candidate.split,
        labels=labels,
        sha256=image.sha256,
        thumbnail=image.thumbnail,
        place=place,
    )
