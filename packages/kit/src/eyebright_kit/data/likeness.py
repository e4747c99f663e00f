"""Which images of a set are the same, or look alike, and what that does to its splits."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from eyebright_kit.data.fingerprint import near_pairs
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


def without_leaks(
    pictures: Sequence[Picture], found: Likeness, fixes: Sequence[Fix], record: Record
) -> tuple[Picture, ...]:
    """Without images that are also, or look like ones, in a split that examines more strictly: train gives way to val, and
    both give way to test."""
    like = _neighbours(found, fixes)
    strictest: dict[str, Picture] = {}
    for picture in pictures:
        strictest[picture.sha256] = max(strictest.get(picture.sha256, picture), picture, key=_strictness)
    kept: list[Picture] = []
    for picture in pictures:
        rivals = (strictest[content] for content in like(picture.sha256) if content in strictest)
        rival = max(rivals, key=_strictness, default=picture)
        if _strictness(rival) <= _strictness(picture):
            kept.append(picture)
        else:
            code = Fix.LEAKED_IMAGES if rival.sha256 == picture.sha256 else Fix.NEAR_LEAKS
            record.wished(code, picture.source, f"{'equal to' if code == Fix.LEAKED_IMAGES else 'like'} {rival.source}")
    return tuple(kept)


def _neighbours(found: Likeness, fixes: Sequence[Fix]) -> Callable[[str], Sequence[str]]:
    """The contents that an image must give way to, as far as that was asked for: itself elsewhere, and what looks like it."""
    like: dict[str, list[str]] = defaultdict(list)
    if Fix.NEAR_LEAKS in fixes:
        for one, other in found.pairs:
            like[one].append(other)
            like[other].append(one)
    own = Fix.LEAKED_IMAGES in fixes
    return lambda content: [content, *like[content]] if own else like[content]


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
    told: set[tuple[str, str]] = set()
    for one, other in found.pairs:
        for code, picture, like in _near(by_content.get(one, ()), by_content.get(other, ())):
            if (code, picture.source) not in told:
                told.add((code, picture.source))
                record.found(code, picture.source, f"like {like.source}")


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


def _near(ones: Sequence[Picture], others: Sequence[Picture]) -> Iterator[tuple[str, Picture, Picture]]:
    """A pair of contents as one finding: the leak if there is one."""
    for one in ones:
        for other in others:
            if one.split != other.split:
                yield "near_leaks", other, one
                return
    if ones and others:
        yield "near_duplicates", others[0], ones[0]
