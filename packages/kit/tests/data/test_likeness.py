"""Which images look alike is the same in whatever order they were read."""

from dataclasses import replace
from pathlib import Path
from random import Random

from eyebright_kit.data.findings import Findings
from eyebright_kit.data.fingerprint import MAX_BITS, MAX_MEAN_DIFFERENCE, hash_of
from eyebright_kit.data.likeness import likeness, note_likeness, without_leaks
from eyebright_kit.data.record import Record
from eyebright_kit.data.survey import Picture
from eyebright_kit.data.workplace import Workplace
from eyebright_wire.datasets import Fix, Split


def film(frames: int) -> list[Picture]:
    """A camera that moves so slowly that only neighbours look alike; every fifth frame is in val."""
    random = Random(0)
    ends = [random.randbytes(81) for _ in range(frames // 40 + 2)]
    found: list[Picture] = []
    for number in range(frames):
        one, other, share = ends[number // 40], ends[number // 40 + 1], number % 40
        thumbnail = bytes((a * (40 - share) + b * share) // 40 for a, b in zip(one, other, strict=True))
        split = Split.VAL if number % 5 == 0 else Split.TRAIN
        found.append(Picture("", f"{split}/{number:04}.jpg", split, (), f"{number:064x}", thumbnail, number))
    return found


def test_the_order_of_reading_plays_no_part() -> None:
    pictures = film(300)
    by_split = sorted(pictures, key=lambda picture: picture.source)
    shuffled = Random(1).sample(pictures, len(pictures))
    assert likeness(pictures) == likeness(by_split) == likeness(shuffled)


def test_each_frame_of_a_long_still_scene_is_compared_with_its_neighbours_in_the_other_split() -> None:
    frame = Random(2).randbytes(81)
    pictures = [
        Picture("", f"{'val' if n % 2 else 'train'}/{n:04}.jpg", None, (), f"{n:064x}", frame, n) for n in range(400)
    ]
    found = likeness(sorted(pictures, key=lambda picture: picture.source))
    across = {content for pair in found.pairs for content in pair if int(pair[0], 16) % 2 != int(pair[1], 16) % 2}
    assert len(across) == 400


def alike(one: bytes, other: bytes) -> bool:
    apart = sum(abs(a - b) for a, b in zip(one, other, strict=True))
    return (hash_of(one) ^ hash_of(other)).bit_count() <= MAX_BITS and apart <= 81 * MAX_MEAN_DIFFERENCE


def test_whatever_looks_like_an_image_of_a_stricter_split_is_found_and_leaves_at_once(tmp_path: Path) -> None:
    """Films, scenes that stand still, equal images in two splits: judged by comparing each with each."""
    strictness = list(Split).index
    pictures = film(300)
    pictures += [replace(each, sha256=f"{each.place + 1000:064x}", source=f"again/{each.source}") for each in film(60)]
    pictures = [replace(each, split=Split.TEST) if n % 11 == 0 else each for n, each in enumerate(pictures)]
    pictures += [replace(each, split=Split.TRAIN, source=f"twin/{each.source}") for each in pictures[::7]]

    def leaks(one: Picture) -> bool:
        return any(
            strictness(other.split or Split.TRAIN) > strictness(one.split or Split.TRAIN)
            and other.sha256 != one.sha256
            and alike(one.thumbnail, other.thumbnail)
            for other in pictures
        )

    expected = [picture for picture in pictures if leaks(picture)]
    assert len(expected) > 100
    with Workplace(tmp_path) as place:
        record = Record(tmp_path, findings := Findings(), place.changes)
        note_likeness(pictures, likeness(pictures), record)
        assert [found.count for found in findings.all() if found.code == "near_leaks"] == [len(expected)]
        kept = without_leaks(pictures, [Fix.NEAR_LEAKS], record)
        assert [picture for picture in pictures if picture not in kept] == expected
        assert without_leaks(kept, [Fix.NEAR_LEAKS], record) == kept
