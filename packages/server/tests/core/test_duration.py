"""How long a training will take, worked out by hand and tried at random."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import NOW_MS, job

from eyebright.core.duration import Circumstances, Took, forecast, seen, took
from eyebright.core.job import Job
from eyebright.core.records import StoredEvent
from eyebright_wire.events import Progress
from eyebright_wire.jobs import JobState, Resources
from eyebright_wire.resources import TimeForecast

CONFIG = {"epochs": 2, "batch": 8, "imgsz": 64, "device": "auto"}
HERE = Circumstances.of(CONFIG, on_gpu=False)


def run(images: float = 100, fixed: float = 10, training: float = 50, foretold: float | None = None, **config: object):
    return Took(Circumstances.of({**CONFIG, **config}, on_gpu=False), images, fixed, training, foretold)


def seconds(images: float, past: list[Took]) -> float:
    found = forecast(images, HERE, past).seconds
    assert found is not None
    return found


def test_nothing_is_made_up_where_nothing_is_known():
    found = forecast(100, HERE, [])
    assert (found.basis, found.seconds, found.low_seconds, found.high_seconds, found.runs) == (
        "unknown",
        None,
        None,
        None,
        0,
    )
    assert found.how.startswith("nothing known yet")


def test_the_fixed_part_stays_and_the_rest_grows_with_the_images():
    found = forecast(300, HERE, [run(), run(), run()])
    assert (found.basis, found.seconds, found.fixed_seconds, found.runs) == ("measured", 10 + 3 * 50, 10, 3)
    assert (found.low_seconds, found.high_seconds) == (160, 160)


def test_an_image_to_validate_on_counts_as_a_third_of_one_to_train_on():
    assert seen({"train": 30, "val": 12, "test": 99}) == 34
    assert seen({"val": 12}) == 0


def test_one_run_alone_says_little_of_the_range():
    found = forecast(100, HERE, [run()])
    assert (found.low_seconds, found.seconds, found.high_seconds) == (30, 60, 120)


def test_the_range_is_that_of_the_runs_without_the_fastest_and_the_slowest_of_many():
    few = forecast(100, HERE, [run(training=t) for t in (40, 50, 90)])
    assert (few.low_seconds, few.seconds, few.high_seconds) == (50, 60, 100)
    many = forecast(100, HERE, [run(training=t) for t in (1, 40, 50, 60, 900)])
    assert (many.low_seconds, many.seconds, many.high_seconds) == (50, 60, 70)


def test_images_of_another_size_take_as_long_as_they_have_pixels_or_perhaps_do_not():
    found = forecast(100, HERE, [run(imgsz=32) for _ in range(3)])
    assert (found.basis, found.seconds) == ("scaled", 10 + 4 * 50)
    assert (found.low_seconds, found.high_seconds) == (60, 210)


def test_runs_of_the_same_size_go_before_all_others():
    found = forecast(100, HERE, [run(training=70), *[run(imgsz=96, training=1)] * 9])
    assert (found.basis, found.seconds, found.runs) == ("measured", 80, 1)


def test_three_runs_with_every_setting_the_same_go_before_those_that_are_alike():
    equal = [run(training=t, epochs=9, seed=t) for t in (40, 50, 60)]
    alike = [run(training=1, augment="strong")] * 9
    assert seconds(100, [*alike, *equal]) == 10 + 50
    assert seconds(100, [*alike, *equal[1:]]) == 10 + 1


@pytest.mark.parametrize(
    "other",
    [{"imgsz": 16}, {"imgsz": 160}, {"batch": 1}, {"batch": 64}, {"device": "cpu"}, {"amp": "off"}, {"imgsz": None}],
    ids=str,
)
def test_what_cannot_be_compared_is_said_to_be_so(other: dict[str, object]):
    found = forecast(100, HERE, [run(**other), run(**other)])
    assert (found.basis, found.seconds) == ("unknown", None)
    assert "the 2 earlier trainings of this model had another" in found.how


def test_a_run_with_another_share_of_the_machine_tells_nothing():
    def with_share(**resources: object) -> Circumstances:
        return Circumstances.of(CONFIG, on_gpu="devices" in resources, resources=Resources.model_validate(resources))

    def basis(asked: Circumstances, known: Circumstances) -> str:
        return forecast(100, asked, [replace(run(), circumstances=known)]).basis

    two = with_share(threads=2)
    assert [basis(two, known) for known in (with_share(threads=2), with_share(threads=4), HERE)] == [
        "measured",
        "unknown",
        "measured",  # nobody told what it had
    ]
    one_gpu = with_share(devices=(0,), threads=8)
    assert basis(one_gpu, with_share(devices=(3,), threads=2)) == "measured"
    assert basis(one_gpu, with_share(devices=(0, 1), threads=8)) == "unknown"


def test_a_run_on_a_gpu_tells_nothing_of_one_without():
    elsewhere = replace(run(), circumstances=replace(HERE, on_gpu=True))
    assert forecast(100, HERE, [elsewhere]).basis == "unknown"


def test_the_error_of_past_forecasts_is_told_beside_a_new_one():
    found = forecast(100, HERE, [run(foretold=30), run(foretold=60), run(foretold=75), run()])
    assert (found.error, found.tested) == (0.25, 3)  # of 60 s: 50 %, 0 % and 25 %
    assert (forecast(1, HERE, [run()]).error, forecast(1, HERE, [run()]).tested) == (None, 0)


TIMES = st.floats(0.1, 1e5)
RUNS = st.builds(run, images=st.integers(1, 10**6), fixed=TIMES, training=TIMES, imgsz=st.sampled_from([48, 64, 96]))
PAST = st.lists(RUNS, min_size=1, max_size=9)
IMAGES = st.integers(1, 10**6)


@given(PAST, IMAGES, IMAGES)
def test_more_images_or_epochs_never_take_less(past: list[Took], one: int, other: int):
    assert seconds(min(one, other), past) <= seconds(max(one, other), past)


@given(PAST, IMAGES, st.sampled_from([1e-3, 7.0, 1e4]))
def test_a_machine_so_many_times_slower_takes_so_many_times_longer(past: list[Took], images: int, factor: float):
    slower = [
        replace(each, fixed_seconds=factor * each.fixed_seconds, training_seconds=factor * each.training_seconds)
        for each in past
    ]
    assert seconds(images, slower) == pytest.approx(factor * seconds(images, past))


@given(PAST, IMAGES, st.integers(2, 1000))
def test_what_an_image_is_counted_as_makes_no_difference(past: list[Took], images: int, each: int):
    counted = [replace(one, images=one.images * each) for one in past]
    assert seconds(images * each, counted) == pytest.approx(seconds(images, past))


@given(st.lists(st.builds(run, fixed=TIMES, training=TIMES), min_size=3, max_size=8), IMAGES, st.floats(0, 1e9))
def test_one_odd_run_moves_nothing_beyond_the_others(good: list[Took], images: int, odd: float):
    """However odd: the forecast stays between what the fastest and the slowest parts of the others say."""
    found = seconds(images, [*good, run(fixed=odd, training=odd)])
    fixed, each = [one.fixed_seconds for one in good], [one.training_seconds / one.images for one in good]
    assert min(fixed) + min(each) * images <= found * (1 + 1e-9)
    assert found <= (max(fixed) + max(each) * images) * (1 + 1e-9)


@given(PAST, IMAGES)
def test_the_forecast_lies_within_its_range(past: list[Took], images: int):
    found = forecast(images, HERE, past)
    assert found.low_seconds <= found.seconds <= found.high_seconds


def ended(**fields: object) -> Job:
    """It took 60 s."""
    known = {
        "state": JobState.SUCCEEDED,
        "attempt": 1,
        "resolved": CONFIG,
        "started_at_ms": NOW_MS,
        "finished_at_ms": NOW_MS + 60_000,
        "progress": Progress(epoch=2, epochs=2, epoch_finished=True),
        "forecast": TimeForecast(seconds=45, basis="measured", how=""),
    }
    return job(**{**known, **fields})


def told(*stages: tuple[float, str], **last: object) -> list[StoredEvent]:
    events = [("stage", at, {"stage": stage}) for at, stage in stages] + [("succeeded", 58, last)]
    return [
        StoredEvent(
            job_id="job_0001", attempt=1, seq=seq, position=seq, kind=kind, at_ms=NOW_MS + int(1000 * at), data=data
        )
        for seq, (kind, at, data) in enumerate(events, 1)
    ]


STAGES = ((0, "fetching"), (4, "training"), (54, "exporting"), (56, "uploading"))


def test_a_training_is_parted_by_the_stages_that_its_trainer_told():
    found = took(ended(), 25, told(*STAGES))
    assert found == Took(HERE, 50, 10, 50, 45)


def test_evaluations_between_epochs_are_part_of_the_training():
    found = took(ended(), 25, told((4, "training"), (20, "evaluating"), (24, "training"), (54, "evaluating")))
    assert found is not None
    assert (found.fixed_seconds, found.training_seconds) == (10, 50)


def test_a_training_may_end_in_its_last_stage():
    found = took(ended(), 25, told((4, "training")))
    assert found is not None
    assert found.training_seconds == 54


def test_one_that_stopped_early_tells_its_pace_and_tests_no_forecast():
    found = took(ended(progress=Progress(epoch=3, epochs=10, epoch_finished=True)), 25, told(*STAGES))
    assert found is not None
    assert (found.images, found.foretold_seconds) == (75, None)


def test_its_share_of_the_machine_is_what_it_said_when_it_started():
    started = {"pid": 1, "host": "here", "resources": {"threads": 3}}
    begun = replace(told((4, "training"))[0], kind="started", data=started)
    found = took(ended(), 25, [begun, *told(*STAGES)])
    assert found is not None
    assert found.circumstances.share == 3


def test_memory_on_a_gpu_shows_that_it_ran_on_one():
    found = took(ended(), 25, told(*STAGES, peak_device_bytes=1))
    assert found is not None
    assert found.circumstances.on_gpu


@pytest.mark.parametrize(
    "fields",
    [{"attempt": 2}, {"resume_from": "job_0000"}, {"progress": None}, {"started_at_ms": None}],
    ids=["attempted twice", "went on from another", "silent", "never started"],
)
def test_one_that_was_not_carried_out_in_one_go_tells_nothing(fields: dict[str, object]):
    assert took(ended(**fields), 25, told(*STAGES)) is None


def test_without_stages_or_images_nothing_is_told():
    assert took(ended(), 25, told((4, "validating"))) is None
    assert took(ended(), 0, told(*STAGES)) is None
