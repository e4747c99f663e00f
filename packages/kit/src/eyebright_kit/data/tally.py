"""Count what the samples of a version hold, in one pass: the figures of the report and the evidence of readiness."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from eyebright_kit.data.geometry import visible
from eyebright_kit.data.manifest import Sample, shown_labels
from eyebright_wire.datasets import ImageSizes, SamplePicture, Split

_SHOWN = 12  # pictures that give an impression


@dataclass(slots=True)
class Tally:
    """`labelled` counts images of a class, `shown` images that show one in any way, `objects` the objects; by split and class.
    The others count objects of train by what is known of them."""

    images: Counter[Split] = field(default_factory=Counter[Split])
    labelled: Counter[tuple[Split, int | None]] = field(default_factory=Counter[tuple[Split, int | None]])
    shown: Counter[tuple[Split, int]] = field(default_factory=Counter[tuple[Split, int]])
    objects: Counter[tuple[Split, int]] = field(default_factory=Counter[tuple[Split, int]])
    outlined: Counter[Split] = field(default_factory=Counter[Split])
    with_keypoints: Counter[Split] = field(default_factory=Counter[Split])
    turned: Counter[Split] = field(default_factory=Counter[Split])
    masks: Counter[Split] = field(default_factory=Counter[Split])
    captions: int = 0
    size_bytes: int = 0
    widths: tuple[int, int] | None = None
    heights: tuple[int, int] | None = None
    longest_sides: tuple[int, int] | None = None
    examples: list[Sample] = field(default_factory=list[Sample])

    def add(self, sample: Sample) -> None:
        self.images[sample.split] += 1
        self.labelled[sample.split, sample.label] += 1
        self.size_bytes += sample.size_bytes
        self.captions += bool(sample.caption)
        self.widths = _stretched(self.widths, sample.width)
        self.heights = _stretched(self.heights, sample.height)
        self.longest_sides = _stretched(self.longest_sides, max(sample.width, sample.height))
        self._add_what_is_shown(sample)
        if self._is_rare(sample):
            self.examples.append(sample)

    def sizes(self) -> ImageSizes | None:
        if self.widths is None or self.heights is None:
            return None
        return ImageSizes(
            narrowest=self.widths[0], widest=self.widths[1], lowest=self.heights[0], highest=self.heights[1]
        )

    def pictures(self, classes: Sequence[str]) -> tuple[SamplePicture, ...]:
        return tuple(
            SamplePicture(
                source=sample.source,
                sha256=sample.sha256,
                split=sample.split,
                width=sample.width,
                height=sample.height,
                classes=tuple(classes[label] for label in shown_labels(sample)),
                caption=sample.caption,
            )
            for sample in self.examples
        )

    def _add_what_is_shown(self, sample: Sample) -> None:
        split = sample.split
        for instance in visible(sample.instances, sample.width, sample.height):
            self.objects[split, instance.label] += 1
            self.outlined[split] += bool(instance.polygons or instance.rle)
            self.with_keypoints[split] += bool(instance.keypoints)
            self.turned[split] += bool(instance.corners)
        if sample.mask is not None:
            self.masks[split] += 1
        for label in shown_labels(sample):
            self.shown[split, label] += 1

    def _is_rare(self, sample: Sample) -> bool:
        """Shows a class that no example shows yet, or is the first of its split: a dozen such give an impression of the set."""
        if len(self.examples) >= _SHOWN:
            return False
        known = {label for example in self.examples for label in shown_labels(example)}
        return bool(set(shown_labels(sample)) - known) or sample.split not in {
            example.split for example in self.examples
        }


def _stretched(ends: tuple[int, int] | None, value: int) -> tuple[int, int]:
    return (min(ends[0], value), max(ends[1], value)) if ends else (value, value)
