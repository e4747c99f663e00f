import pytest

from eyebright_timm.config import TimmConfig
from eyebright_timm.schedule import learning_rate

SCHEDULES = ["cosine", "tanh", "poly", "step", "constant"]


def rates(**config: object) -> list[float]:
    settings = TimmConfig.model_validate({"epochs": 10, "lr0": 0.1, "warmup_epochs": 2, **config})
    rate = learning_rate(settings, steps_per_epoch=5)
    return [rate(step) for step in range(50)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_is_a_function_of_the_step_alone(schedule: str):
    settings = TimmConfig(epochs=10, lr0=0.1, warmup_epochs=1.5, schedule=schedule)
    forwards, backwards = (learning_rate(settings, 5) for _ in range(2))
    there = [forwards(step) for step in range(50)]
    assert [backwards(step) for step in reversed(range(50))] == there[::-1]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_climbs_and_nothing_goes_beyond_the_full_rate(schedule: str):
    found = rates(schedule=schedule)
    assert 0 < found[0] < 0.001
    assert found[:10] == sorted(found[:10])
    assert max(found) <= 0.1


def test_cosine_falls_to_about_the_last_rate():
    assert rates(schedule="cosine", lrf=0.05)[-1] == pytest.approx(0.005, rel=0.05)


def test_step_drops_after_each_so_many_epochs():
    found = rates(schedule="step", step_every=4, step_gamma=0.5, warmup_epochs=0)
    assert [found[epoch * 5] for epoch in range(10)] == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 2)


def test_a_warm_up_longer_than_the_run_still_ends_with_a_number():
    assert 0 < rates(warmup_epochs=1000)[-1] <= 0.1
