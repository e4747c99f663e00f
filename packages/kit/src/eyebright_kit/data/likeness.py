"""Which images of a set are the same, or look alike, and what that does to its splits."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eyebright_kit.data.fingerprint import counterparts, near_pairs
from eyebright_kit.data.record import Record
from eyebright_kit.data.splitting import Groups
from eyebright_kit.data.survey import Picture
from eyebright_wire.datasets import Fix, Split

_TEACHES_LEAST = {Split.TRAIN: 0, Split.VAL: 1, Split.TEST: 2}


@dataclass(frozen=True, slots=True)
class Likeness:
    """`pairs` are contents that look alike; `groups` puts each of them to the others that it looks like, directly or not."""

    pairs: tuple[tuple[str, str], ...]
    groups: Groups


def likeness(pictures: Iterable[Picture]) -> Likeness:
    """Among the distinct contents of a set, in the order of their files' names: frames of a film are compared with their
    neighbours, in whatever split these lie, and the order of reading plays no part."""
    distinct = {picture.sha256: picture.thumbnail for picture in sorted(pictures, key=_by_name)}
    contents = list(distinct)
    pairs = tuple((contents[one], contents[other]) for one, other in near_pairs(list(distinct.values())))
    return Likeness(pairs, _groups(pairs))


def _by_name(picture: Picture) -> tuple[str, str, str]:
    return picture.source.rpartition("/")[2], picture.source, picture.sha256


def _groups(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Union-find: each content under the smallest one that it is connected with, so that the order of reading plays no part."""
    above: dict[str, str] = {}

    def top(content: str) -> str:
        while (parent := above.setdefault(content, content)) != content:
            above[content] = above[parent]
            content = parent
        return content

    for one, other in pairs:
        first, second = sorted((top(one), top(other)))
        above[second] = first
    return {content: top(content) for content in list(above)}


def without_repetitions(pictures: Sequence[Picture], record: Record) -> tuple[Picture, ...]:
    """The first of each set of equal images that show the same classes in the same split; the others are on record."""
    kept: dict[tuple[object, ...], Picture] = {}
    for picture in pictures:
        first = kept.setdefault((picture.sha256, picture.split, picture.labels), picture)
        if first is not picture:
            record.wished(Fix.DUPLICATE_IMAGES, picture.source, f"equal to {first.source}")
    return tuple(kept.values())


def without_leaks(pictures: Sequence[Picture], fixes: Sequence[Fix], record: Record) -> tuple[Picture, ...]:
    """Without images that are also, or look like ones, in a split that examines more strictly: train gives way to val, and
    both give way to test."""
    strictest: dict[str, Picture] = {}
    for picture in pictures if Fix.LEAKED_IMAGES in fixes else ():
        strictest[picture.sha256] = max(strictest.get(picture.sha256, picture), picture, key=_strictness)
    like = _stricter(pictures) if Fix.NEAR_LEAKS in fixes else {}
    kept: list[Picture] = []
    for picture in pictures:
        equal, near = strictest.get(picture.sha256, picture), like.get((picture.sha256, picture.split))
        if _strictness(equal) > _strictness(picture):
            record.wished(Fix.LEAKED_IMAGES, picture.source, f"equal to {equal.source}")
        elif near:
            record.wished(Fix.NEAR_LEAKS, picture.source, f"like {near.source}")
        else:
            kept.append(picture)
    return tuple(kept)


def _stricter(pictures: Iterable[Picture]) -> dict[tuple[str, Split | None], Picture]:
    """By content and split, for all that look like another content in a split that examines more strictly: one such image.
    What looks like it only by way of a third has nothing to fear, or half a film would go."""
    looks: dict[bytes, list[Picture]] = defaultdict(list)
    for picture in sorted(pictures, key=_by_name):
        if picture.thumbnail:
            looks[picture.thumbnail].append(picture)
    thumbnails = list(looks)
    found: dict[tuple[str, Split | None], Picture] = {}
    for split in (Split.TRAIN, Split.VAL):
        examining = {
            place: list(
                {each.sha256: each for each in looks[look] if _strictness(each) > _TEACHES_LEAST[split]}.values()
            )
            for place, look in enumerate(thumbnails)
        }
        here = [place for place, look in enumerate(thumbnails) if any(each.split == split for each in looks[look])]
        near = counterparts(thumbnails, here, [place for place, rivals in examining.items() if rivals])
        for place in here:
            rivals = examining[place] + examining.get(near.get(place, place), [])
            for picture in looks[thumbnails[place]]:
                rival = next((each for each in rivals if each.sha256 != picture.sha256), None)
                if rival and picture.split == split:
                    found[picture.sha256, split] = rival
    return found


def _strictness(picture: Picture) -> int:
    return _TEACHES_LEAST[picture.split or Split.TRAIN]


def note_likeness(pictures: Sequence[Picture], found: Likeness, record: Record) -> None:
    """Findings about equal images and ones that look alike, under the final splits."""
    by_content: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_content[picture.sha256].append(picture)
    for first, *others in by_content.values():
        if others:
            _note_equal(first, others, record)
    leaks = _stricter(pictures)
    for picture in pictures:
        if like := leaks.get((picture.sha256, picture.split)):
            record.found("near_leaks", picture.source, f"like {like.source}")
    told: set[str] = set()
    for one, other in found.pairs:
        ones, others = by_content.get(one), by_content.get(other)
        if ones and others and len({each.split for each in (*ones, *others)}) == 1 and others[0].source not in told:
            told.add(others[0].source)
            record.found("near_duplicates", others[0].source, f"like {ones[0].source}")


def _note_equal(first: Picture, others: Sequence[Picture], record: Record) -> None:
    """A group of equal images counts once as a leak and once as a conflict, but each repetition counts as a duplicate."""
    if elsewhere := next((other for other in others if other.split != first.split), None):
        record.found("leaked_images", first.source, f"also {elsewhere.source} in {elsewhere.split}")
    if contradiction := next((other for other in others if other.labels != first.labels), None):
        record.found("conflicting_labels", first.source, f"also {contradiction.source}")
    places = {(first.split, first.labels)}
    for other in others:
        if (other.split, other.labels) in places:
            record.found("duplicate_images", other.source, f"equal to {first.source}")
        places.add((other.split, other.labels))
