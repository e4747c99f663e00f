"""Find images that look alike though their bytes differ: `thumbnail_of(image)` for each, `near_pairs(thumbnails)` at the end.

The method is the difference hash: of a thumbnail of 9×9 grey values, whether each is brighter than its neighbour to the right and
below, 128 bits in all. Copies that were scaled, recompressed or slightly changed in brightness differ in a few bits. Candidates
must then have about the same thumbnails, so that what merely has the same composition is no duplicate.
Source: N. Krawetz, "Kind of Like That", hackerfactor.com 2013.
"""

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from operator import sub

from PIL import Image

SIDE = 9
#: Bits of 128 that may differ, and grey values of 255 that a thumbnail may differ on average.
MAX_BITS = 4
MAX_MEAN_DIFFERENCE = 4.0
#: A picture without any contrast looks like every other one of its colour; that says nothing.
_LEAST_CONTRAST = 12
_BANDS = MAX_BITS + 1  # by the pigeonhole principle two such hashes agree in one of the bands
_BAND_BITS = -(-128 // _BANDS)
_KEPT = 8  # of those that an image looks like
_COMPARED = 64  # per band and image: a thousand frames of one scene must not be compared with each other
_EXAMINED = 256  # likewise, on either side, where the search ends at the first that is alike


def thumbnail_of(image: Image.Image) -> bytes:
    """81 grey values; empty for a picture without contrast."""
    grey = image if image.mode == "L" else _in_colours(image).convert("L")
    low, high = (small := grey.resize((SIDE, SIDE), Image.Resampling.BOX)).getextrema()
    return small.tobytes() if float(str(high)) - float(str(low)) >= _LEAST_CONTRAST else b""


def _in_colours(image: Image.Image) -> Image.Image:
    """Not every kind of picture can become grey at once."""
    return image if image.mode == "RGB" else image.convert("RGB")


def hash_of(thumbnail: bytes) -> int:
    """128 bits: brighter than the right neighbour, then brighter than the one below."""
    bits = 0
    for row in range(SIDE - 1):
        for place in range(row * SIDE, row * SIDE + SIDE - 1):
            grey = thumbnail[place]
            bits = bits << 2 | (grey > thumbnail[place + 1]) << 1 | (grey > thumbnail[place + SIDE])
    return bits


def near_pairs(thumbnails: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Pairs of places (earlier, later) of thumbnails that look alike, each once: for each the nearest before it, a few at most.

    That suffices to find every group of them, and memory grows with their number, not with its square.
    """
    hashes = [hash_of(thumbnail) if thumbnail else -1 for thumbnail in thumbnails]
    found: dict[int, list[int]] = defaultdict(list)
    for band in range(_BANDS):
        for bucket in _buckets(hashes, band):
            for number, place in enumerate(bucket):
                before = reversed(bucket[max(0, number - _COMPARED) : number])
                found[place] += islice(
                    _alike(place, before, found[place], hashes, thumbnails), _KEPT - len(found[place])
                )
    yield from ((other, place) for place, others in sorted(found.items()) for other in sorted(others))


def counterparts(thumbnails: Sequence[bytes], ones: Sequence[int], others: Sequence[int]) -> dict[int, int]:
    """For each of `ones` another place, of `others`, whose thumbnail looks like its own, as far as there is one. Both are places
    in ascending order. Complete, but where hundreds of others agree with it in a band and look different all the same."""
    hashes = {place: hash_of(thumbnails[place]) for place in {*ones, *others} if thumbnails[place]}
    found: dict[int, int] = {}
    for shift in range(0, _BANDS * _BAND_BITS, _BAND_BITS):
        buckets: dict[int, list[int]] = defaultdict(list)
        for place in filter(hashes.__contains__, others):
            buckets[_part(hashes[place], shift)].append(place)
        for place in ones:
            if place in hashes and place not in found and (bucket := buckets.get(_part(hashes[place], shift))):
                at = bisect(bucket, place)
                near = chain(reversed(bucket[max(0, at - _EXAMINED) : at]), bucket[at : at + _EXAMINED])
                for other in islice(_alike(place, near, (place,), hashes, thumbnails), 1):
                    found[place] = other
    return found


def _part(bits: int, shift: int) -> int:
    return bits >> shift & (1 << _BAND_BITS) - 1


def _buckets(hashes: Sequence[int], band: int) -> Iterator[list[int]]:
    """The places that agree in a band, in order. One band after the other and sorted, as a table of all would be most of the
    memory that a million images take."""

    def key(place: int) -> int:
        return _part(hashes[place], band * _BAND_BITS)

    places = sorted((place for place, bits in enumerate(hashes) if bits >= 0), key=key)
    buckets = (list(bucket) for _, bucket in groupby(places, key))
    yield from (bucket for bucket in buckets if len(bucket) > 1)


def _alike(
    place: int,
    others: Iterable[int],
    known: Sequence[int],
    hashes: Sequence[int] | Mapping[int, int],
    thumbnails: Sequence[bytes],
) -> Iterator[int]:
    for other in others:
        near = (hashes[place] ^ hashes[other]).bit_count() <= MAX_BITS
        if near and other not in known and _close(thumbnails[place], thumbnails[other]):
            yield other


def _close(one: bytes, other: bytes) -> bool:
    return sum(map(abs, map(sub, one, other))) <= MAX_MEAN_DIFFERENCE * SIDE * SIDE
