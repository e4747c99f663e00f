"""Go through a data set once: every file is listed, read, hashed and decoded at most one time."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import tee
from pathlib import Path

from eyebright_kit.data.findings import Findings
from eyebright_kit.data.format import Candidate, Format, Reading, Remark, shown_path
from eyebright_kit.data.images import ImageLimits, Unusable, Usable, examine_all
from eyebright_wire.datasets import Sample, Split

#: What is being done ("unpacking", "reading"), how much of it is done, how much there is. What it raises ends the work.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Good:
    """An image that training can use, and where it lies."""

    path: Path
    source: str
    split: Split | None
    label: int | None
    image: Usable

    @property
    def sha256(self) -> str:
        return self.image.sha256

    def in_split(self, split: Split) -> "Good":
        return replace(self, split=split)

    def sample(self) -> Sample:
        """What the version keeps of it. Every image must have been given a split by now."""
        if self.split is None:
            raise ValueError(f"{self.source} has no split")
        return Sample(
            sha256=self.image.sha256,
            extension=self.image.extension,
            size_bytes=self.image.size_bytes,
            width=self.image.width,
            height=self.image.height,
            split=self.split,
            label=self.label,
            source=self.source,
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """What a folder holds. `seen` counts the files that lie where images belong, usable or not."""

    format: Format
    reading: Reading
    good: tuple[Good, ...]
    seen: Counter[tuple[Split | None, int | None]]
    findings: Findings


def survey(root: Path, form: Format, *, limits: ImageLimits | None = None, progress: Progress | None = None) -> Survey:
    """Read the folder as the format says."""
    reading, findings = form.read(root), Findings()
    total = sum(isinstance(found, Candidate) for found in reading.found()) if progress else 0
    seen: Counter[tuple[Split | None, int | None]] = Counter()
    good: list[Good] = []
    with warnings.catch_warnings():
        # Pillow warns of what it repairs in metadata; what matters of it is a finding. Only for its modules, as the filter is
        # the whole process's.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for done, (candidate, verdict) in enumerate(_verdicts(root, reading, findings, limits), 1):
            if _judge(candidate, verdict, root, findings, good):
                seen[candidate.split, candidate.label] += 1
            if progress:
                progress("reading", done, total)
    return Survey(form, reading, tuple(good), seen, findings)


def _verdicts(
    root: Path, reading: Reading, findings: Findings, limits: ImageLimits | None
) -> Iterator[tuple[Candidate, Usable | Unusable]]:
    first, second = tee(_candidates(root, reading, findings))
    return zip(first, examine_all((candidate.path for candidate in second), limits, root), strict=True)


def _candidates(root: Path, reading: Reading, findings: Findings) -> Iterator[Candidate]:
    for found in reading.found():
        if isinstance(found, Remark):
            findings.add(found.code, shown_path(found.path, root), found.detail)
        else:
            yield found


def _judge(candidate: Candidate, verdict: Usable | Unusable, root: Path, findings: Findings, good: list[Good]) -> bool:
    """Note what was found. False for a file that never was meant to be an image."""
    shown = shown_path(candidate.path, root)
    if isinstance(verdict, Unusable):
        findings.add(verdict.code, shown, verdict.detail)
        return verdict.code != "other_file"
    for note in verdict.notes:
        findings.add(note, shown)
    good.append(Good(candidate.path, candidate.source, candidate.split, candidate.label, verdict))
    return True
