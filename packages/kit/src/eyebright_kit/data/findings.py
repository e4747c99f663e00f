"""Everything an inspection can find, by stable code, and the collector that counts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from eyebright_wire.datasets import Finding, Severity

EXAMPLES = 10
_LEFT_OUT = "left out of training"
_NOT_USED = "not used for training"  # whether the file blocks or is left out


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that can be found: `{n}` in the text stands for how often."""

    severity: Severity
    one: str
    many: str
    consequence: str
    alters: bool = False  # something of the data set does not come into the version, or comes into it as something else


_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
_WORST_FIRST = (_ERROR, _WARNING, _INFO)

#: No finding blocks by itself: what blocks is a condition (see readiness.py). An error says that there is such a condition.
CATALOGUE: Mapping[str, Kind] = MappingProxyType(
    {
        # Files that mean to be images and cannot be used: see BROKEN
        "not_an_image": Kind(
            _ERROR,
            "a file is named like an image but is none",
            "{n} files are named like images but are none",
            _NOT_USED,
            alters=True,
        ),
        "damaged_image": Kind(
            _ERROR, "an image is damaged or cut off", "{n} images are damaged or cut off", _NOT_USED, alters=True
        ),
        "empty_file": Kind(_ERROR, "an image file is empty", "{n} image files are empty", _NOT_USED, alters=True),
        "unsupported_image": Kind(
            _ERROR,
            "an image is in a format that is not supported",
            "{n} images are in formats that are not supported",
            f"{_NOT_USED}; convert to JPEG or PNG to use them",
            alters=True,
        ),
        "image_too_large": Kind(
            _ERROR,
            "an image has more pixels than is accepted",
            "{n} images have more pixels than is accepted",
            f"{_NOT_USED}; scale down or cut into tiles to use them",
            alters=True,
        ),
        "file_too_large": Kind(
            _ERROR,
            "an image file has more bytes than is accepted",
            "{n} image files have more bytes than is accepted",
            f"{_NOT_USED}; save with compression to use them",
            alters=True,
        ),
        "unreadable_file": Kind(
            _ERROR,
            "a file could not be read",
            "{n} files could not be read",
            f"{_NOT_USED}; check the permissions",
            alters=True,
        ),
        "outside_link": Kind(
            _ERROR,
            "a link leads out of the data set",
            "{n} links lead out of the data set",
            f"{_NOT_USED}; copy in what it leads to, as cp -RL does",
            alters=True,
        ),
        "broken_annotations": Kind(
            _ERROR,
            "an annotation cannot be understood",
            "{n} annotations cannot be understood",
            f"{_NOT_USED}, nor is the image that it describes",
            alters=True,
        ),
        "class_without_name": Kind(
            _ERROR,
            "an annotation is of a class that has no name",
            "{n} annotations are of classes that have no name",
            f"{_NOT_USED}, nor is the image; add the name to the list of classes",
            alters=True,
        ),
        "missing_image": Kind(
            _ERROR,
            "an image is listed but not there",
            "{n} images are listed but not there",
            f"{_NOT_USED}",
            alters=True,
        ),
        "broken_mask": Kind(
            _ERROR,
            "a mask does not fit its image or has values without a class",
            "{n} masks do not fit their images or have values without a class",
            f"{_NOT_USED}, nor is the image",
            alters=True,
        ),
        # Files that are not used
        "unlisted_image": Kind(
            _WARNING,
            "an image is described nowhere",
            "{n} images are described nowhere",
            f"{_LEFT_OUT}; list them, even without objects, to use them",
            alters=True,
        ),
        "orphan_annotations": Kind(
            _WARNING,
            "an annotation file belongs to no image",
            "{n} annotation files belong to no image",
            f"{_LEFT_OUT}; was the image lost?",
            alters=True,
        ),
        "unsupported_annotations": Kind(
            _WARNING,
            "there are annotations of a kind that is not read",
            "there are {n} annotation files or entries of kinds that are not read",
            _LEFT_OUT,
            alters=True,
        ),
        "special_file": Kind(
            _WARNING,
            "an entry is neither a file nor a folder, or a link that leads nowhere or in a circle",
            "{n} entries are neither files nor folders, or links that lead nowhere or in a circle",
            _LEFT_OUT,
            alters=True,
        ),
        "too_deep": Kind(
            _WARNING,
            "a folder is nested too deep to be read",
            "{n} folders are nested too deep to be read",
            _LEFT_OUT,
            alters=True,
        ),
        "image_without_class": Kind(
            _WARNING,
            "an image lies outside every class folder",
            "{n} images lie outside every class folder",
            f"{_LEFT_OUT}; move into a class folder to use them",
            alters=True,
        ),
        "image_without_split": Kind(
            _WARNING,
            "an image lies beside the split folders of its class",
            "{n} images lie beside the split folders of their class",
            f"{_LEFT_OUT}; move into train, val or test to use them",
            alters=True,
        ),
        "unknown_folder": Kind(
            _WARNING,
            "a folder beside the splits is no split",
            "{n} folders beside the splits are no splits",
            f"{_LEFT_OUT}, with everything in them; splits are called train, val or test",
            alters=True,
        ),
        "regularisation_images": Kind(
            _WARNING,
            "a folder holds images for regularisation",
            "{n} folders hold images for regularisation",
            f"{_LEFT_OUT}, with everything in them; move into a folder of another name to train on them",
            alters=True,
        ),
        "other_file": Kind(
            _INFO,
            "a file is no image and does not claim to be",
            "{n} files are no images and do not claim to be",
            "ignored",
        ),
        "system_file": Kind(
            _INFO,
            "a hidden file or folder, or one made by an operating system",
            "{n} hidden files or folders, or ones made by an operating system",
            "ignored",
        ),
        # Files that are used, but worth a look
        "nested_folder": Kind(
            _INFO,
            "a folder lies inside a class folder",
            "{n} folders lie inside class folders",
            "their images count for the class folder above",
        ),
        "repeated_folder": Kind(
            _INFO,
            "a folder inside a class folder was read already, through a link",
            "{n} folders inside class folders were read already, through links",
            "their images count once",
        ),
        "repeated_images": Kind(
            _INFO,
            "a folder asks by its name for its images to be repeated",
            "{n} folders ask by their names for their images to be repeated",
            "kept: who trains on the captions is told how often to show each image in an epoch",
        ),
        "extension_mismatch": Kind(
            _INFO,
            "an image is of another type than its name says",
            "{n} images are of other types than their names say",
            "used by their content; stored under their true type",
        ),
        "exif_orientation": Kind(
            _INFO,
            "an image is stored turned, with a note how to hold it",
            "{n} images are stored turned, with a note how to hold them",
            "used as they are to be held; boxes are of the turned image",
        ),
        "transparency": Kind(
            _INFO,
            "an image has transparent parts",
            "{n} images have transparent parts",
            "used; the colours behind the transparency become visible",
        ),
        "high_bit_depth": Kind(
            _INFO,
            "an image has more than 8 bits per channel",
            "{n} images have more than 8 bits per channel",
            "used, reduced to 8 bits; bright parts may be clipped",
        ),
        "cmyk": Kind(
            _INFO,
            "an image is in printing colours (CMYK)",
            "{n} images are in printing colours (CMYK)",
            "used, converted to RGB",
        ),
        "several_frames": Kind(
            _INFO,
            "an image has several frames or pages",
            "{n} images have several frames or pages",
            "the first one is used",
        ),
        # Annotations
        "box_without_area": Kind(
            _WARNING, "a box has no area", "{n} boxes have no area", "passed over in training; fix removes them"
        ),
        "box_outside": Kind(
            _WARNING,
            "a box lies outside its image",
            "{n} boxes lie outside their images",
            "passed over in training; fix removes them. Are these the sizes of the images that were annotated?",
        ),
        "box_out_of_range": Kind(
            _WARNING,
            "a box reaches over the edge of its image",
            "{n} boxes reach over the edges of their images",
            "used, cut to the image; fix cuts them for good",
        ),
        "keypoint_out_of_range": Kind(
            _WARNING,
            "an object has a visible keypoint outside its image",
            "{n} objects have visible keypoints outside their images",
            "used; these keypoints count as unknown",
        ),
        "duplicate_boxes": Kind(
            _WARNING,
            "an object is there twice",
            "{n} objects are there more than once",
            "used; they count more than others; fix leaves one",
        ),
        "tiny_objects": Kind(
            _INFO,
            "an object is smaller than 4 pixels when its image is scaled to 640",
            "{n} objects are smaller than 4 pixels when their images are scaled to 640",
            "used; train with a larger imgsz, or cut the images into tiles",
        ),
        "size_mismatch": Kind(
            _WARNING,
            "an image has another size than its annotations say",
            "{n} images have other sizes than their annotations say",
            "used; boxes and outlines may be off. Were the images scaled or turned after they were annotated?",
        ),
        "listed_twice": Kind(
            _INFO,
            "an image is listed more than once",
            "{n} images are listed more than once",
            "used once, with the annotations of all its entries",
        ),
        "more_captions": Kind(
            _INFO,
            "an image has several captions",
            "{n} images have several captions",
            "the first one is used",
            alters=True,
        ),
        "conflicting_categories": Kind(
            _WARNING,
            "a category has other numbers, names or keypoints in another place",
            "{n} categories have other numbers, names or keypoints in other places",
            "told apart by their names",
            alters=True,
        ),
        "details_left_behind": Kind(
            _INFO,
            "a file says more of the data set than is kept",
            "{n} files say more of the data set than is kept",
            "left behind: licences, where the images come from and groups of classes are no part of a version; keep the source",
            alters=True,
        ),
        "placeholder_class": Kind(
            _INFO,
            "a category only groups the others",
            "{n} categories only group the others",
            "no class: no annotation is of it",
            alters=True,
        ),
        "missing_annotations": Kind(
            _WARNING,
            "an image has no annotation file",
            "{n} images have no annotation file",
            "used as images without objects",
        ),
        "missing_mask": Kind(
            _WARNING, "an image has no mask", "{n} images have no mask", "passed over in segmentation"
        ),
        "missing_caption": Kind(
            _WARNING,
            "an image has no caption",
            "{n} images have no caption",
            "used with an empty caption or the trigger word",
        ),
        "long_caption": Kind(
            _WARNING,
            "a caption is longer than a text encoder reads (about 75 tokens)",
            "{n} captions are longer than a text encoder reads (about 75 tokens)",
            "used; what comes after is cut off",
        ),
        "ignored_entry": Kind(
            _INFO,
            "an entry in the description of the data set is not followed",
            "{n} entries in the description of the data set are not followed",
            "ignored; images are looked for in the data set and nowhere else",
        ),
        "contradiction": Kind(
            _WARNING,
            "the description of the data set contradicts itself",
            "the description of the data set contradicts itself in {n} places",
            "used: names go before their number, and an image is in one split only; was the wrong file shipped?",
            alters=True,
        ),
        "unnamed_classes": Kind(
            _INFO,
            "a class has no name, only a number",
            "{n} classes have no names, only numbers",
            "called by their numbers; rename them on import, or add a list of their names",
        ),
        "binary_masks": Kind(
            _INFO,
            "the masks hold two values only",
            "the masks hold two values only",
            "used as two classes, the second painted in the higher value; rename them on import",
        ),
        "repeated_class_name": Kind(
            _WARNING,
            "a class has the same name as another",
            "{n} classes have the same names as others",
            "they count as one class; rename them in the source if they are meant to be different",
            alters=True,
        ),
        "unused_class": Kind(
            _WARNING,
            "a class has a name but no example",
            "{n} classes have names but no examples",
            "the model has an answer that it never learns; drop the class on import",
        ),
        # The set as a whole
        "class_imbalance": Kind(
            _WARNING,
            "a class has less than a tenth of the training examples of the most frequent one",
            "{n} classes have less than a tenth of the training examples of the most frequent one",
            "used; expect worse results there. Add examples, or weigh the loss",
        ),
        "few_samples": Kind(
            _WARNING,
            "a class has fewer than 10 training examples",
            "{n} classes have fewer than 10 training examples",
            "used; expect little. Add examples",
        ),
        "few_images": Kind(
            _WARNING,
            "there are fewer than 5 captioned images to learn from",
            "there are fewer than 5 captioned images to learn from",
            "used; a model that draws repeats such images rather than what they have in common. Add some",
        ),
        "small_images": Kind(
            _INFO,
            "a captioned image has fewer pixels than 512 × 512",
            "{n} captioned images have fewer pixels than 512 × 512",
            "used; enlarged where a model draws larger pictures, which teaches blur",
        ),
        "mixed_sizes": Kind(
            _INFO,
            "the images differ more than fourfold in size",
            "the images differ more than fourfold in size",
            "used; all are scaled to imgsz, and small ones blur",
        ),
        "near_duplicates": Kind(
            _INFO,
            "an image looks like another of its split",
            "{n} images look like others of their split",
            "used; they count more than others",
        ),
        "near_leaks": Kind(
            _WARNING,
            "an image looks like one of another split",
            "{n} images look like ones of other splits",
            "used; figures on val and test will look better than they are",
        ),
        "duplicate_images": Kind(
            _INFO,
            "an image is byte for byte equal to another of its class and split",
            "{n} images are byte for byte equal to another of their class and split",
            "used; they count more than others",
        ),
        "leaked_images": Kind(
            _WARNING,
            "an image is in more than one split",
            "{n} images are in more than one split",
            "used; figures on val and test will look better than they are",
        ),
        "conflicting_labels": Kind(
            _WARNING,
            "an image is in more than one class",
            "{n} images are in more than one class",
            "used under each of them, which teaches a contradiction",
        ),
        "similar_class_names": Kind(
            _WARNING,
            "a class differs from another only in upper and lower case",
            "{n} classes differ from others only in upper and lower case",
            "trained as classes of their own; rename the folders if they are meant to be one",
        ),
        "class_without_val": Kind(
            _WARNING,
            "a class has no validation image",
            "{n} classes have no validation image",
            "trained, but nothing is known of how well",
        ),
        "split_made": Kind(
            _INFO,
            "no image was in a validation split, so one was held back for it",
            "no image was in a validation split, so {n} were held back for it",
            "chosen by content within each class, the same at every import",
        ),
    }
)

