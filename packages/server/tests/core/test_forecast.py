"""What a run will take, worked out by hand."""

import pytest

from eyebright.core import forecast
from eyebright.core.forecast import Peak, Shape
from eyebright.testing import toy_manifest

MIB = 2**20
CONFIG = {"batch": 8, "imgsz": 64, "optimizer": "AdamW", "ema": True, "keep_checkpoints": 3, "exports": ["onnx"]}


def peak(job_id: str, batch: int, imgsz: int, size: int) -> Peak:
    return Peak(job_id, Shape(batch, imgsz), size)


@pytest.mark.parametrize(
    ("reads_only", "same_disk", "expected"), [(True, True, 0), (True, False, 100), (False, True, 100)]
)
def test_only_a_reader_on_the_same_disk_is_given_links(reads_only: bool, same_disk: bool, expected: int):
    manifest = toy_manifest(reads_only=reads_only)
    assert forecast.dataset_bytes(manifest, 100, same_disk=same_disk) == expected


def test_checkpoints_hold_weights_moments_average_and_the_best_weights():
    assert forecast.checkpoint_bytes(1000, CONFIG) == 1000 * 4 * 5 * (3 + 2)
    assert forecast.checkpoint_bytes(1000, {**CONFIG, "optimizer": "SGD", "ema": False}) == 1000 * 4 * 3 * (3 + 2)
    assert forecast.checkpoint_bytes(None, CONFIG) == 0


@pytest.mark.parametrize(
    ("amp", "place", "bytes_each"),
    [
        ("auto", "main", 4),
        ("bf16", "main", 2),
        ("auto", "gpu", 2),
        ("fp16", "gpu", 2),
        ("off", "gpu", 4),
        (None, "gpu", 4),
    ],
)
def test_weights_that_stay_as_they_are_are_held_once_as_they_are_computed_with(
    amp: str | None, place: str, bytes_each: int
):
    config = {**CONFIG, "amp": amp}
    without, found = (forecast.memory(1000, config, (), place, None, frozen=frozen) for frozen in (0, MIB))
    assert without
    assert found
    assert found.needed_bytes == without.needed_bytes + bytes_each * MIB


def test_the_side_of_an_image_goes_by_either_name():
    assert Shape.of({"batch": 2, "resolution": 512}) == Shape.of({"batch": 2, "imgsz": 512}) == Shape(2, 512)


def test_each_export_is_as_large_as_the_weights():
    assert forecast.result_bytes(1000, CONFIG) == 1000 * 4 * 2
    assert forecast.result_bytes(1000, {}) == 1000 * 4


def test_without_an_earlier_run_a_rule_is_told():
    found = forecast.memory(10 * MIB, CONFIG, (), "main", 2**30)
    assert found is not None
    assert (found.basis, found.needed_bytes) == ("rule", 500 * MIB + 10 * MIB * 4 * 5 + 8 * 64 * 64 * 400 * 4)
    assert "rule of thumb" in found.how


def test_the_most_that_a_run_of_the_same_shape_held_goes_before_every_other():
    past = [peak("job_1", 8, 64, 700), peak("job_2", 8, 64, 900), peak("job_3", 16, 64, 5000)]
    found = forecast.memory(1000, CONFIG, past, "gpu", None)
    assert found is not None
    assert (found.basis, found.needed_bytes, found.place) == ("measured", 900, "gpu")
    assert "job_2" in found.how


def test_what_lies_above_the_fixed_part_grows_with_the_pixels_of_a_batch():
    past = [peak("job_1", 4, 64, 900 * MIB), peak("job_2", 64, 64, 9000 * MIB)]
    found = forecast.memory(None, CONFIG, past, "main", None)
    assert found is not None
    assert (found.basis, found.needed_bytes) == ("scaled", 500 * MIB + 2 * 400 * MIB)
    assert "job_1" in found.how


def test_a_run_of_another_order_of_size_tells_less_than_the_rule():
    past = [peak("job_1", 1, 32, 900 * MIB)]  # of an eighth of the images, and a quarter of the pixels of each
    by_rule = forecast.memory(1000, CONFIG, past, "main", None)
    assert by_rule is not None
    assert by_rule.basis == "rule"
    without = forecast.memory(None, CONFIG, past, "main", None)
    assert without is not None
    assert without.basis == "scaled"  # better than nothing


def test_no_batch_is_larger_than_the_images():
    assert forecast.memory(1000, {**CONFIG, "batch": 65536}, (), "main", None, images=8) == forecast.memory(
        1000, CONFIG, (), "main", None
    )


@pytest.mark.parametrize("config", [{}, {"batch": 8}])
def test_where_there_is_nothing_to_go_by_nothing_is_said(config: dict[str, int]):
    assert forecast.memory(1000, config, (), "main", None) is None
