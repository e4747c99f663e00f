"""What a training is to take, and how far off such forecasts have been, said in one line."""

from eyebright.cli.terminal import duration
from eyebright_wire.resources import DiskForecast, MemoryForecast, TimeForecast


def forecast_line(time: TimeForecast) -> str:
    """How long it will take, and how far off such forecasts have been."""
    if time.seconds is None:
        return time.how
    low, high = duration(time.low_seconds), duration(time.high_seconds)
    return f"about {duration(time.seconds)}, {low} to {high} ({time.basis}: {time.how}); {_tested(time)}"


def off_by(found: DiskForecast | MemoryForecast) -> str:
    """How far off it would have been of earlier runs."""
    if found.error is None:
        return ""
    runs = "the one earlier run" if found.tested == 1 else f"{found.tested} earlier runs"
    return f"; tested on {runs}, it was off by {found.error:.0%}{' in the middle' if found.tested > 1 else ''}"


def _tested(time: TimeForecast) -> str:
    if time.error is None:
        return "no such forecast has been put to the test yet"
    if time.tested == 1:
        return f"the one forecast of this model so far was off by {time.error:.0%}"
    return f"{time.tested} forecasts of this model were off by {time.error:.0%} in the middle"
