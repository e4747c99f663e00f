"""What a set holds is told by kind, so that a conversion can say what it lost."""

import pytest

from eyebright_kit.data.annotations import Instance, box_around
from eyebright_kit.data.features import Feature, features_of
from eyebright_kit.data.manifest import Header, Sample
from eyebright_kit.data.rle import box_of, compress
from eyebright_kit.data.shapes import box_holding
from eyebright_wire.datasets import Split

HEADER = Header(format="coco", classes=("cat",))
COUNTS = [13, 2, 85]  # of an image of 10 × 10
CORNERS = (2.0, 0.0, 4.0, 2.0, 2.0, 4.0, 0.0, 2.0)
RING = (1.0, 1.0, 5.0, 1.0, 5.0, 6.0)


def found(*instances: Instance) -> set[Feature]:
    facts = {"sha256": "0" * 64, "extension": "png", "size_bytes": 1, "width": 10, "height": 10}
    return set(features_of(HEADER, [Sample(**facts, split=Split.TRAIN, instances=instances)]))


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


def test_a_box_alone_is_not_loose() -> None:
    assert found(Instance(label=0, box=(0, 0, 9, 9))) == {Feature.BOX}


@pytest.mark.timeout(10)
def test_an_outline_of_a_hundred_thousand_parts_is_held_by_a_box_at_once() -> None:
    rings = (RING,) * 100_000
    assert box_holding(rings, "", (), 10) == box_around(RING)
    assert Feature.PARTS in found(Instance(label=0, box=box_around(RING), polygons=rings))
