import numpy as np
import pytest
from PIL import Image

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.bitmaps import counts_of
from eyebright_kit.data.local import LocalSample
from eyebright_kit.data.rle import compress
from eyebright_torch.detection.objects import Annotations
from eyebright_torch.preprocess import Preprocessing, frame, square

RING = (8.0, 4.0, 32.0, 4.0, 32.0, 16.0, 8.0, 16.0)
OUTLINED = Instance(label=1, box=(8, 4, 24, 12), polygons=(RING,))


def sample(tmp_path, *instances: Instance) -> LocalSample:
    return LocalSample(tmp_path / "absent.png", None, "a.png", 80, 40, instances)


def run_lengths() -> Instance:
    inside = Image.new("L", (24, 12), 255)
    return Instance(label=1, box=(8, 4, 24, 12), rle=compress(counts_of(inside, 8, 4, (80, 40))))


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("size", [(80, 40), (40, 80), (57, 33), (64, 64)])
def test_a_frame_says_where_the_square_shows_a_point(fit: str, size: tuple[int, int]):
    rule = Preprocessing(160, fit)
    image = Image.new("RGB", size)
    x, y = size[0] // 4, size[1] // 2
    image.paste((255, 255, 255), (x, y, x + 8, y + 8))
    pixels = np.asarray(square(image, rule))[..., 0].astype(float)
    seen = np.argwhere(pixels > 127)[:, ::-1]
    place = frame(*size, rule)
    expected = place.into(np.array([[x, y], [x + 8, y + 8]]))
    assert seen.min(axis=0) == pytest.approx(expected[0], abs=1.5)
    assert seen.max(axis=0) + 1 == pytest.approx(expected[1], abs=1.5)
    assert place.back(expected) == pytest.approx(np.array([[x, y], [x + 8, y + 8]]))


def test_boxes_are_pixels_of_the_square(tmp_path):
    (stretched,) = Annotations([sample(tmp_path, OUTLINED)], Preprocessing(40, "stretch"))[0].boxes.tolist()
    assert stretched == [4, 4, 16, 16]
    (padded,) = Annotations([sample(tmp_path, OUTLINED)], Preprocessing(40, "pad"))[0].boxes.tolist()
    assert padded == [4, 12, 16, 18]


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_rings_and_run_lengths_give_the_same_mask_that_fills_its_box(tmp_path, fit: str):
    annotations = Annotations([sample(tmp_path, OUTLINED, run_lengths())], Preprocessing(160, fit), outlines=True)
    objects = annotations[0]
    assert objects.masks is not None
    rings, lengths = objects.masks
    assert (rings != lengths).mean() < 0.01
    left, top, right, bottom = objects.boxes[0].round().astype(int)
    for mask in (rings, lengths):
        rows, columns = np.nonzero(mask)
        assert (columns.min(), rows.min()) == pytest.approx((left, top), abs=1)
        assert (columns.max() + 1, rows.max() + 1) == pytest.approx((right, bottom), abs=1)


def test_where_outlines_are_learned_an_object_without_one_is_left_out(tmp_path):
    annotations = Annotations(
        [sample(tmp_path, OUTLINED, Instance(label=0, box=(1, 1, 5, 5)))], Preprocessing(32, "stretch"), outlines=True
    )
    assert annotations[0].labels.tolist() == [1]


def test_an_image_without_objects_is_an_image(tmp_path):
    objects = Annotations([sample(tmp_path)], Preprocessing(32, "stretch"), outlines=True)[0]
    assert (objects.boxes.shape, objects.labels.shape) == ((0, 4), (0,))
    assert objects.masks is not None
    assert objects.masks.shape == (0, 32, 32)


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.5])
def test_a_mask_is_as_large_as_its_outline(tmp_path, shift: float):
    turns = np.linspace(0, 2 * np.pi, 9)[:-1] + 0.2
    points = np.stack([40 + shift + 6 * np.cos(turns), 20 + shift + 6 * np.sin(turns)], axis=1)
    octagon = Instance(label=0, box=(34, 14, 12, 12), polygons=(tuple(points.ravel().tolist()),))
    masks = Annotations([sample(tmp_path, octagon, OUTLINED)], Preprocessing(80, "pad"), outlines=True)[0].masks
    assert masks is not None
    assert masks.sum(axis=(1, 2)) == pytest.approx((2 * np.sqrt(2) * 36, 24 * 12), rel=0.05)


def test_the_parts_of_an_object_are_one_mask(tmp_path):
    away = tuple(value + 30 * (place % 2 == 0) for place, value in enumerate(RING))
    parts = Instance(label=0, box=(8, 4, 54, 12), polygons=(RING, away))
    masks = Annotations([sample(tmp_path, parts)], Preprocessing(80, "pad"), outlines=True)[0].masks
    assert masks is not None
    assert masks.shape == (1, 80, 80)
    assert masks.sum() == pytest.approx(2 * 24 * 12, rel=0.05)
