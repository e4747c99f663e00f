"""Make a file into one that nobody would write: `mutated(content, random)`, `mutated_json(content, random)`."""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

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


_VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 7.5, -1e308, 2**63, 2**80, "", "7", "ä\ud800", [], [[]], [1, "a"], {}, {"id": None},
)  # fmt: skip


def mutated_json(content: object, random: Random) -> bytes:
    """The same, after some of its values have become others of whatever type. Half of the time the text stays JSON."""
    changed = json.loads(json.dumps(content))
    for _ in range(random.randint(0, 4)):
        holder, key = random.choice([*_spots(changed)])
        holder[key] = random.choice(_VALUES)
    text = json.dumps(changed).encode()
    return mutated(text, random) if random.randrange(2) else text


def _spots(value: object) -> Iterator[tuple[Any, Any]]:
    """Every place in nested lists and dictionaries, as the container and the key."""
    if isinstance(value, dict | list):
        pairs: Any = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield value, key
            yield from _spots(inner)
