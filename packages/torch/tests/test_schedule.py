import pytest

from eyebright_torch.config import RunConfig
from eyebright_torch.schedule import learning_rate


def rates(**config: object) -> list[float]:
    settings = RunConfig.model_validate({"epochs": 10, "lr0": 0.1, "warmup_epochs": 2, **config})
    rate = learning_rate(settings, steps_per_epoch=5)
    return [rate(step) for step in range(50)]


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_warm_up_climbs_to_the_full_rate_and_never_beyond(schedule: str):
    found = rates(schedule=schedule)
    assert 0 < found[0] < 0.02
    assert found[:11] == sorted(found[:11])
    assert found[10] == max(found) == pytest.approx(0.1)


def test_cosine_falls_to_the_last_rate():
    found = rates(schedule="cosine", lrf=0.05)
    assert found[10:] == sorted(found[10:], reverse=True)
    assert found[-1] == pytest.approx(0.005)


def test_step_drops_after_each_so_many_epochs():
    found = rates(schedule="step", step_every=4, step_gamma=0.5, warmup_epochs=0)
    assert [found[epoch * 5] for epoch in range(10)] == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 2)


def test_constant_stays():
    assert set(rates(schedule="constant", warmup_epochs=0)) == {0.1}


def test_a_warm_up_longer_than_the_run_still_ends_with_a_number():
    assert rates(warmup_epochs=1000)[-1] == pytest.approx(0.1)
