"""Put an image and what its annotations say together as the sample that a version keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from eyebright_kit.data.annotations import Instance, Mask, renumbered
from eyebright_kit.data.boxes import Verdict, judged
from eyebright_kit.data.caption import caption_of
from eyebright_kit.data.documents import Unreadable
from eyebright_kit.data.findings import BROKEN
from eyebright_kit.data.format import Annotations, Candidate, MaskFile, Reading
from eyebright_kit.data.images import ImageLimits, Usable
from eyebright_kit.data.manifest import Sample
from eyebright_kit.data.masks import painted
from eyebright_kit.data.record import Record
from eyebright_kit.data.relabel import Relabelling
from eyebright_kit.data.workplace import Workplace
from eyebright_wire.datasets import DatasetPlan, Fix, Split

#: CLIP reads 77 tokens, two of which are marks; an English word has about 1.3.
_LONGEST_CAPTION_WORDS = 57


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an image may cost, and what is to become of what is found."""

    limits: ImageLimits
    plan: DatasetPlan


class _LeftOut(Exception):
    """The image is not used; why is on record."""


class _Broken(_LeftOut):
    """Because of what is said of it somewhere else: a finding."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Annotator:
    def __init__(
        self, reading: Reading, relabelling: Relabelling, place: Workplace, wishes: Wishes, record: Record
    ) -> None:
        self._reading = reading
        self._relabelling = relabelling
        self._place = place
        self._wishes = wishes
        self._record = record

    def sample(self, candidate: Candidate, image: Usable) -> Sample | None:
        """None when the image is left out; why is on record then."""
        try:
            return self._sample(candidate, image)
        except _Broken as broken:  # what is wrong stands in an annotation file; the image goes with it
            self._record.wished("image_left_out", candidate.source, broken.code)
            return None
        except _LeftOut:
            return None

    def _sample(self, candidate: Candidate, image: Usable) -> Sample:
        annotations = self._read(candidate, image)
        sample = Sample(
            sha256=image.sha256,
            extension=image.extension,
            size_bytes=image.size_bytes,
            width=image.width,
            height=image.height,
            split=candidate.split or Split.TRAIN,  # until the splits are made
            label=self._label(candidate),
            source=candidate.source,
            instances=self._instances(candidate, image, annotations),
            mask=self._mask(annotations.mask, candidate, image) if annotations.mask else None,
            caption=self._caption(candidate, annotations),
            repeats=annotations.repeats,
        )
        if self._wishes.plan.only_annotated and not _shows_something(sample):
            self._leave_out("not_annotated", candidate.source)
        return sample

    def _leave_out(self, code: str, source: str, detail: str = "") -> None:
        self._record.wished(code, source, detail)
        raise _LeftOut

    def _read(self, candidate: Candidate, image: Usable) -> Annotations:
        if candidate.annotate is None:
            return Annotations()
        try:
            annotations = candidate.annotate(image.width, image.height)
        except Unreadable as error:
            self._record.unreadable(error)
            raise _Broken(error.code) from None
        for remark in annotations.remarks:
            self._record.remark(remark)
        # An image with half of its objects would teach that the others are none.
        if broken := next((remark.code for remark in annotations.remarks if remark.code in BROKEN), None):
            raise _Broken(broken)
        return annotations

    def _label(self, candidate: Candidate) -> int | None:
        if candidate.label is None:
            return None
        if candidate.label not in self._relabelling.labels:
            self._leave_out("class_dropped", candidate.source, self._reading.classes[candidate.label])
        return self._relabelling.labels[candidate.label]

    # Objects

    def _instances(self, candidate: Candidate, image: Usable, annotations: Annotations) -> tuple[Instance, ...]:
        if not annotations.instances:
            return ()
        classes, fixes = len(self._reading.classes), self._wishes.plan.fix
        kept, verdicts = judged(annotations.instances, image.width, image.height, classes, fixes)
        self._tell(verdicts, candidate, annotations)
        if broken := next((verdict.code for verdict in verdicts if verdict.code in BROKEN), None):
            raise _Broken(broken)
        return self._planned(kept, candidate)

    def _tell(self, verdicts: Sequence[Verdict], candidate: Candidate, annotations: Annotations) -> None:
        for verdict in verdicts:
            instance = annotations.instances[verdict.place]
            detail = _shown_box(instance) if verdict.code != "class_without_name" else f"class {instance.label}"
            where = self._where(verdict.place, candidate, annotations)
            (self._record.wished if verdict.mended else self._record.found)(verdict.code, where, detail)

    def _where(self, place: int, candidate: Candidate, annotations: Annotations) -> str:
        if annotations.file is None:
            return self._record.shown_image(candidate)
        mark = annotations.marks[place] if annotations.marks else f"object {place + 1} of {candidate.source}"
        return self._record.shown(annotations.file, mark)

    def _planned(self, instances: Sequence[Instance], candidate: Candidate) -> tuple[Instance, ...]:
        """Without what the plan drops, under the new class numbers."""
        plan = self._wishes.plan
        if self._relabelling.identical and not plan.min_box_pixels:
            return tuple(instances)
        kept: list[Instance] = []
        for instance in instances:
            renamed = renumbered(instance, self._relabelling.labels)
            if renamed is None:
                self._record.wished("class_dropped", candidate.source, self._reading.classes[instance.label])
            elif min(instance.box[2:]) < plan.min_box_pixels:
                self._record.wished("small_box_dropped", candidate.source, _shown_box(instance))
            else:
                kept.append(renamed)
        return tuple(kept)

    # Mask and caption

    def _mask(self, file: MaskFile, candidate: Candidate, image: Usable) -> Mask:
        labels, limits = self._relabelling.labels, self._wishes.limits
        made = painted(file, (image.width, image.height), labels, limits, self._record.root)
        if isinstance(made, str):
            self._record.found("broken_mask", self._record.shown(file.path), made)
            raise _Broken("broken_mask")
        for label in made.dropped:
            self._record.wished("class_dropped", candidate.source, self._reading.classes[label])
        self._place.mask(made.mask.sha256).write_bytes(made.content)
        return made.mask

    def _caption(self, candidate: Candidate, annotations: Annotations) -> str | None:
        if annotations.caption is None:
            return None
        caption = caption_of(annotations.caption)
        if not caption and Fix.MISSING_CAPTION in self._wishes.plan.fix:
            self._leave_out("missing_caption", candidate.source)
        if not caption:
            self._record.found("missing_caption", candidate.source)
        if len(caption.split()) > _LONGEST_CAPTION_WORDS:
            self._record.found("long_caption", candidate.source, f"{len(caption.split())} words")
        return caption


def with_split(sample: Sample, split: Split) -> Sample:
    return sample if sample.split == split else replace(sample, split=split)


def _shows_something(sample: Sample) -> bool:
    return sample.label is not None or bool(sample.instances) or (sample.mask is not None and bool(sample.mask.classes))


def _shown_box(instance: Instance) -> str:
    left, top, wide, high = instance.box
    return f"{wide:g}×{high:g} at ({left:g}, {top:g})"
