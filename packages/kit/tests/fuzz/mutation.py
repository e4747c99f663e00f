"""Make a file into one that nobody would write: `mutated(content, random)`."""

from collections.abc import Sequence
from random import Random

_PIECES = (
    b"\x00", b"\xff", b"\n", b'"', b"{", b"}", b"[", b"]", b"<", b">", b"&", b",", b"-", b"NaN", b"1e999", b"-1",
    b"99999999999999999999", b"null", b"true", b"..", b"/", b"\\", b"%s", b"<!DOCTYPE a>", b"&a;", b"*a",
    b"!!python/name:os.system",
)  # fmt: skip


def mutated(content: bytes, random: Random, pieces: Sequence[bytes] = ()) -> bytes:
    """A few bytes flipped, cut out or off, doubled, or replaced by what parsers stumble over, `pieces` among them."""
    known = (*_PIECES, *pieces)
    data = bytearray(content)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0:
                data[place : place + random.randint(1, 30)] = b""
            case 1:
                data[place:place] = random.choice(known)
            case 2:
                data[place : place + 1] = bytes([random.randrange(256)])
            case 3:
                data[place : place + random.randint(1, 4)] = random.choice(known)
            case 4:
                data[place:] = b""
            case _:
                end = random.randrange(place, len(data) + 1)
                data[place:place] = data[place:end][:200]
    return bytes(data)
