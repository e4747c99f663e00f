"""A figure: what is measured, the bar it must reach, and what it is measured against."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass


class NotHere(Exception):
    """This machine lacks what the figure is about, such as a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`bar` is the least value that holds, or the greatest where `lower_is_better`."""

    name: str
    unit: str
    bar: float
    against: str
    lower_is_better: bool = False

    def holds(self, value: float) -> bool:
        return value <= self.bar if self.lower_is_better else value >= self.bar

    def line(self, value: float) -> str:
        """The one JSON line on stdout. Whether it holds is decided before rounding."""
        return json.dumps(
            {
                "figure": self.name,
                "value": float(f"{value:.4g}"),
                "unit": self.unit,
                "bar": self.bar,
                "holds": self.holds(value),
                "against": self.against,
            }
        )


@dataclass(frozen=True, slots=True)
class Family:
    """Figures that one measurement gives together. `measure` answers a value for each name, or raises NotHere."""

    figures: tuple[Figure, ...]
    measure: Callable[[], Mapping[str, float]]
