"""What a set holds is told by kind, so that a conversion can say what it lost."""

import pytest
from msgspec.structs import replace

from eyebright_kit.data.annotations import Instance, box_around
from eyebright_kit.data.features import Feature, features_of
from eyebright_kit.data.manifest import Header, Sample
from eyebright_kit.data.rle import box_of, compress
from eyebright_kit.data.shapes import box_holding
from eyebright_wire.datasets import Split

HEADER = Header(format="coco", classes=("cat",))
SAMPLE = Sample(sha256="0" * 64, extension="png", size_bytes=1, width=10, height=10, split=Split.TRAIN)
COUNTS = [13, 2, 85]  # of an image of 10 × 10
CORNERS = (2.0, 0.0, 4.0, 2.0, 2.0, 4.0, 0.0, 2.0)
RING = (1.0, 1.0, 5.0, 1.0, 5.0, 6.0)


def found(*instances: Instance) -> set[Feature]:
    return set(features_of(HEADER, [replace(SAMPLE, instances=instances)]))


@pytest.mark.parametrize(
    ("outline", "tight", "feature"),
    [
        ({"polygons": (RING,)}, box_around(RING), Feature.POLYGON),
        ({"rle": compress(COUNTS)}, box_of(COUNTS, 10), Feature.RLE),
        ({"corners": CORNERS}, box_around(CORNERS), Feature.CORNERS),
    ],
)
def test_a_box_that_does_not_just_hold_its_outline_is_loose(
    outline: dict[str, object], tight: tuple[float, float, float, float], feature: Feature
) -> None:
    assert found(Instance(label=0, box=tight, **outline)) == {Feature.BOX, feature}
    assert found(Instance(label=0, box=(0, 0, 9, 9), **outline)) == {Feature.BOX, feature, Feature.LOOSE_BOX}


@pytest.mark.parametrize(("repeats", "expected"), [(1, set[Feature]()), (10, {Feature.REPEATS})])
def test_only_an_image_that_is_repeated_has_repeats(repeats: int, expected: set[Feature]) -> None:
    assert set(features_of(HEADER, [replace(SAMPLE, repeats=repeats)])) == expected


@pytest.mark.parametrize(
    "shapes",
    [{"rle": compress(COUNTS)}, {"corners": CORNERS}, {"rle": compress(COUNTS), "corners": CORNERS}],
)
def test_an_outline_beside_another_shape_is_told(shapes: dict[str, object]) -> None:
    assert Feature.SEVERAL_SHAPES in found(Instance(label=0, box=box_around(RING), polygons=(RING,), **shapes))
    assert Feature.SEVERAL_SHAPES not in found(Instance(label=0, box=box_around(RING), polygons=(RING, RING)))


def test_a_box_alone_is_not_loose() -> None:
    assert found(Instance(label=0, box=(0, 0, 9, 9))) == {Feature.BOX}


@pytest.mark.timeout(10)
def test_an_outline_of_a_hundred_thousand_parts_is_held_by_a_box_at_once() -> None:
    rings = (RING,) * 100_000
    assert box_holding(rings, "", (), 10) == box_around(RING)
    assert Feature.PARTS in found(Instance(label=0, box=box_around(RING), polygons=rings))
