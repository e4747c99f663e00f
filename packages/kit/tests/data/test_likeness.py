"""Which images look alike is the same in whatever order they were read."""

from random import Random

from eyebright_kit.data.likeness import likeness
from eyebright_kit.data.survey import Picture
from eyebright_wire.datasets import Split


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
