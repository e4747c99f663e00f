"""What a run will take, worked out by hand."""

import pytest

from eyebright.core import forecast
from eyebright.core.forecast import Peak, Shape, Written
from eyebright.testing import toy_manifest

MIB = 2**20
CONFIG = {"batch": 8, "imgsz": 64, "optimizer": "AdamW", "ema": True, "keep_checkpoints": 3, "exports": ["onnx"]}


def peak(job_id: str, batch: int, imgsz: int, size: int, **config: object) -> Peak:
    return Peak(job_id, {**CONFIG, "batch": batch, "imgsz": imgsz, **config}, size)


def wrote(checkpoint: int, result: int | None, **config: object) -> Written:
    return Written({**CONFIG, **config}, checkpoint, result)


@pytest.mark.parametrize(
    ("reads_only", "same_disk", "expected"), [(True, True, 0), (True, False, 100), (False, True, 100)]
)
def test_only_a_reader_on_the_same_disk_is_given_links(reads_only: bool, same_disk: bool, expected: int):
    manifest = toy_manifest(reads_only=reads_only)
    assert forecast.dataset_bytes(manifest, 100, same_disk=same_disk) == expected


def test_checkpoints_hold_weights_moments_average_and_the_best_weights():
    assert forecast.writing(1000, CONFIG, ()).checkpoint_bytes == 1000 * 4 * 5 * (3 + 2)
    lean = {**CONFIG, "optimizer": "SGD", "ema": False}
    assert forecast.writing(1000, lean, ()).checkpoint_bytes == 1000 * 4 * 3 * (3 + 2)
    unknown = forecast.writing(None, CONFIG, ())
    assert (unknown.checkpoint_bytes, unknown.result_bytes) == (0, 0)
    assert "not counted" in unknown.how


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
    assert forecast.writing(1000, CONFIG, ()).result_bytes == 1000 * 4 * 2
    assert forecast.writing(1000, {}, ()).result_bytes == 1000 * 4


def test_the_most_that_earlier_trainings_wrote_goes_before_the_rule():
    found = forecast.writing(1000, CONFIG, [wrote(700, 90), wrote(600, 100, epochs=9), wrote(9000, 9000, exports=[])])
    assert (found.basis, found.checkpoint_bytes, found.result_bytes) == ("measured", 700 * (3 + 2), 100)
    assert "2 earlier runs" in found.how
    more = forecast.writing(1000, {**CONFIG, "keep_checkpoints": 10}, [wrote(700, 90)])
    assert more.checkpoint_bytes == 700 * (10 + 2)


def test_a_rehearsal_tells_of_checkpoints_and_nothing_of_results():
    found = forecast.writing(1000, CONFIG, [wrote(700, None)])
    assert (found.basis, found.checkpoint_bytes, found.result_bytes) == ("measured", 700 * 5, 8000)  # by rule
    assert (found.error, found.tested) == (None, 0)
    known = forecast.writing(1000, CONFIG, [wrote(900, None), wrote(700, 90)])
    assert (known.checkpoint_bytes, known.result_bytes, known.tested) == (900 * 5, 90, 1)


@pytest.mark.parametrize("other", [{"optimizer": "SGD"}, {"ema": False}, {"exports": []}, {"rank": 16}], ids=str)
def test_what_was_written_with_other_settings_tells_nothing(other: dict[str, object]):
    found = forecast.writing(1000, {**CONFIG, **other}, [wrote(700, 90)])
    assert (found.basis, found.error, found.tested) == ("rule", pytest.approx(108_000 / 3590 - 1), 1)


def test_how_wrong_it_is_is_told_by_earlier_trainings_each_foretold_from_those_before_it():
    by_rule = 20_000 * 5 + 8000  # of the first one
    found = forecast.writing(1000, CONFIG, [wrote(24_000, 8000), wrote(20_000, 8000), wrote(16_000, 8000)])
    errors = [1 - 108 / 128, 1 - 88 / 108, by_rule / 88_000 - 1]
    assert (found.error, found.tested) == (pytest.approx(sorted(errors)[1]), 3)


def test_how_wrong_a_forecast_of_memory_is_is_told_by_earlier_runs():
    past = [peak("job_3", 8, 64, 900), peak("job_2", 8, 64, 600), peak("job_1", 8, 64, 500)]
    found = forecast.memory(None, CONFIG, past, "main", None)
    assert found is not None
    assert (found.error, found.tested) == (
        pytest.approx((300 / 900 + 100 / 600) / 2),
        2,
    )  # of the first nothing was known
    one = forecast.memory(1000, CONFIG, past[-1:], "main", None)
    assert one is not None
    assert one.tested == 1  # by the rule
    assert (one.error or 0) > 1


@pytest.mark.parametrize("other", [{"processes": 2}, {"amp": "off"}, {"cache": True}, {"freeze": 3}], ids=str)
def test_a_run_that_shares_its_batch_or_computes_otherwise_tells_nothing_of_memory(other: dict[str, object]):
    found = forecast.memory(1000, CONFIG, [peak("job_1", 8, 64, 700, **other)], "gpu", None)
    assert found is not None
    assert found.basis == "rule"


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
