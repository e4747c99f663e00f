"""Can a data set teach a task? If not, exactly what is missing.

What blocks is what would make training impossible or its result meaningless: no image, fewer than two classes, a class without
one usable training image (the model would carry an answer that it never learnt), nothing to train or validate on. And, so that
nobody trains on less than they think, a file that means to be an image and cannot be used, unless such files are left out
expressly. Everything else is a finding, which the report lists.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from eyebright_kit.data.findings import BROKEN, Findings
from eyebright_kit.data.format import Reading
from eyebright_kit.data.tally import Tally
from eyebright_wire.datasets import Readiness, Split

_NAMED = 5  # how many classes a message lists by name
#: Findings that are each about a file; the others may be about several places in one.
_FILES = BROKEN.keys() - {"broken_annotations", "class_without_name", "missing_image", "broken_mask"}
_CAPTIONS = "a caption for each image: a text beside it (1.txt beside 1.jpg) or a captions.jsonl"
_COPY = "; to use what it leads to, copy that in (cp -RL copies a folder with what its links lead to)"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the conditions are judged by: what the source provides for, and what the version would hold."""

    reading: Reading
    layout: str
    classes: tuple[str, ...]
    seen: Counter[tuple[Split | None, int | None]]
    tally: Tally
    findings: Findings
    leave_out_broken: bool = False

    def images(self, split: Split) -> int:
        return self.tally.images[split]


def readiness(task: str, evidence: Evidence) -> Readiness:
    """The verdict for a task that the format serves."""
    conditions = CONDITIONS.get(task)
    if not conditions:
        return Readiness(task=task, ready=False, missing=(f"this version does not know what {task} needs",))
    # Without a single usable image the broken ones cannot be left out of anything, so that way out must not be offered.
    missing = (*_broken_files(evidence), *conditions(evidence)) if evidence.tally.images else (_no_image(evidence),)
    return Readiness(task=task, ready=not missing, missing=missing)


def _broken_files(evidence: Evidence) -> Iterator[str]:
    """One sentence for all of them."""
    findings = evidence.findings
    found = {code: findings.count(code) for code in BROKEN if findings.count(code)}
    if found and not evidence.leave_out_broken:
        first, others = next(iter(found)), sum(found.values()) - 1
        detail = f": {findings.detail(first)}" if findings.detail(first) else ""
        things = "files" if found.keys() <= _FILES else "files or annotations"
        more = (
            f" (and {others:,} more {things[:-1] if others == 1 and things == 'files' else things} cannot be used)"
            if others
            else ""
        )
        todo = (
            f"remove or replace {'them' if others else 'it'}, or import again leaving such files out (leave_out_broken)"
        )
        yield f"{findings.first(first)} {BROKEN[first]}{detail}{more}; {todo}{_COPY if first == 'outside_link' else ''}"


def _classification(evidence: Evidence) -> Iterator[str]:
    """What a classifier needs of a set that has images."""
    if not any(label is not None for _, label in evidence.tally.labelled):
        own = " of its own" if evidence.classes else ""
        alone = not evidence.classes and not evidence.tally.captions
        yield (
            f"no image has a class{own}; classification needs one folder per class, such as cats/1.jpg and dogs/1.jpg"
            + (f"; text to image needs no class, but {_CAPTIONS}" if alone else "")
        )
    elif not evidence.images(Split.TRAIN):
        yield _no_training_image(evidence)
    else:
        yield from _too_few_classes(evidence)
        yield from _classes_without_images(evidence)
        yield from _no_validation_image(evidence)


def _detection(evidence: Evidence) -> Iterator[str]:
    """What a detector needs: objects to learn from, and objects to be examined by."""
    yield from _images_to_train_and_validate(evidence)
    yield from _of_objects(evidence, "object", "box", _objects(evidence))


def _instance_segmentation(evidence: Evidence) -> Iterator[str]:
    yield from _images_to_train_and_validate(evidence)
    yield from _of_objects(evidence, "object", "outline", evidence.tally.outlined)


def _keypoint_detection(evidence: Evidence) -> Iterator[str]:
    yield from _images_to_train_and_validate(evidence)
    yield from _of_objects(evidence, "object", "keypoints", evidence.tally.with_keypoints)


def _oriented_detection(evidence: Evidence) -> Iterator[str]:
    yield from _images_to_train_and_validate(evidence)
    yield from _of_objects(evidence, "object", "turned box", evidence.tally.turned)


def _semantic_segmentation(evidence: Evidence) -> Iterator[str]:
    yield from _images_to_train_and_validate(evidence)
    yield from _of_objects(evidence, "image", "mask", evidence.tally.masks)
    if len(evidence.classes) < 2:
        found = f"{len(evidence.classes)} class ({', '.join(evidence.classes)})" if evidence.classes else "no class"
        yield f"the data set has {found}; semantic segmentation needs 2 or more, of which one may be the background"


def _text_to_image(evidence: Evidence) -> Iterator[str]:
    """Images alone suffice: what has no caption is called by the trigger word. Where classes are told and no caption is, these
    images were meant to teach something else."""
    if not evidence.images(Split.TRAIN):
        yield _no_training_image(evidence)
    elif evidence.classes and not evidence.tally.captions:
        yield f"no image has a caption; text to image needs {_CAPTIONS}"


