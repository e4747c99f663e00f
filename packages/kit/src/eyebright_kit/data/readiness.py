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
from typing import TypeAlias

from eyebright_kit.data.findings import BROKEN, Findings
from eyebright_kit.data.format import Reading
from eyebright_kit.data.tally import Tally
from eyebright_wire.datasets import DatasetPlan, Readiness, Split

_NAMED = 5  # how many classes a message lists by name
#: Findings that are each about a file; the others may be about several places in one.
_FILES = BROKEN.keys() - {"broken_annotations", "class_without_name", "missing_image", "broken_mask"}
_CAPTIONS = "a caption for each image: a text beside it (1.txt beside 1.jpg) or a captions.jsonl"
_OTHER_SPLIT = "change the split"
_COPY = "; to use what it leads to, copy that in (cp -RL copies a folder with what its links lead to)"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the conditions are judged by: what the source provides for, what was wished, and what the version would hold."""

    reading: Reading
    layout: str
    classes: tuple[str, ...]
    seen: Counter[tuple[Split | None, int | None]]
    tally: Tally
    findings: Findings
    plan: DatasetPlan
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
        planned = evidence.plan.splits
        todo = _OTHER_SPLIT if planned else "add a val split, or more images to hold some back from"
        yield f"there is no image to validate on; {todo}"


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
    if evidence.reading.classes and not evidence.classes:
        return "the plan drops every class; keep two or more"
    if files:
        what = (
            "the only file where an image belongs cannot"
            if files == 1
            else f"none of the {files:,} files where images belong can"
        )
        return f"{what} be used; {_told(evidence)}"
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
    if evidence.plan.splits or not (splits or files):
        return f"{_elsewhere(evidence.tally.images)}; training needs images there; {_OTHER_SPLIT}"
    if files and not _has_broken(evidence):
        return f"of the {files:,} images to train on none is left: the plan leaves them all out, as the list of changes tells"
    if Split.TRAIN in splits or files:
        train = splits.get(Split.TRAIN, "train")
        empty = "it could not be read" if _is_unreadable(evidence, train) else "it is empty"
        why = f"none of its {files:,} files can be used, {_told(evidence)}" if files else empty
        return f"{train} has no usable image: {why}; training needs images there"
    found = _listed([splits[split] for split in Split if split in splits]) or "no split"
    return f"there is {found} but no train/; add one, or put the class folders side by side without splits"


def _elsewhere(images: Counter[Split]) -> str:
    what = "the only image is" if images.total() == 1 else f"all {images.total():,} images are"
    return f"{what} in {_listed([split for split in Split if images[split]])} and none is in train"


def _has_broken(evidence: Evidence) -> bool:
    return any(evidence.findings.count(code) for code in BROKEN)


def _told(evidence: Evidence) -> str:
    """Where it is told why files are not used."""
    if not _has_broken(evidence):
        return "the plan leaves them out, as the list of changes tells"
    planned = evidence.plan != DatasetPlan()
    return "the findings and the list of changes say why" if planned else "the findings say why"


def _is_unreadable(evidence: Evidence, folder: str) -> bool:
    """As far as the findings name what is."""
    unreadable = evidence.findings.examples("unreadable_file")
    return any(f"{folder.rstrip('/')}/".startswith(f"{path}/") for path in unreadable)


def _too_few_classes(evidence: Evidence) -> Iterator[str]:
    classes, noun = evidence.classes, evidence.reading.class_noun
    if len(classes) < 2:
        where = evidence.reading.splits.get(Split.TRAIN, "the data set")
        where = where if not where.startswith("*/") else "the data set"
        planned = evidence.plan.drop or evidence.plan.rename
        found = f"the plan leaves {len(classes)} class" if planned else f"{where} has {len(classes)} {noun}"
        layout = f": {evidence.layout}" if evidence.reading.places and not planned else ""
        yield f"{found} ({', '.join(classes)}); classification needs 2 or more{layout}"


def _classes_without_images(evidence: Evidence) -> Iterator[str]:
    """One sentence for each way in which classes can lack training images."""
    lacking: dict[_Sentence, list[int]] = {}
    for label in range(len(evidence.classes)):
        if not evidence.tally.labelled[Split.TRAIN, label]:
            lacking.setdefault(_way(evidence, label), []).append(label)
    for sentence in (_empty, _unreadable, _unused, _unplaced, _split_away, _without_images):
        if labels := lacking.get(sentence):
            yield sentence(evidence, labels)


_Sentence: TypeAlias = Callable[[Evidence, Sequence[int]], str]


def _way(evidence: Evidence, label: int) -> _Sentence:
    """How the class came to lack training images."""
    place, others = _place(evidence, label), _other_images(evidence, [label])
    if others and evidence.plan.splits:
        return _split_away
    if _files(evidence, label):
        return _unused
    if place:
        return _unreadable if _is_unreadable(evidence, place) else _empty
    if any(known == label for _, known in evidence.reading.places):
        return _unplaced
    return _split_away if others else _without_images


def _empty(evidence: Evidence, labels: Sequence[int]) -> str:
    return f"{_places(evidence, labels)} {_is(labels)} empty; add images, or remove the {_folders(labels)}"


def _unreadable(evidence: Evidence, labels: Sequence[int]) -> str:
    return f"{_places(evidence, labels)} could not be read; check the permissions, or remove the {_folders(labels)}"


def _unused(evidence: Evidence, labels: Sequence[int]) -> str:
    places = _places(evidence, labels)
    return f"no file in {places} can be used; {_told(evidence)}; add images, or remove the {_folders(labels)}"


def _unplaced(evidence: Evidence, labels: Sequence[int]) -> str:
    train = evidence.reading.splits.get(Split.TRAIN, "train/")
    todo = f"add training images, or remove the {_folders(labels)}"
    return f"{_names(evidence, labels)} {_has(labels)} no folder in {train} but one in another split; {todo}"


def _split_away(evidence: Evidence, labels: Sequence[int]) -> str:
    count = _other_images(evidence, labels)
    images = "1 image" if count == 1 else f"{count:,} images"
    return f"{_names(evidence, labels)} {_has(labels)} {images}, but none in train; {_OTHER_SPLIT}"


def _without_images(evidence: Evidence, labels: Sequence[int]) -> str:
    return f"{_names(evidence, labels)} {_has(labels)} no images; add some, or drop the {_classes(labels)}"


def _no_validation_image(evidence: Evidence) -> Iterator[str]:
    if evidence.images(Split.VAL):
        return
    if evidence.plan.splits and evidence.plan.splits.shares:
        yield f"the plan leaves no image to validate on; {_OTHER_SPLIT}"
    else:
        yield (
            "no image can be held back for validation, because no class has two different ones; "
            "add images, or a val/ folder beside train/"
        )


def _files(evidence: Evidence, label: int) -> int:
    return evidence.seen[Split.TRAIN, label] + evidence.seen[None, label]


def _other_images(evidence: Evidence, labels: Sequence[int]) -> int:
    """How many of these classes are in the version, but not to train on."""
    return sum(evidence.tally.labelled[split, label] for split in (Split.VAL, Split.TEST) for label in labels)


def _place(evidence: Evidence, label: int) -> str:
    places = evidence.reading.places
    return places.get((Split.TRAIN, label)) or places.get((None, label), "")


def _places(evidence: Evidence, labels: Sequence[int]) -> str:
    return _listed([_place(evidence, label) or evidence.classes[label] for label in labels])


def _names(evidence: Evidence, labels: Sequence[int]) -> str:
    return _listed([evidence.classes[label] for label in labels])


def _listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, c, d, e and 7 more`."""
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _is(labels: Sequence[int]) -> str:
    return "is" if len(labels) == 1 else "are"


def _folders(labels: Sequence[int]) -> str:
    return "folder" if len(labels) == 1 else "folders"


def _has(labels: Sequence[int]) -> str:
    return "has" if len(labels) == 1 else "have"


def _classes(labels: Sequence[int]) -> str:
    return "class" if len(labels) == 1 else "classes"
