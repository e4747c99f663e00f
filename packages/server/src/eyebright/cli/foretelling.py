"""How long a training is to take, said in one line."""

from eyebright.cli.terminal import duration
from eyebright_wire.resources import TimeForecast


def forecast_line(time: TimeForecast) -> str:
    """How long it will take, and how far off such forecasts have been."""
    if time.seconds is None:
        return time.how
    low, high = duration(time.low_seconds), duration(time.high_seconds)
    return f"about {duration(time.seconds)}, {low} to {high} ({time.basis}: {time.how}); {_tested(time)}"


def _tested(time: TimeForecast) -> str:
    if time.error is None:
        return "no such forecast has been put to the test yet"
    if time.tested == 1:
        return f"the one forecast of this model so far was off by {time.error:.0%}"
    return f"{time.tested} forecasts of this model were off by {time.error:.0%} in the middle"
