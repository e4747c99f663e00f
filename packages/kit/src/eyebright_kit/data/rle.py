"""COCO's run lengths: an outline as alternating lengths of outside and inside, column by column over the whole image.

`compress` and `expand` turn the lengths into COCO's text and back. Source of the encoding: rleToString in pycocotools' maskApi.c
(a variable-length code of 5 bits per letter, each length after the second as its difference to the one two before).
"""

from collections.abc import Sequence

from eyebright_kit.data.annotations import Box

_FIRST_LETTER = 48
_MORE = 0x20
_SIGN = 0x10


def compress(counts: Sequence[int]) -> str:
    letters: list[str] = []
    for place, count in enumerate(counts):
        rest = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if bits & _SIGN else 0)
            letters.append(chr(_FIRST_LETTER + (bits | _MORE if more else bits)))
    return "".join(letters)


def expand(text: str) -> list[int]:
    """Raises ValueError for what is no such text."""
    counts: list[int] = []
    number = shift = 0
    for letter in text:
        bits = ord(letter) - _FIRST_LETTER
        if not 0 <= bits < 0x40 or shift > 60:
            raise ValueError(f"{letter!r} is no letter of a run length")
        number |= (bits & 0x1F) << shift
        shift += 5
        if bits & _MORE:
            continue
        if bits & _SIGN:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError("the last run length is cut off")
    return counts


def checked(counts: Sequence[int], width: int, height: int) -> None:
    """Raises ValueError unless these lengths cover an image of this size exactly."""
    if any(count < 0 for count in counts):
        raise ValueError("a run length is negative")
    if sum(counts) != width * height:
        raise ValueError(f"the run lengths cover {sum(counts)} pixels; the image has {width}×{height}")


def box_of(counts: Sequence[int], height: int) -> Box:
    """The smallest box that holds what is inside; without area when nothing is."""
    left = top = right = bottom = -1
    start = 0
    for place, count in enumerate(counts):
        if place % 2 and count:
            first, last = start // height, (start + count - 1) // height
            high, low = (start % height, (start + count - 1) % height) if first == last else (0, height - 1)
            left, top = (first, high) if left < 0 else (min(left, first), min(top, high))
            right, bottom = max(right, last), max(bottom, low)
        start += count
    return (left, top, right - left + 1, bottom - top + 1) if left >= 0 else (0, 0, 0, 0)