#: Files that mean to be images and cannot be used, with words for what one of them is. They block, unless whoever imports has
#: them left out: then they are warnings.
BROKEN: Mapping[str, str] = MappingProxyType(
    {
        "not_an_image": "is named like an image but is none",
        "damaged_image": "is damaged or cut off",
        "empty_file": "is empty",
        "unsupported_image": "is in a format that is not supported",
        "image_too_large": "has more pixels than is accepted",
        "file_too_large": "has more bytes than is accepted",
        "unreadable_file": "could not be read",
        "outside_link": "is a link out of the data set",
        "broken_annotations": "cannot be understood",
        "class_without_name": "is of a class that has no name",
        "missing_image": "is listed but not there",
        "broken_mask": "does not fit",
    }
)


@dataclass(slots=True)
class _Tally:
    kind: Kind
    count: int = 0
    examples: list[str] = field(default_factory=list[str])
    detail: str = ""  # of the first example


class Findings:
    """Counts what was found and keeps the first examples: memory does not grow with the damage."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def add(self, code: str, example: str, detail: str = "") -> None:
        """One more of `code`, which must be in the catalogue. `detail` says what is special about this one."""
        tally = self._tallies.setdefault(code, _Tally(CATALOGUE[code]))
        tally.count += 1
        if len(tally.examples) < EXAMPLES:
            tally.examples.append(example)
        if tally.count == 1:
            tally.detail = detail

    def count(self, code: str) -> int:
        return self._tallies[code].count if code in self._tallies else 0

    def first(self, code: str) -> str:
        """The first example, or an empty string."""
        return next(iter(self._tallies[code].examples), "") if code in self._tallies else ""

    def examples(self, code: str) -> Sequence[str]:
        return self._tallies[code].examples if code in self._tallies else ()

    def detail(self, code: str) -> str:
        """What is special about the first example, or an empty string."""
        return self._tallies[code].detail if code in self._tallies else ""

    def all(self, *, leave_out_broken: bool = False) -> tuple[Finding, ...]:
        """The worst first, then in the order of the catalogue. Broken files are errors, or warnings if they are left out."""
        found = [_finding(code, self._tallies[code], leave_out_broken) for code in CATALOGUE if code in self._tallies]
        return tuple(sorted(found, key=lambda finding: _WORST_FIRST.index(finding.severity)))


def _finding(code: str, tally: _Tally, leave_out_broken: bool) -> Finding:
    kind = tally.kind
    first = f"{tally.examples[0]}: {tally.detail}" if tally.detail else tally.examples[0]
    text = kind.one if tally.count == 1 else kind.many.format(n=f"{tally.count:,}")
    return Finding(
        code=code,
        severity=_WARNING if leave_out_broken and code in BROKEN else kind.severity,
        message=f"{text} ({'' if tally.count == 1 else 'first: '}{first})",
        count=tally.count,
        examples=tuple(tally.examples),
        consequence=kind.consequence,
    )