CONDITIONS: Mapping[str, Callable[[Evidence], Iterator[str]]] = MappingProxyType(
    {
        "classification": _classification,
        "detection": _detection,
        "instance_segmentation": _instance_segmentation,
        "semantic_segmentation": _semantic_segmentation,
        "keypoint_detection": _keypoint_detection,
        "oriented_detection": _oriented_detection,
        "text_to_image": _text_to_image,
    }
)

#: Every task that a data set can be judged for.
TASKS = tuple(CONDITIONS)


def _objects(evidence: Evidence) -> Counter[Split]:
    found: Counter[Split] = Counter()
    for (split, _), count in evidence.tally.objects.items():
        found[split] += count
    return found


def _images_to_train_and_validate(evidence: Evidence) -> Iterator[str]:
    if not evidence.images(Split.TRAIN):
        yield _no_training_image(evidence)
    elif not evidence.images(Split.VAL):
        yield "there is no image to validate on; add a val split, or more images to hold some back from"


def _of_objects(evidence: Evidence, thing: str, what: str, counts: Counter[Split]) -> Iterator[str]:
    """At least one to learn from and one to be examined by."""
    has = f"has {what}" if what == "keypoints" else f"has {'an' if what[0] in 'aeiou' else 'a'} {what}"
    if not counts.total():
        yield f"no {thing} {has}"
    else:
        for split, use in ((Split.TRAIN, "learn from"), (Split.VAL, "validate on")):
            if evidence.images(split) and not counts[split]:
                yield f"no {thing} in {split} {has}, so there is nothing to {use}"


def _no_image(evidence: Evidence) -> str:
    files = sum(evidence.seen.values())
    if files:
        what = (
            "the only file where an image belongs cannot"
            if files == 1
            else f"none of the {files:,} files where images belong can"
        )
        return f"{what} be used; the findings say why"
    if evidence.findings.count("outside_link"):
        first, detail = evidence.findings.first("outside_link"), evidence.findings.detail("outside_link")
        return f"{first} is a link out of the data set: {detail}{_COPY}"
    if loose := evidence.findings.count("image_without_class"):
        first = evidence.findings.first("image_without_class")
        found = f"the only image ({first}) lies" if loose == 1 else f"all {loose:,} images (such as {first}) lie"
        return f"{found} outside any class folder; expected {evidence.layout}"
    return f"no image was found; expected {evidence.layout}"


def _no_training_image(evidence: Evidence) -> str:
    splits = evidence.reading.splits
    files = sum(count for (split, _), count in evidence.seen.items() if split == Split.TRAIN)
    broken = any(evidence.findings.count(code) for code in BROKEN)
    if files and not broken:
        return f"of the {files:,} images to train on none is left: the plan leaves them all out, as the list of changes tells"
    if Split.TRAIN in splits:
        why = f"none of its {files:,} files can be used, the findings say why" if files else "it is empty"
        return f"{splits[Split.TRAIN]} has no usable image: {why}; training needs images there"
    found = _listed([splits[split] for split in Split if split in splits]) or "no split"
    return f"there is {found} but no train/; add one, or put the class folders side by side without splits"


def _too_few_classes(evidence: Evidence) -> Iterator[str]:
    classes, noun = evidence.classes, evidence.reading.class_noun
    if len(classes) < 2:
        where = evidence.reading.splits.get(Split.TRAIN, "the data set")
        where = where if not where.startswith("*/") else "the data set"
        alone = len(classes) == 1 and not evidence.reading.splits
        yield (
            f"{where} has {len(classes)} {noun} ({', '.join(classes)}); classification needs 2 or more"
            + (f"; text to image needs no class, but {_CAPTIONS}" if alone else "")
        )


def _classes_without_images(evidence: Evidence) -> Iterator[str]:
    """One sentence for each way in which classes can lack training images."""
    lacking = [label for label in range(len(evidence.classes)) if not evidence.tally.labelled[Split.TRAIN, label]]
    empty = [label for label in lacking if _place(evidence, label) and not _files(evidence, label)]
    spoilt = [label for label in lacking if _files(evidence, label)]
    absent = [label for label in lacking if label not in empty and label not in spoilt]
    if empty:
        places = [_place(evidence, label) for label in empty]
        yield f"{_listed(places)} {_is(empty)} empty; add images, or remove the {_folders(empty)}"
    if spoilt:
        places = [_place(evidence, label) for label in spoilt]
        yield f"no file in {_listed(places)} can be used; the findings say why; add images, or remove the {_folders(spoilt)}"
    if absent:
        names = [evidence.classes[label] for label in absent]
        train = evidence.reading.splits.get(Split.TRAIN, "train/")
        verb = "has" if len(absent) == 1 else "have"
        todo = f"add training images, or remove the {_folders(absent)}"
        yield f"{_listed(names)} {verb} no folder in {train} but one in another split; {todo}"


def _no_validation_image(evidence: Evidence) -> Iterator[str]:
    if not evidence.images(Split.VAL):
        yield (
            "no image can be held back for validation, because no class has two different ones; "
            "add images, or a val/ folder beside train/"
        )


def _files(evidence: Evidence, label: int) -> int:
    return evidence.seen[Split.TRAIN, label] + evidence.seen[None, label]


def _place(evidence: Evidence, label: int) -> str:
    places = evidence.reading.places
    return places.get((Split.TRAIN, label)) or places.get((None, label), "")


def _listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, c, d, e and 7 more`."""
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _is(labels: Sequence[int]) -> str:
    return "is" if len(labels) == 1 else "are"


def _folders(labels: Sequence[int]) -> str:
    return "folder" if len(labels) == 1 else "folders"
