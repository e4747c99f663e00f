"""How long a training is to take, in one line."""

import pytest

from eyebright.cli.foretelling import forecast_line, off_by
from eyebright_wire.resources import MemoryForecast, TimeForecast

KNOWN = TimeForecast(
    seconds=192, low_seconds=170, high_seconds=3700, runs=3, basis="measured", how="the middle of 3 earlier trainings"
)
BEGINNING = "about 3:12, 2:50 to 1:01:40 (measured: the middle of 3 earlier trainings); "


@pytest.mark.parametrize(
    ("past", "said"),
    [
        ({}, "no such forecast has been put to the test yet"),
        ({"error": 0.123, "tested": 1}, "the one forecast of this model so far was off by 12%"),
        ({"error": 0.5, "tested": 7}, "7 forecasts of this model were off by 50% in the middle"),
    ],
)
def test_the_range_and_the_error_of_past_forecasts_are_told(past: dict[str, float], said: str) -> None:
    assert forecast_line(KNOWN.model_copy(update=past)) == BEGINNING + said


@pytest.mark.parametrize(
    ("past", "said"),
    [
        ({}, ""),
        ({"error": 0.123, "tested": 1}, "; tested on the one earlier run, it was off by 12%"),
        ({"error": 0.5, "tested": 7}, "; tested on 7 earlier runs, it was off by 50% in the middle"),
    ],
)
def test_how_well_memory_and_disk_would_have_been_foretold_is_told(past: dict[str, float], said: str) -> None:
    assert (
        off_by(MemoryForecast(place="main", needed_bytes=1, basis="measured", how="").model_copy(update=past)) == said
    )


def test_no_number_is_told_where_nothing_is_known() -> None:
    assert (
        forecast_line(TimeForecast(basis="unknown", how="nothing known yet: because")) == "nothing known yet: because"
    )
