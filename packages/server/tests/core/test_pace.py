"""How far a training is, and how long the rest will take."""

import pytest

from eyebright.core.pace import fraction, seconds_left
from eyebright_wire.events import Progress

MIDWAY = Progress(epoch=3, epochs=5, step=120, steps=200)


@pytest.mark.parametrize(
    ("progress", "done"),
    [
        (MIDWAY, 0.6),
        (Progress(epoch=1, epochs=4), 0.0),
        (Progress(epoch=1, epochs=4, epoch_finished=True), 0.25),
        (Progress(epoch=4, epochs=4, step=999, steps=100), 1.0),
        (Progress(epoch=0, epochs=4), 0.0),
        (Progress(epoch=3, epochs=4, step=3, steps=4, fraction=0.1), 0.1),
        (Progress(epoch=3, epochs=4, fraction=0.0), 0.0),
    ],
)
def test_how_much_is_done(progress: Progress, done: float) -> None:
    assert fraction(progress) == done


def test_the_trainer_knows_best_how_long_it_will_take() -> None:
    assert seconds_left(MIDWAY.model_copy(update={"eta_seconds": 7.0}), 300) == 7.0


def test_the_rest_takes_as_long_as_the_part_before_did() -> None:
    assert seconds_left(MIDWAY, 300) == pytest.approx(200)


def test_before_anything_is_done_nobody_knows() -> None:
    assert seconds_left(Progress(epoch=1, epochs=4), 300) is None
